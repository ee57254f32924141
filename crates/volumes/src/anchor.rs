//! Makes the content of every cut snapshot its anchor: labelled with the recovery point, policy `Retain`.
//! From then on the snapshot is found and deleted through it, whatever happens to the application's namespace.

use crate::{
    api::{GroupStatus, RETAIN},
    contents::{self, ContentFacts},
    cut::CutSnapshot,
    error::{Tried, VolumesError, persistently},
    labels::{self, BackupTag},
    storage::group_api,
};
use futures::StreamExt;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
    core::DynamicObject,
};
use protection::{Problem, code, point::VolumeProtection};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the snapshot controller may take to make the contents of a group's members.
const MEMBERS: Duration = Duration::from_secs(60);

/// A cut snapshot with its anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchored {
    /// What was cut.
    pub snapshot: CutSnapshot,
    /// Name of the content that anchors it.
    pub content: String,
    /// Whether a volume can be made from it already.
    pub ready: bool,
}

impl Anchored {
    /// What the recovery point's manifest records.
    pub fn protection(&self) -> VolumeProtection {
        VolumeProtection::Snapshot {
            handle: self.snapshot.handle.clone(),
            cut: self.snapshot.cut,
            restore_size: self.snapshot.restore_size,
            content: self.content.clone(),
            group: self.snapshot.group.clone(),
        }
    }
}

/// Anchors all snapshots; one that cannot be anchored is a problem and not part of the recovery point.
/// Idempotent.
///
/// # Errors
/// When the contents of group members cannot be looked for at all.
pub async fn anchor(
    client: &Client,
    tag: &BackupTag,
    cut: Vec<CutSnapshot>,
    parallel: usize,
) -> Result<(Vec<Anchored>, Vec<Problem>), VolumesError> {
    let named = name_members(client, tag, cut).await?;
    let mut anchored = Vec::new();
    let mut problems = Vec::new();
    let mut kept = futures::stream::iter(named)
        .map(|(snapshot, content)| async move {
            let Some(content) = content else {
                let why = "the snapshot controller made no content for this member of the group".to_owned();
                return (snapshot, Err(why));
            };
            let labels = tag.claim_labels(&snapshot.claim.uid);
            let kept = contents::keep(client, &content, &labels).await;
            (snapshot, kept.map_err(|error| error.to_string()))
        })
        .buffered(parallel.max(1));
    while let Some((snapshot, kept)) = kept.next().await {
        match kept {
            Ok(content) => anchored.push(anchored_by(snapshot, &content)),
            Err(why) => problems.push(not_anchored(&snapshot, &why)),
        }
    }
    Ok((anchored, problems))
}

fn anchored_by(mut snapshot: CutSnapshot, content: &ContentFacts) -> Anchored {
    snapshot.restore_size = content.restore_size.or(snapshot.restore_size);
    snapshot.content = Some(content.name.clone());
    Anchored { content: content.name.clone(), ready: content.ready, snapshot }
}

fn not_anchored(snapshot: &CutSnapshot, why: &str) -> Problem {
    let message = format!(
        "The snapshot {} of the driver {} was cut but could not be retained: {why}",
        snapshot.handle, snapshot.driver
    );
    Problem::warning(code::SNAPSHOT_FAILED, message)
        .about(snapshot.claim.target())
        .fix("Back up again; the snapshot is dropped by name.")
}

/// Finds the contents of group members, which the snapshot controller makes after the group was cut.
async fn name_members(
    client: &Client,
    tag: &BackupTag,
    cut: Vec<CutSnapshot>,
) -> Result<Vec<(CutSnapshot, Option<String>)>, VolumesError> {
    let mut named: Vec<(CutSnapshot, Option<String>)> = cut
        .into_iter()
        .map(|snapshot| (snapshot.content.clone(), snapshot))
        .map(|(name, one)| (one, name))
        .collect();
    if named.iter().all(|(_, name)| name.is_some()) {
        return Ok(named);
    }
    anchor_groups(client, tag).await?;
    let end = Instant::now() + MEMBERS;
    loop {
        let all = contents::list(client, None).await?;
        for (snapshot, name) in named.iter_mut().filter(|(_, name)| name.is_none()) {
            let found = all.iter().find(|facts| is_content_of(facts, snapshot));
            *name = found.map(|facts| facts.name.clone());
        }
        if named.iter().all(|(_, name)| name.is_some()) || Instant::now() >= end {
            return Ok(named);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

fn is_content_of(facts: &ContentFacts, snapshot: &CutSnapshot) -> bool {
    !facts.going
        && facts.driver == snapshot.driver
        && facts.handle.as_ref() == Some(&snapshot.handle)
        && facts.group == snapshot.group
        && facts.volume_handle.as_ref() == Some(&snapshot.volume_handle)
}

/// Labels and retains the contents of this backup's groups.
async fn anchor_groups(client: &Client, tag: &BackupTag) -> Result<(), VolumesError> {
    let Some(api) = group_api(client).await? else { return Ok(()) };
    let groups = Api::<DynamicObject>::all_with(client.clone(), &api.snapshots());
    let ours = ListParams::default().labels(&labels::of_recovery_point(&tag.recovery_point));
    let listed = persistently(|| groups.list(&ours)).await.tried(|| "list the group snapshots".into())?;
    let contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
    let patch =
        Patch::Merge(json!({"metadata": {"labels": tag.labels()}, "spec": {"deletionPolicy": RETAIN}}));
    let params = PatchParams::default();
    let cut = |group: &DynamicObject| {
        let going = group.metadata.deletion_timestamp.is_some();
        GroupStatus::of(group).bound_volume_group_snapshot_content_name.filter(|_| !going)
    };
    for name in listed.items.iter().filter_map(cut) {
        let kept = persistently(|| contents.patch(&name, &params, &patch)).await;
        kept.tried(|| format!("retain the group snapshot content {name}"))?;
    }
    Ok(())
}
