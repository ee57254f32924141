//! What a recovery point holds besides the objects themselves: its manifest and the index of its
//! objects. Written by `capture`, read by `replay` and the command line.
//! Format: `docs/formats/recovery-point.md`.

use crate::{BackupUid, ClusterUid, Problem, RecoveryPointId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the layout that this product writes.
pub const FORMAT_VERSION: &str = "1";
/// Path of the [`Manifest`] inside a recovery point.
pub const MANIFEST: &str = "manifest.json";
/// Path of the object index: a JSON array with one [`IndexEntry`] per line.
pub const INDEX: &str = "resources/index.json";

/// Path of the list that holds the objects of one resource in one namespace, or the cluster-scoped ones.
pub fn list_path(resource: &str, group: &str, namespace: Option<&str>) -> String {
    let folder = resource_folder(resource, group);
    match namespace {
        Some(namespace) => format!("resources/{folder}/namespaces/{namespace}.json"),
        None => format!("resources/{folder}/cluster.json"),
    }
}

/// `<resource>.<group>`, or just `<resource>` for the core group.
pub fn resource_folder(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// Path of a file-copied volume: a directory, or an image for a raw block volume.
pub fn volume_path(namespace: &str, claim: &str, block: bool) -> String {
    if block { format!("volumes/{namespace}/{claim}.img") } else { format!("volumes/{namespace}/{claim}") }
}

/// What, when, which cluster, versions, selection, lists, counts, volumes and warnings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT_VERSION`]; a reader refuses a version that it does not know.
    pub format_version: String,
    /// This recovery point.
    pub recovery_point: RecoveryPointId,
    /// The `Backup` object that made it.
    pub backup: BackupIdentity,
    /// The backup instance it belongs to.
    pub instance: String,
    /// When the backup began.
    pub started: Timestamp,
    /// When the last byte was captured.
    pub completed: Timestamp,
    /// Where the objects come from.
    pub cluster: ClusterIdentity,
    /// `cofferdam <version>`.
    pub writer: String,
    /// The selection, as the `Backup` object's spec said it.
    pub selection: serde_json::Value,
    /// One entry per listed resource, or per resource and namespace.
    pub lists: Vec<ListRecord>,
    /// Objects per `<resource>[.<group>]`.
    pub counts: BTreeMap<String, u64>,
    /// Bytes of all objects.
    pub bytes: u64,
    /// One entry per selected claim, protected or not.
    pub volumes: Vec<VolumeRecord>,
    /// What was not protected, by name; also what is merely worth knowing.
    pub problems: Vec<Problem>,
}

/// Name and UID of the `Backup` object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupIdentity {
    /// `metadata.name`, which is the job's id.
    pub name: String,
    /// `metadata.uid`.
    pub uid: BackupUid,
}

/// The cluster that was captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterIdentity {
    /// UID of `kube-system`.
    pub uid: ClusterUid,
    /// `gitVersion` of the API server.
    pub kubernetes_version: String,
}

/// How one resource was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRecord {
    /// API group, empty for core.
    pub group: String,
    /// API version that was listed.
    pub version: String,
    /// Object kind.
    pub kind: String,
    /// Plural resource name.
    pub resource: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// The namespace, when the resource was listed namespace by namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.resourceVersion` of the list: the instant that it shows.
    pub resource_version: String,
    /// Objects that were captured.
    pub captured: u64,
    /// Bytes of these objects.
    pub bytes: u64,
}

/// One selected claim and what protects it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeRecord {
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// The bound PersistentVolume, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume: Option<String>,
    /// CSI driver, if the volume has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Storage class of the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// True for a raw block volume.
    pub block: bool,
    /// Capacity in bytes.
    pub capacity: u64,
    /// What protects it.
    pub protection: VolumeProtection,
}

/// What protects a volume's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum VolumeProtection {
    /// A CSI snapshot, retained by the storage system.
    Snapshot {
        /// The storage system's handle.
        handle: String,
        /// When the storage system cut it.
        cut: Timestamp,
        /// Bytes that a volume made from it needs.
        restore_size: Option<u64>,
        /// The cluster-scoped VolumeSnapshotContent that anchors it for deletion.
        content: String,
        /// Handle of the group snapshot that it is part of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    },
    /// A copy of its files (or of its blocks) inside the recovery point.
    Files {
        /// Path inside the recovery point, see [`volume_path`].
        path: String,
        /// Files copied.
        files: u64,
        /// Bytes read.
        bytes: u64,
    },
    /// Nothing: the restore re-creates it empty.
    None {
        /// Why, as a documented code.
        code: String,
        /// Why, as a sentence.
        reason: String,
    },
}

/// Where one object stands inside the recovery point: one object is read without its neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexEntry {
    /// API group, empty for core.
    pub group: String,
    /// API version of the stored bytes.
    pub version: String,
    /// Object kind.
    pub kind: String,
    /// Plural resource name.
    pub resource: String,
    /// Namespace; absent for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Object name.
    pub name: String,
    /// Object UID in the source cluster.
    pub uid: String,
    /// First byte of the object in its list, see [`list_path`].
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Owner references.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl IndexEntry {
    /// `apiVersion` of the stored bytes.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Path of the list that holds it.
    pub fn list_path(&self) -> String {
        list_path(&self.resource, &self.group, self.namespace.as_deref())
    }
}

/// An owner reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// `apiVersion` of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// UID of the owner in the source cluster.
    pub uid: String,
    /// Whether the owner controls the object.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub controller: bool,
}
