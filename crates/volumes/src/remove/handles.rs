//! Deletes recorded snapshots whose anchor is gone: a temporary content is made for the handle and deleted
//! with policy `Delete`, so that the CSI driver deletes the snapshot.

use super::{Kept, Removal};
use crate::{
    api::{
        BEING_DELETED, ContentSource, DELETE, SnapshotRef, VolumeSnapshotClass, VolumeSnapshotContent,
        VolumeSnapshotContentSpec,
    },
    contents::{self, ContentFacts},
    decide::{ClassChoice, choose_class},
    error::{Tried, VolumesError, is_conflict, persistently},
    labels,
    leftovers::{Leftovers, observe_leftovers},
    storage::observe_storage,
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use protection::{
    Problem, RecoveryPointId, code,
    point::{VolumeProtection, VolumeRecord},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// Without it the API server would let the content go before the driver has deleted anything.
const FINALIZER: &str = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection";
const POLL: Duration = Duration::from_millis(500);

/// A snapshot that the manifest of a recovery point names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSnapshot {
    /// CSI driver.
    pub driver: String,
    /// The storage system's handle.
    pub handle: String,
    /// The group that it is part of.
    pub group: Option<String>,
    /// Namespace of the claim in the source cluster.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// Whether the volume is a raw block device.
    pub block: bool,
}

impl RecordedSnapshot {
    /// `None` for a volume that was not protected by a snapshot.
    pub fn of(record: &VolumeRecord) -> Option<Self> {
        let VolumeProtection::Snapshot { handle, group, .. } = &record.protection else { return None };
        Some(Self {
            driver: record.driver.clone()?,
            handle: handle.clone(),
            group: group.clone(),
            namespace: record.namespace.clone(),
            claim: record.claim.clone(),
            block: record.block,
        })
    }

    fn is_anchored(&self, left: &Leftovers) -> bool {
        left.handles.contains_key(&(self.driver.clone(), self.handle.clone()))
    }
}

/// The recorded snapshots that no content of the cluster refers to: once the manifest is gone, nothing leads to them.
pub async fn unanchored(
    client: &Client,
    id: &RecoveryPointId,
    recorded: &[RecordedSnapshot],
) -> Result<Vec<RecordedSnapshot>, VolumesError> {
    let left = observe_leftovers(client, Some(id)).await?;
    Ok(recorded.iter().filter(|snapshot| !snapshot.is_anchored(&left)).cloned().collect())
}

/// Deletes the recorded snapshots that no content of the cluster refers to.
pub(super) async fn remove_unanchored(
    client: &Client,
    id: &RecoveryPointId,
    recorded: &[RecordedSnapshot],
    left: &Leftovers,
    end: Instant,
    removal: &mut Removal,
) -> Result<(), VolumesError> {
    let mut missing = Vec::new();
    for snapshot in recorded {
        if snapshot.is_anchored(left) || removal.deleted.contains(&snapshot.handle) {
            continue;
        }
        match &snapshot.group {
            None => missing.push(snapshot),
            Some(group) => removal.kept.push(lone_member(snapshot, group)),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let storage = observe_storage(client).await?;
    for snapshot in missing {
        if !storage.drivers.contains(&snapshot.driver) {
            removal.kept.push(kept(snapshot, "the cluster no longer has the driver"));
            continue;
        }
        let class = match choose_class(&snapshot.driver, &storage.classes, &BTreeMap::new()) {
            ClassChoice::Chosen(class) => Some(class),
            _ => None,
        };
        match delete_through(client, &temporary(id, snapshot, class), end).await? {
            None => removal.deleted.push(snapshot.handle.clone()),
            Some(why) => removal.kept.push(kept(snapshot, &why)),
        }
    }
    Ok(())
}

/// Why the snapshot is still there, or nothing when it is gone.
async fn delete_through(
    client: &Client,
    content: &VolumeSnapshotContent,
    end: Instant,
) -> Result<Option<String>, VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let name = content.name_any();
    let params = PostParams::default();
    match persistently(|| contents.create(&params, content)).await {
        Err(error) if is_conflict(&error) => {}
        other => drop(other.tried(|| format!("create the snapshot content {name}"))?),
    }
    let mut released = false;
    loop {
        let found = persistently(|| contents.get_opt(&name)).await;
        let Some(seen) = found.tried(|| format!("read the snapshot content {name}"))? else {
            return Ok(None);
        };
        let known = seen.status.as_ref().is_some_and(|status| status.snapshot_handle.is_some());
        let failure = seen.failure().map(str::to_owned);
        if !released && (known || failure.is_some()) {
            // A driver that does not find the snapshot has nothing left to delete.
            contents::release(client, &ContentFacts::of(&seen), DELETE).await?;
            released = true;
        }
        if Instant::now() >= end {
            return Ok(Some(failure.unwrap_or_else(|| "the CSI driver did not answer in time".to_owned())));
        }
        sleep(POLL).await;
    }
}

fn temporary(
    id: &RecoveryPointId,
    snapshot: &RecordedSnapshot,
    class: Option<&VolumeSnapshotClass>,
) -> VolumeSnapshotContent {
    let RecordedSnapshot { driver, handle, namespace, block, .. } = snapshot;
    let name = format!("cofferdam-delete-{}-{}", id.as_str(), labels::digest(&[driver, handle]));
    let spec = VolumeSnapshotContentSpec {
        deletion_policy: DELETE.to_owned(),
        driver: driver.clone(),
        source: ContentSource { snapshot_handle: Some(handle.clone()), volume_handle: None },
        source_volume_mode: Some(if *block { "Block" } else { "Filesystem" }.to_owned()),
        volume_snapshot_class_name: None,
        volume_snapshot_ref: SnapshotRef {
            kind: Some("VolumeSnapshot".to_owned()),
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            ..SnapshotRef::default()
        },
    };
    let mut content = VolumeSnapshotContent::new(&name, spec);
    content.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    content.metadata.labels = Some(BTreeMap::from([
        (labels::MANAGED_BY.to_owned(), labels::COFFERDAM.to_owned()),
        (labels::PURPOSE.to_owned(), labels::FOR_DELETION.to_owned()),
        (labels::RECOVERY_POINT.to_owned(), id.as_str().to_owned()),
    ]));
    let mut annotations = secrets(class);
    annotations.insert(BEING_DELETED.to_owned(), "yes".to_owned());
    content.metadata.annotations = Some(annotations);
    content
}

/// The secret with which the driver deletes, as the snapshot controller would have annotated it.
fn secrets(class: Option<&VolumeSnapshotClass>) -> BTreeMap<String, String> {
    let parameters = class.and_then(|class| class.parameters.as_ref());
    let value =
        |key: &str| parameters.and_then(|all| all.get(key)).filter(|value| !value.contains("${")).cloned();
    let name = value("csi.storage.k8s.io/snapshotter-secret-name");
    let namespace = value("csi.storage.k8s.io/snapshotter-secret-namespace");
    match (name, namespace) {
        (Some(name), Some(namespace)) => BTreeMap::from([
            ("snapshot.storage.kubernetes.io/deletion-secret-name".to_owned(), name),
            ("snapshot.storage.kubernetes.io/deletion-secret-namespace".to_owned(), namespace),
        ]),
        _ => BTreeMap::new(),
    }
}

fn kept(snapshot: &RecordedSnapshot, why: &str) -> Kept {
    let RecordedSnapshot { driver, handle, .. } = snapshot;
    Kept {
        driver: driver.clone(),
        handle: Some(handle.clone()),
        retry: true,
        problem: Problem::warning(
            code::SNAPSHOT_ORPHANED,
            format!(
                "The snapshot {handle} of the driver {driver} lost its anchor and was not deleted: {why}"
            ),
        )
        .about(format!("persistentvolumeclaims/{}/{}", snapshot.namespace, snapshot.claim))
        .fix("Delete the snapshot in the storage system by this handle."),
    }
}

fn lone_member(snapshot: &RecordedSnapshot, group: &str) -> Kept {
    let why = format!("it is part of the group {group}, which can only be deleted as a whole.");
    Kept { retry: false, ..kept(snapshot, &why) }
}
