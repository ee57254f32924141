//! What a backup must know about a selected claim and the volume behind it to decide how its data is
//! protected. Found by `capture`, decided on by `volumes`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A PersistentVolumeClaim that the selection chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectedClaim {
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the claim.
    pub name: String,
    /// UID of the claim.
    pub uid: String,
    /// Where the binding stands.
    pub phase: ClaimPhase,
    /// `spec.storageClassName`; `Some("")` means that the claim refuses every class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Files or raw blocks.
    pub volume_mode: VolumeMode,
    /// `spec.accessModes`.
    pub access_modes: Vec<AccessMode>,
    /// Bytes that the claim asks for (`spec.resources.requests.storage`).
    pub requested: u64,
    /// Bytes that it got (`status.capacity.storage`); absent until it is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Labels of the claim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The volume behind it.
    pub volume: ClaimVolume,
}

impl SelectedClaim {
    /// `persistentvolumeclaims/<namespace>/<name>`, as a [`crate::Problem`] names it.
    pub fn target(&self) -> String {
        format!("persistentvolumeclaims/{}/{}", self.namespace, self.name)
    }

    /// Bytes that the volume holds: what it got, else what it asks for.
    pub fn size(&self) -> u64 {
        self.capacity.unwrap_or(self.requested)
    }

    /// The volume behind it, when there is one.
    pub fn bound(&self) -> Option<&VolumeFacts> {
        match &self.volume {
            ClaimVolume::Bound(facts) => Some(facts),
            ClaimVolume::Unbound | ClaimVolume::Missing { .. } => None,
        }
    }
}

/// What `spec.volumeName` of a claim leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClaimVolume {
    /// The claim names no volume yet.
    Unbound,
    /// The claim names a volume that the cluster does not have.
    Missing {
        /// The name.
        name: String,
    },
    /// The volume.
    Bound(VolumeFacts),
}

/// A PersistentVolume, as far as protecting its data needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeFacts {
    /// Name of the PersistentVolume.
    pub name: String,
    /// UID of the PersistentVolume.
    pub uid: String,
    /// What stores the data.
    pub source: VolumeSource,
    /// Bytes (`spec.capacity.storage`).
    pub capacity: u64,
    /// `spec.storageClassName`; empty when the volume was made by hand without a class.
    pub storage_class: String,
    /// `spec.persistentVolumeReclaimPolicy`: `Retain`, `Delete` or `Recycle`.
    pub reclaim_policy: String,
    /// `spec.mountOptions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mount_options: Vec<String>,
    /// `spec.nodeAffinity`, unchanged; which nodes can reach the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_affinity: Option<serde_json::Value>,
    /// Labels of the PersistentVolume.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

/// What stores a volume's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum VolumeSource {
    /// A CSI driver.
    Csi(CsiSource),
    /// A volume plugin that is (or was) compiled into Kubernetes.
    InTree {
        /// The field of `spec` that holds it: `hostPath`, `nfs`, `local`, `azureDisk`, `azureFile` …
        kind: String,
        /// The CSI driver that serves it in its stead (annotation `pv.kubernetes.io/migrated-to`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        migrated_to: Option<String>,
    },
}

/// `spec.csi` of a PersistentVolume, complete enough to make a second volume over the same data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiSource {
    /// Name of the driver.
    pub driver: String,
    /// The driver's handle of the volume.
    pub volume_handle: String,
    /// File system type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fs_type: Option<String>,
    /// Whether it is published read-only.
    #[serde(default)]
    pub read_only: bool,
    /// The driver's attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volume_attributes: BTreeMap<String, String>,
    /// Secret of the controller's publish call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_publish_secret_ref: Option<SecretRef>,
    /// Secret of the node's stage call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_stage_secret_ref: Option<SecretRef>,
    /// Secret of the node's publish call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_publish_secret_ref: Option<SecretRef>,
    /// Secret of the controller's expand call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_expand_secret_ref: Option<SecretRef>,
    /// Secret of the node's expand call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_expand_secret_ref: Option<SecretRef>,
}

/// Where a Secret is, never what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
    /// Namespace of the Secret.
    pub namespace: String,
}

/// `status.phase` of a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimPhase {
    /// No volume yet.
    #[default]
    Pending,
    /// Bound to a volume.
    Bound,
    /// Its volume is gone.
    Lost,
}

/// `spec.volumeMode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeMode {
    /// A file system.
    #[default]
    Filesystem,
    /// A raw block device.
    Block,
}

/// One of `spec.accessModes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessMode {
    /// One node writes.
    ReadWriteOnce,
    /// Many nodes read.
    ReadOnlyMany,
    /// Many nodes write.
    ReadWriteMany,
    /// One pod writes.
    ReadWriteOncePod,
}
