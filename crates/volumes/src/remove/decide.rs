//! Whether a storage snapshot may be deleted through one of its contents. Pure.

use super::Kept;
use crate::{contents::ContentFacts, labels};
use protection::{Problem, code};
use std::collections::BTreeMap;

/// What becomes of a storage snapshot and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Both are deleted.
    Delete,
    /// Only the content goes: others refer to the same storage snapshot.
    LetGo {
        /// Names of the other contents.
        others: Vec<String>,
    },
    /// Both stay for now: a restore reads the snapshot.
    InUse {
        /// Names of the restore's contents.
        restores: Vec<String>,
    },
}

/// The fate of one content's storage snapshot, given all contents by driver and handle.
pub fn fate(content: &ContentFacts, handles: &BTreeMap<(String, String), Vec<ContentFacts>>) -> Fate {
    let Some(handle) = &content.handle else { return Fate::Delete };
    let sharing = handles.get(&(content.driver.clone(), handle.clone()));
    let others: Vec<&ContentFacts> =
        sharing.into_iter().flatten().filter(|one| one.name != content.name && !one.going).collect();
    let names = |purposes: &[&str]| -> Vec<String> {
        let named = others.iter().filter(|one| one.purpose.as_deref().is_some_and(|p| purposes.contains(&p)));
        named.map(|one| one.name.clone()).collect()
    };
    let restores = names(&[labels::FOR_RESTORE, labels::FOR_COPY]);
    if !restores.is_empty() {
        return Fate::InUse { restores };
    }
    let passing = names(&[labels::FOR_PROBE, labels::FOR_DELETION]);
    let others: Vec<String> =
        others.iter().map(|one| one.name.clone()).filter(|name| !passing.contains(name)).collect();
    if others.is_empty() { Fate::Delete } else { Fate::LetGo { others } }
}

/// The fate of a group as a whole: a member cannot be deleted alone.
pub(super) fn of_group(members: &[Fate]) -> Fate {
    let mut restores = Vec::new();
    let mut others = Vec::new();
    for fate in members {
        match fate {
            Fate::Delete => {}
            Fate::InUse { restores: names } => restores.extend(names.clone()),
            Fate::LetGo { others: names } => others.extend(names.clone()),
        }
    }
    match (restores.is_empty(), others.is_empty()) {
        (false, _) => Fate::InUse { restores },
        (true, false) => Fate::LetGo { others },
        (true, true) => Fate::Delete,
    }
}

impl Fate {
    /// What is reported when the storage snapshot stays.
    pub(super) fn kept(&self, content: &ContentFacts) -> Option<Kept> {
        let handle = content.handle.as_deref().unwrap_or("without handle");
        let (retry, problem) = match self {
            Self::Delete => return None,
            Self::LetGo { others } => (
                false,
                Problem::warning(
                    code::SNAPSHOT_ORPHANED,
                    format!(
                        "The snapshot {handle} of the driver {} was not deleted: {} also refer to it.",
                        content.driver,
                        others.join(", ")
                    ),
                )
                .fix("Delete it through those VolumeSnapshotContents when nobody needs them."),
            ),
            Self::InUse { restores } => (
                true,
                Problem::warning(
                    code::DELETE_FAILED,
                    format!(
                        "The snapshot {handle} of the driver {} is being restored from through {}.",
                        content.driver,
                        restores.join(", ")
                    ),
                )
                .fix("Wait for the restore and delete the recovery point again."),
            ),
        };
        let problem =
            problem.about(format!("volumesnapshotcontents.snapshot.storage.k8s.io/{}", content.name));
        Some(Kept { driver: content.driver.clone(), handle: content.handle.clone(), retry, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(name: &str, handle: Option<&str>, purpose: Option<&str>) -> ContentFacts {
        ContentFacts {
            name: name.into(),
            uid: format!("uid-{name}"),
            driver: "d".into(),
            handle: handle.map(Into::into),
            cut: None,
            ready: true,
            restore_size: None,
            volume_handle: None,
            group: None,
            snapshot_uid: None,
            recovery_point: None,
            claim_uid: None,
            purpose: purpose.map(Into::into),
            going: false,
        }
    }

    fn handles(all: &[ContentFacts]) -> BTreeMap<(String, String), Vec<ContentFacts>> {
        let mut map: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for one in all {
            if let Some(handle) = &one.handle {
                map.entry((one.driver.clone(), handle.clone())).or_default().push(one.clone());
            }
        }
        map
    }

    #[test]
    fn data_under_a_second_content_is_never_deleted() {
        let ours = content("ours", Some("h"), Some(labels::FOR_BACKUP));
        let going = ContentFacts { going: true, ..content("old", Some("h"), None) };
        let rows = [
            ("alone", vec![ours.clone()], Fate::Delete),
            ("another handle", vec![ours.clone(), content("x", Some("i"), None)], Fate::Delete),
            (
                "second content",
                vec![ours.clone(), content("x", Some("h"), None)],
                Fate::LetGo { others: vec!["x".into()] },
            ),
            ("second content on its way out", vec![ours.clone(), going], Fate::Delete),
            (
                "a restore",
                vec![
                    ours.clone(),
                    content("r", Some("h"), Some(labels::FOR_RESTORE)),
                    content("x", Some("h"), None),
                ],
                Fate::InUse { restores: vec!["r".into()] },
            ),
            ("a probe", vec![ours.clone(), content("p", Some("h"), Some(labels::FOR_PROBE))], Fate::Delete),
            (
                "another driver's handle of the same name",
                vec![ours.clone(), ContentFacts { driver: "e".into(), ..content("x", Some("h"), None) }],
                Fate::Delete,
            ),
        ];

        for (row, all, expected) in rows {
            assert_eq!(fate(&ours, &handles(&all)), expected, "{row}");
        }
    }

    #[test]
    fn a_group_goes_or_stays_as_a_whole() {
        let free = Fate::Delete;
        let shared = Fate::LetGo { others: vec!["x".into()] };
        let used = Fate::InUse { restores: vec!["r".into()] };

        assert_eq!(of_group(&[free.clone(), free.clone()]), Fate::Delete);
        assert_eq!(of_group(&[free.clone(), shared.clone()]), shared);
        assert_eq!(of_group(&[shared, used.clone(), free]), used);
    }
}
