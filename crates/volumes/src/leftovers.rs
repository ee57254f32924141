//! Sees everything that backups left in the cluster, so that after a crash the caller can decide what to
//! reuse, what to drop by name and what to report as orphaned.

use crate::{
    api::{GroupApi, GroupContentStatus, GroupStatus, VolumeSnapshot},
    contents::{self, ContentFacts},
    error::{Tried, VolumesError, persistently},
    labels,
    storage::group_api,
};
use kube::{Api, Client, ResourceExt, api::ListParams, core::DynamicObject};
use protection::RecoveryPointId;
use std::collections::{BTreeMap, BTreeSet};

/// Everything of ours.
#[derive(Debug, Clone, Default)]
pub struct Leftovers {
    /// VolumeSnapshots that are still in the applications' namespaces.
    pub snapshots: Vec<LeftSnapshot>,
    /// Contents: anchors of recovery points, and contents that no anchor label was set on yet.
    pub contents: Vec<ContentFacts>,
    /// Group snapshots and their contents.
    pub groups: Vec<LeftGroup>,
    pub(crate) group_api: Option<GroupApi>,
    /// Names of all contents per driver and storage handle, those of others too.
    pub(crate) handles: BTreeMap<(String, String), Vec<ContentFacts>>,
}

/// A VolumeSnapshot in an application's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftSnapshot {
    /// The recovery point.
    pub recovery_point: RecoveryPointId,
    /// UID of the claim.
    pub claim_uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Its content.
    pub content: Option<String>,
}

/// A group snapshot, its content, or both.
#[derive(Debug, Clone)]
pub struct LeftGroup {
    /// The recovery point.
    pub recovery_point: RecoveryPointId,
    /// The namespaced object, while it is there.
    pub group: Option<DynamicObject>,
    /// The cluster-scoped content.
    pub content: Option<DynamicObject>,
}

impl LeftGroup {
    /// The storage system's handle of the group.
    pub fn handle(&self) -> Option<String> {
        GroupContentStatus::of(self.content.as_ref()?).volume_group_snapshot_handle
    }
}

impl Leftovers {
    /// The recovery points that something is left of.
    pub fn recovery_points(&self) -> BTreeSet<RecoveryPointId> {
        let snapshots = self.snapshots.iter().map(|one| one.recovery_point.clone());
        let contents = self.contents.iter().filter_map(|one| one.recovery_point.clone());
        let groups = self.groups.iter().map(|one| one.recovery_point.clone());
        snapshots.chain(contents).chain(groups).collect()
    }

    /// Whether nothing of ours is there.
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.contents.is_empty() && self.groups.is_empty()
    }
}

/// Sees what is left of one backup, or of all.
pub async fn observe_leftovers(
    client: &Client,
    only: Option<&RecoveryPointId>,
) -> Result<Leftovers, VolumesError> {
    let selector = match only {
        Some(id) => labels::of_recovery_point(id),
        None => format!("{},{}={}", labels::RECOVERY_POINT, labels::PURPOSE, labels::FOR_BACKUP),
    };
    let group_api = group_api(client).await?;
    let snapshots = contents::snapshots(client, &selector).await?;
    let all = contents::list(client, None).await?;
    let groups = match &group_api {
        Some(api) => observe_groups(client, api, &selector).await?,
        None => Vec::new(),
    };
    let group_handles: BTreeSet<String> = groups.iter().filter_map(LeftGroup::handle).collect();
    let wanted = |facts: &ContentFacts| {
        let temporary = facts.purpose.as_deref().is_some_and(|purpose| purpose != labels::FOR_BACKUP);
        let member = facts.group.as_ref().is_some_and(|group| group_handles.contains(group));
        let of_point = match (&facts.recovery_point, only) {
            (Some(point), Some(id)) => point == id,
            (point, None) => point.is_some(),
            (None, Some(_)) => false,
        };
        !temporary && (of_point || member)
    };
    let mut left = Leftovers { group_api, groups, ..Leftovers::default() };
    for facts in all {
        if wanted(&facts) {
            left.contents.push(facts.clone());
        }
        if let Some(handle) = &facts.handle {
            left.handles.entry((facts.driver.clone(), handle.clone())).or_default().push(facts);
        }
    }
    left.snapshots = snapshots.iter().filter_map(left_snapshot).collect();
    Ok(left)
}

fn left_snapshot(snapshot: &VolumeSnapshot) -> Option<LeftSnapshot> {
    let labels = snapshot.labels();
    Some(LeftSnapshot {
        recovery_point: RecoveryPointId::new(labels.get(labels::RECOVERY_POINT)?),
        claim_uid: labels.get(labels::CLAIM_UID)?.clone(),
        namespace: snapshot.namespace()?,
        name: snapshot.name_any(),
        uid: snapshot.uid()?,
        content: snapshot.content().map(str::to_owned),
    })
}

async fn observe_groups(
    client: &Client,
    api: &GroupApi,
    selector: &str,
) -> Result<Vec<LeftGroup>, VolumesError> {
    let page = ListParams::default().labels(selector);
    let groups = Api::<DynamicObject>::all_with(client.clone(), &api.snapshots());
    let listed = persistently(|| groups.list(&page)).await.tried(|| "list the group snapshots".into())?;
    let contents = Api::<DynamicObject>::all_with(client.clone(), &api.contents());
    let anchored =
        persistently(|| contents.list(&page)).await.tried(|| "list the group snapshot contents".into())?;
    let mut anchors: BTreeMap<String, DynamicObject> =
        anchored.items.into_iter().map(|content| (content.name_any(), content)).collect();
    let mut left = Vec::new();
    for group in listed.items {
        let bound = GroupStatus::of(&group).bound_volume_group_snapshot_content_name;
        let name = bound.unwrap_or_else(|| format!("groupsnapcontent-{}", group.uid().unwrap_or_default()));
        let content = match anchors.remove(&name) {
            Some(content) => Some(content),
            None => {
                contents.get_opt(&name).await.tried(|| format!("read the group snapshot content {name}"))?
            }
        };
        left.extend(point_of(&group).map(|recovery_point| LeftGroup {
            recovery_point,
            group: Some(group),
            content,
        }));
    }
    left.extend(anchors.into_values().filter_map(|content| {
        Some(LeftGroup { recovery_point: point_of(&content)?, group: None, content: Some(content) })
    }));
    Ok(left)
}

fn point_of(object: &DynamicObject) -> Option<RecoveryPointId> {
    object.labels().get(labels::RECOVERY_POINT).map(RecoveryPointId::new)
}
