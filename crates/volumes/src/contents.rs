//! The few things that are done to snapshot contents: list them lean, label and retain, let go.

use crate::{
    api::{BEING_DELETED, RETAIN, VolumeSnapshot, VolumeSnapshotContent},
    error::{Tried, VolumesError, if_served, is_absent, persistently},
    labels,
};
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
};
use protection::RecoveryPointId;
use serde_json::json;
use std::{collections::BTreeMap, fmt::Debug};

/// Contents per page of a list.
const PAGE: u32 = 500;

/// A content, as far as this crate decides on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentFacts {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// CSI driver.
    pub driver: String,
    /// The storage system's handle, once it is cut.
    pub handle: Option<String>,
    /// When it was cut.
    pub cut: Option<Timestamp>,
    /// Whether a volume can be made from it.
    pub ready: bool,
    /// Bytes that a volume made from it needs.
    pub restore_size: Option<u64>,
    /// The driver's handle of the source volume, of a content that a snapshot request made.
    pub volume_handle: Option<String>,
    /// Handle of its group.
    pub group: Option<String>,
    /// UID of its VolumeSnapshot.
    pub snapshot_uid: Option<String>,
    /// The recovery point, by label or by the name of its VolumeSnapshot.
    pub recovery_point: Option<RecoveryPointId>,
    /// UID of the claim, by label or by the name of its VolumeSnapshot.
    pub claim_uid: Option<String>,
    /// What it is for, by label; one of the `FOR_…` values.
    pub purpose: Option<String>,
    /// Whether it is on its way out.
    pub going: bool,
}

impl ContentFacts {
    pub(crate) fn of(content: &VolumeSnapshotContent) -> Self {
        let label = |key: &str| content.labels().get(key).cloned();
        let reference = &content.spec.volume_snapshot_ref;
        let parsed = reference.name.as_deref().and_then(labels::parse_snapshot_name);
        let (point, claim) = parsed.map_or((None, None), |(point, claim)| (Some(point), Some(claim)));
        Self {
            name: content.name_any(),
            uid: content.uid().unwrap_or_default(),
            driver: content.spec.driver.clone(),
            handle: content.handle().map(str::to_owned),
            cut: content.cut(),
            ready: content.is_ready(),
            restore_size: content.restore_size(),
            volume_handle: content.spec.source.volume_handle.clone(),
            group: content.group_handle().map(str::to_owned),
            snapshot_uid: reference.uid.clone(),
            recovery_point: label(labels::RECOVERY_POINT).map(RecoveryPointId::new).or(point),
            claim_uid: label(labels::CLAIM_UID).or(claim),
            purpose: label(labels::PURPOSE),
            going: content.metadata.deletion_timestamp.is_some(),
        }
    }

    /// Whether it was kept for a recovery point.
    pub fn is_anchor(&self) -> bool {
        self.purpose.as_deref() == Some(labels::FOR_BACKUP)
    }
}

/// All contents of the cluster, page by page; only the facts are kept.
pub(crate) async fn list(client: &Client, selector: Option<&str>) -> Result<Vec<ContentFacts>, VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    if let Some(selector) = selector {
        page = page.labels(selector);
    }
    loop {
        let list = if_served(persistently(|| contents.list(&page)).await)
            .tried(|| "list the snapshot contents".into())?;
        found.extend(list.items.iter().map(ContentFacts::of));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// Labels a content as the anchor of its storage snapshot and makes sure that nothing deletes the latter.
pub(crate) async fn keep(
    client: &Client,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> Result<ContentFacts, VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": labels}, "spec": {"deletionPolicy": RETAIN}}));
    let params = PatchParams::default();
    let kept = persistently(|| contents.patch(name, &params, &patch)).await;
    Ok(ContentFacts::of(&kept.tried(|| format!("retain the snapshot content {name}"))?))
}

/// Lets a content go with this policy: `Delete` takes the storage snapshot along, `Retain` leaves it.
///
/// The annotation is the one with which the snapshot controller tells the sidecar that the VolumeSnapshot is
/// gone; without it the finalizer would stay for ever. Absent is success.
pub(crate) async fn release(
    client: &Client,
    content: &ContentFacts,
    policy: &str,
) -> Result<(), VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let name = &content.name;
    let patch = Patch::Merge(json!({
        "metadata": {"uid": content.uid, "annotations": {BEING_DELETED: "yes"}},
        "spec": {"deletionPolicy": policy},
    }));
    let params = PatchParams::default();
    match persistently(|| contents.patch(name, &params, &patch)).await {
        Err(error) if is_absent(&error) => return Ok(()),
        other => drop(other.tried(|| format!("prepare the deletion of the snapshot content {name}"))?),
    }
    delete(&contents, name, Some(&content.uid)).await
}

/// Sets the policy only.
pub(crate) async fn set_policy(client: &Client, name: &str, policy: &str) -> Result<(), VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let patch = Patch::Merge(json!({"spec": {"deletionPolicy": policy}}));
    let params = PatchParams::default();
    match persistently(|| contents.patch(name, &params, &patch)).await {
        Err(error) if is_absent(&error) => Ok(()),
        other => other.map(drop).tried(|| format!("set the deletion policy of the snapshot content {name}")),
    }
}

/// Deletes an object; absent, or another of the same name, is success.
pub(crate) async fn delete<K>(api: &Api<K>, name: &str, uid: Option<&str>) -> Result<(), VolumesError>
where
    K: Clone + serde::de::DeserializeOwned + Debug,
{
    let preconditions = uid
        .filter(|uid| !uid.is_empty())
        .map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None });
    let params = DeleteParams { preconditions, ..DeleteParams::default() };
    match persistently(|| api.delete(name, &params)).await {
        Err(error) if is_absent(&error) || crate::error::is_conflict(&error) => Ok(()),
        other => other.map(drop).tried(|| format!("delete {name}")),
    }
}

/// The VolumeSnapshots of a recovery point, in all namespaces.
pub(crate) async fn snapshots(client: &Client, selector: &str) -> Result<Vec<VolumeSnapshot>, VolumesError> {
    let snapshots = Api::<VolumeSnapshot>::all(client.clone());
    let page = ListParams::default().labels(selector);
    let listed = if_served(persistently(|| snapshots.list(&page)).await);
    Ok(listed.tried(|| "list the snapshots".into())?.items)
}
