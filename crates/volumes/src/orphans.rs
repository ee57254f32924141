//! Finds snapshots of backups that ended without tidying up, and removes what no recovery point can need.
//! Deciding is pure.
//!
//! A snapshot is part of a recovery point only once it is anchored. What was never anchored is dropped; what is
//! anchored stays, whatever became of the `Backup` object.

use crate::{
    detach::detach,
    error::VolumesError,
    leftovers::Leftovers,
    remove::{Kept, remove_point},
};
use protection::{Problem, RecoveryPointId};
use std::{collections::BTreeSet, time::Duration};

/// What a backup left behind that is not running any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Orphan {
    /// Nothing of it was ever retained: all of it goes, with the storage snapshots.
    Drop(RecoveryPointId),
    /// Its anchors stay; what is still in the applications' namespaces goes.
    Detach(RecoveryPointId),
}

impl Orphan {
    /// The recovery point that was being made.
    pub fn recovery_point(&self) -> &RecoveryPointId {
        match self {
            Self::Drop(id) | Self::Detach(id) => id,
        }
    }
}

/// Decides what is left behind. `running` holds the UIDs of backups that are not at their end; look at it *after*
/// the leftovers were seen, so that a backup that began in between counts as running. Pure.
pub fn orphans(left: &Leftovers, running: &BTreeSet<String>) -> Vec<Orphan> {
    let ended = left.recovery_points().into_iter().filter(|id| !running.contains(id.as_str()));
    let decided = ended.filter_map(|id| {
        let of = |point: &Option<RecoveryPointId>| point.as_ref() == Some(&id);
        let mut contents = left.contents.iter().filter(|one| of(&one.recovery_point));
        let anchored = contents.any(|one| one.is_anchor());
        let attached = left.snapshots.iter().any(|one| one.recovery_point == id)
            || left.groups.iter().any(|one| one.recovery_point == id && one.group.is_some());
        match (anchored, attached) {
            (false, _) => Some(Orphan::Drop(id)),
            (true, true) => Some(Orphan::Detach(id)),
            // As it should be after a backup.
            (true, false) => None,
        }
    });
    decided.collect()
}

/// Removes one orphan and waits at most this long; answers with what is still there, by name.
pub async fn remove_orphan(
    client: &kube::Client,
    orphan: &Orphan,
    at_most: Duration,
) -> Result<Vec<Problem>, VolumesError> {
    match orphan {
        Orphan::Detach(id) => detach(client, id, at_most).await,
        Orphan::Drop(id) => {
            let removal = remove_point(client, id, &[], at_most).await?;
            Ok(removal.kept.into_iter().map(|Kept { problem, .. }| problem).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contents::ContentFacts, labels, leftovers::LeftSnapshot};

    fn content(id: &str, anchored: bool) -> ContentFacts {
        ContentFacts {
            name: format!("content-{id}"),
            uid: "u".into(),
            driver: "d".into(),
            handle: Some("h".into()),
            cut: None,
            ready: true,
            restore_size: None,
            volume_handle: None,
            group: None,
            snapshot_uid: None,
            recovery_point: Some(RecoveryPointId::new(id)),
            claim_uid: None,
            purpose: anchored.then(|| labels::FOR_BACKUP.to_owned()),
            going: false,
        }
    }

    fn snapshot(id: &str) -> LeftSnapshot {
        LeftSnapshot {
            recovery_point: RecoveryPointId::new(id),
            claim_uid: "c".into(),
            namespace: "shop".into(),
            name: "s".into(),
            uid: "u".into(),
            content: None,
        }
    }

    #[test]
    fn only_what_no_recovery_point_can_need_is_dropped() {
        let left = Leftovers {
            contents: vec![content("done", true), content("half", true), content("never", false)],
            snapshots: vec![snapshot("half"), snapshot("never"), snapshot("running"), snapshot("bare")],
            ..Leftovers::default()
        };

        let found = orphans(&left, &BTreeSet::from(["running".to_owned()]));

        let id = RecoveryPointId::new;
        assert_eq!(
            found,
            [Orphan::Drop(id("bare")), Orphan::Detach(id("half")), Orphan::Drop(id("never"))],
            "an anchor alone is what a backup is meant to leave"
        );
    }
}
