//! Removes everything of ours from the applications' namespaces once a recovery point is committed. Anchored
//! snapshots stay in the storage system; what was never anchored is dropped with its snapshot.
//!
//! Idempotent; needs nothing but the recovery point's id, so it also finishes after a crash.

use crate::{
    api::{DELETE, GroupApi, GroupStatus, RETAIN, VolumeSnapshot},
    contents::{self, ContentFacts},
    error::{Tried, VolumesError, persistently},
    labels,
    parallel::in_parallel,
    remind::{Reminders, remind},
    storage::group_api,
};
use futures::future::BoxFuture;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::DynamicObject,
};
use protection::{Problem, RecoveryPointId, code};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Requests under way at the same time.
const PARALLEL: usize = 16;
const POLL: Duration = Duration::from_millis(500);

/// Removes our snapshots from the applications' namespaces, and waits at most this long until they are gone.
/// What is not gone by then, or may not be removed, is named in a problem. A temporary failure is returned once
/// everything else has been removed: the call is then to be repeated.
pub async fn detach(
    client: &Client,
    id: &RecoveryPointId,
    at_most: Duration,
) -> Result<Vec<Problem>, VolumesError> {
    let selector = labels::of_recovery_point(id);
    let end = Instant::now() + at_most;
    let groups = detach_groups(client, &selector).await?;
    let snapshots = contents::snapshots(client, &selector).await?;
    let anchors: BTreeMap<String, ContentFacts> = contents::list(client, Some(&selector))
        .await?
        .into_iter()
        .map(|one| (one.name.clone(), one))
        .collect();
    let mut removals: Vec<BoxFuture<'_, Result<(), VolumesError>>> = Vec::new();
    for snapshot in &snapshots {
        removals.push(Box::pin(remove(client, snapshot, &anchors)));
    }
    let removed = in_parallel(PARALLEL, removals).await;
    let kept = Kept::of(snapshots.iter().zip(removed));
    let mut problems = wait(client, &selector, &groups, &kept, end).await?;
    late_contents(client, &snapshots, &anchors).await?;
    problems.extend(kept.refused);
    kept.again.map_or(Ok(problems), Err)
}

/// Snapshots whose removal was not accepted.
#[derive(Debug, Default)]
struct Kept {
    names: BTreeSet<String>,
    refused: Vec<Problem>,
    /// The first failure that may end well when it is tried again.
    again: Option<VolumesError>,
}

impl Kept {
    fn of<'a>(removals: impl Iterator<Item = (&'a VolumeSnapshot, Result<(), VolumesError>)>) -> Self {
        let mut kept = Self::default();
        for (snapshot, removed) in removals {
            let Err(error) = removed else { continue };
            let name = name_of(snapshot);
            if error.is_temporary() {
                kept.again.get_or_insert(error);
            } else {
                kept.refused.push(not_removed(&name, &error));
            }
            kept.names.insert(name);
        }
        kept
    }
}

/// Deletes one VolumeSnapshot; its storage snapshot stays exactly when its content is an anchor.
async fn remove(
    client: &Client,
    snapshot: &VolumeSnapshot,
    anchors: &BTreeMap<String, ContentFacts>,
) -> Result<(), VolumesError> {
    let content = content_name(snapshot);
    let policy = if anchors.contains_key(&content) { RETAIN } else { DELETE };
    contents::set_policy(client, &content, policy).await?;
    let namespace = snapshot.namespace().unwrap_or_default();
    let snapshots = Api::<VolumeSnapshot>::namespaced(client.clone(), &namespace);
    contents::delete(&snapshots, &snapshot.name_any(), snapshot.metadata.uid.as_deref()).await
}

/// The content of a dynamically made snapshot, even before the status names it.
pub(crate) fn content_name(snapshot: &VolumeSnapshot) -> String {
    let bound = snapshot.content().map(str::to_owned);
    bound.unwrap_or_else(|| format!("snapcontent-{}", snapshot.metadata.uid.as_deref().unwrap_or_default()))
}

/// A content that the snapshot controller made just as its VolumeSnapshot was deleted is dropped, too.
async fn late_contents(
    client: &Client,
    snapshots: &[VolumeSnapshot],
    anchors: &BTreeMap<String, ContentFacts>,
) -> Result<(), VolumesError> {
    let api = Api::<crate::api::VolumeSnapshotContent>::all(client.clone());
    for name in snapshots.iter().map(content_name).filter(|name| !anchors.contains_key(name)) {
        let found = persistently(|| api.get_opt(&name))
            .await
            .tried(|| format!("read the snapshot content {name}"))?;
        if let Some(content) = found {
            contents::release(client, &ContentFacts::of(&content), DELETE).await?;
        }
    }
    Ok(())
}

/// Deletes our group snapshots; the snapshot controller deletes their members with them.
async fn detach_groups(
    client: &Client,
    selector: &str,
) -> Result<Option<(GroupApi, Vec<DynamicObject>)>, VolumesError> {
    let Some(api) = group_api(client).await? else { return Ok(None) };
    let groups = Api::<DynamicObject>::all_with(client.clone(), &api.snapshots());
    let ours = ListParams::default().labels(selector);
    let listed = persistently(|| groups.list(&ours)).await.tried(|| "list the group snapshots".into())?.items;
    let group_contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
    let anchored =
        persistently(|| group_contents.list(&ours)).await.tried(|| "list the group contents".into())?;
    let anchored: Vec<String> = anchored.items.iter().map(ResourceExt::name_any).collect();
    for group in &listed {
        let content = GroupStatus::of(group).bound_volume_group_snapshot_content_name.unwrap_or_default();
        if !anchored.contains(&content) {
            crate::cut::abandon_group(client, &api, group).await?;
            continue;
        }
        let patch = Patch::Merge(json!({"spec": {"deletionPolicy": RETAIN}}));
        let params = PatchParams::default();
        let kept = persistently(|| group_contents.patch(&content, &params, &patch)).await;
        kept.tried(|| format!("retain the group snapshot content {content}"))?;
        let namespace = group.namespace().unwrap_or_default();
        let here = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace, &api.snapshots());
        contents::delete(&here, &group.name_any(), group.metadata.uid.as_deref()).await?;
    }
    Ok(Some((api, listed)))
}

async fn wait(
    client: &Client,
    selector: &str,
    groups: &Option<(GroupApi, Vec<DynamicObject>)>,
    kept: &Kept,
    end: Instant,
) -> Result<Vec<Problem>, VolumesError> {
    let mut reminders = Reminders::new();
    loop {
        let mut snapshots = contents::snapshots(client, selector).await?;
        snapshots.retain(|one| !kept.names.contains(&name_of(one)));
        if let Some(times) = reminders.due() {
            for name in snapshots.iter().map(content_name) {
                remind(client, &name, times).await?;
            }
        }
        let mut left: Vec<String> = snapshots.iter().map(name_of).collect();
        if let Some((api, groups)) = groups {
            left.extend(left_of_groups(client, api, groups, selector).await?);
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        if Instant::now() >= end {
            return Ok(left.into_iter().map(still_there).collect());
        }
        sleep(POLL).await;
    }
}

/// Groups of ours, and members of them, that are still there.
async fn left_of_groups(
    client: &Client,
    api: &GroupApi,
    groups: &[DynamicObject],
    selector: &str,
) -> Result<Vec<String>, VolumesError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let all = Api::<DynamicObject>::all_with(client.clone(), &api.snapshots());
    let ours = ListParams::default().labels(selector);
    let listed = persistently(|| all.list(&ours)).await.tried(|| "list the group snapshots".into())?;
    let name = |kind: &str, namespace: Option<String>, name: String| {
        format!("{kind}/{}/{name}", namespace.unwrap_or_default())
    };
    let mut left: Vec<String> = listed
        .items
        .iter()
        .map(|group| {
            name("volumegroupsnapshots.groupsnapshot.storage.k8s.io", group.namespace(), group.name_any())
        })
        .collect();
    for group in groups {
        let namespace = group.namespace().unwrap_or_default();
        let members = Api::<VolumeSnapshot>::namespaced(client.clone(), &namespace);
        let everything = ListParams::default();
        let listed = persistently(|| members.list(&everything)).await;
        let owned = |one: &&VolumeSnapshot| {
            one.owner_references().iter().any(|owner| Some(&owner.uid) == group.metadata.uid.as_ref())
        };
        let listed = listed.tried(|| format!("list the snapshots in {namespace}"))?;
        left.extend(
            listed
                .items
                .iter()
                .filter(owned)
                .map(|one| name("volumesnapshots.snapshot.storage.k8s.io", one.namespace(), one.name_any())),
        );
    }
    Ok(left)
}

fn name_of(snapshot: &VolumeSnapshot) -> String {
    let namespace = snapshot.namespace().unwrap_or_default();
    format!("volumesnapshots.snapshot.storage.k8s.io/{namespace}/{}", snapshot.name_any())
}

fn not_removed(object: &str, error: &VolumesError) -> Problem {
    let refused = error.problem(code::SNAPSHOT_ORPHANED);
    let mut problem = Problem::warning(
        code::SNAPSHOT_ORPHANED,
        format!("{object} of this backup is still in the application's namespace: {error}."),
    )
    .about(object);
    problem.recommended_action = refused.recommended_action;
    problem.fix("The extension tries again every few minutes; the recovery point is not affected.")
}

fn still_there(object: String) -> Problem {
    Problem::warning(
        code::SNAPSHOT_ORPHANED,
        format!(
            "{object} of this backup is still in the application's namespace: its deletion does not end."
        ),
    )
    .about(object)
    .fix("Check the snapshot controller; the object is on its way out and its storage snapshot is retained.")
}
