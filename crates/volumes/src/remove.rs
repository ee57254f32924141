//! Deletes the snapshots of a recovery point, or of a backup that never became one: through their anchors,
//! and through the recorded handles where an anchor is gone.
//!
//! A storage snapshot that another content also refers to is never deleted: deleting it through one content
//! would destroy the data under the other. Idempotent; needs nothing but the recovery point's id.

mod decide;
mod handles;
mod wait;

pub use decide::{Fate, fate};
pub use handles::{RecordedSnapshot, unanchored};

use crate::{
    api::{DELETE, RETAIN, VolumeSnapshot},
    contents::{self, ContentFacts},
    error::{Tried, VolumesError, is_absent, persistently},
    leftovers::{LeftGroup, Leftovers, observe_leftovers},
    parallel::in_parallel,
};
use futures::future::BoxFuture;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    core::DynamicObject,
};
use protection::{Problem, RecoveryPointId};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Requests under way at the same time.
const PARALLEL: usize = 16;

/// What became of the snapshots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Removal {
    /// Handles of the snapshots that were deleted.
    pub deleted: Vec<String>,
    /// Snapshots that still exist, and why.
    pub kept: Vec<Kept>,
}

/// A snapshot that still exists in the storage system.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// CSI driver.
    pub driver: String,
    /// The storage system's handle, if it is known.
    pub handle: Option<String>,
    /// Whether the same call may delete it later.
    pub retry: bool,
    /// Why, and what to do.
    pub problem: Problem,
}

/// Deletes every snapshot of the recovery point and waits at most this long until they are gone.
///
/// `recorded` are the snapshots of the recovery point's manifest: those whose anchor someone deleted are found by
/// nothing else.
pub async fn remove_point(
    client: &Client,
    id: &RecoveryPointId,
    recorded: &[RecordedSnapshot],
    at_most: Duration,
) -> Result<Removal, VolumesError> {
    let end = Instant::now() + at_most;
    let left = observe_leftovers(client, Some(id)).await?;
    let mut removal = Removal::default();
    let grouped = remove_groups(client, &left, &mut removal).await?;
    let singles: Vec<(&ContentFacts, Fate)> = left
        .contents
        .iter()
        .filter(|content| !grouped.contains(&content.name))
        .map(|content| (content, fate(content, &left.handles)))
        .collect();
    drop_snapshots(client, &left, &singles).await?;
    let mut releases: Vec<BoxFuture<'_, Result<(), VolumesError>>> = Vec::new();
    for (content, fate) in &singles {
        match fate {
            Fate::Delete => releases.push(Box::pin(contents::release(client, content, DELETE))),
            Fate::LetGo { .. } => releases.push(Box::pin(contents::release(client, content, RETAIN))),
            Fate::InUse { .. } => {}
        }
    }
    in_parallel(PARALLEL, releases).await.into_iter().collect::<Result<(), _>>()?;
    for (content, fate) in &singles {
        removal.kept.extend(fate.kept(content));
    }
    wait::until_gone(client, &left, &singles, end, &mut removal).await?;
    handles::remove_unanchored(client, id, recorded, &left, end, &mut removal).await?;
    Ok(removal)
}

/// Deletes our VolumeSnapshots, except those whose storage snapshot is in use by a restore.
async fn drop_snapshots(
    client: &Client,
    left: &Leftovers,
    singles: &[(&ContentFacts, Fate)],
) -> Result<(), VolumesError> {
    for snapshot in &left.snapshots {
        let content = snapshot.content.clone().unwrap_or_else(|| format!("snapcontent-{}", snapshot.uid));
        let fate = singles.iter().find(|(one, _)| one.name == content).map(|(_, fate)| fate);
        match fate {
            Some(Fate::InUse { .. }) => continue,
            Some(Fate::LetGo { .. }) => contents::set_policy(client, &content, RETAIN).await?,
            Some(Fate::Delete) | None => contents::set_policy(client, &content, DELETE).await?,
        }
        let snapshots = Api::<VolumeSnapshot>::namespaced(client.clone(), &snapshot.namespace);
        contents::delete(&snapshots, &snapshot.name, Some(&snapshot.uid)).await?;
    }
    Ok(())
}

/// Deletes group snapshots as a whole, because a member cannot be deleted alone; returns the names of the
/// contents that this dealt with.
async fn remove_groups(
    client: &Client,
    left: &Leftovers,
    removal: &mut Removal,
) -> Result<Vec<String>, VolumesError> {
    let mut dealt_with = Vec::new();
    for group in &left.groups {
        let members: Vec<&ContentFacts> = match group.handle() {
            Some(handle) => left.contents.iter().filter(|one| one.group.as_ref() == Some(&handle)).collect(),
            None => Vec::new(),
        };
        dealt_with.extend(members.iter().map(|one| one.name.clone()));
        let fates: Vec<Fate> = members.iter().map(|one| fate(one, &left.handles)).collect();
        let whole = decide::of_group(&fates);
        removal.kept.extend(members.iter().filter_map(|member| whole.kept(member)));
        let policy = match whole {
            Fate::InUse { .. } => continue,
            Fate::Delete => DELETE,
            Fate::LetGo { .. } => RETAIN,
        };
        for member in &members {
            contents::release(client, member, policy).await?;
        }
        release_group(client, left, group, policy).await?;
    }
    Ok(dealt_with)
}

async fn release_group(
    client: &Client,
    left: &Leftovers,
    group: &LeftGroup,
    policy: &str,
) -> Result<(), VolumesError> {
    let Some(api) = &left.group_api else { return Ok(()) };
    if let Some(content) = &group.content {
        let contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
        let name = content.name_any();
        let patch = Patch::Merge(json!({
            "metadata": {"annotations": {(crate::api::GROUP_BEING_DELETED): "yes"}},
            "spec": {"deletionPolicy": policy},
        }));
        let params = PatchParams::default();
        match persistently(|| contents.patch(&name, &params, &patch)).await {
            Err(error) if is_absent(&error) => {}
            other => {
                drop(other.tried(|| format!("prepare the deletion of the group snapshot content {name}"))?)
            }
        }
        contents::delete(&contents, &name, content.metadata.uid.as_deref()).await?;
    }
    if let Some(object) = &group.group {
        let namespace = object.namespace().unwrap_or_default();
        let groups = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &api.snapshots());
        contents::delete(&groups, &object.name_any(), object.metadata.uid.as_deref()).await?;
    }
    Ok(())
}
