//! `Backup`: make one recovery point now.

use crate::status::{NamespacedName, Phase, RecoveryPointRef, StatusProblem, default_location};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What to back up. Field names follow `KubernetesClusterBackupDatasourceParameters` of the REST API.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "Backup",
    plural = "backups",
    namespaced,
    status = "BackupStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Instance","type":"string","jsonPath":".spec.backupInstance"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Stage","type":"string","jsonPath":".status.stage"}"#,
    printcolumn = r#"{"name":"Objects","type":"integer","jsonPath":".status.objects"}"#,
    printcolumn = r#"{"name":"Snapshots","type":"integer","jsonPath":".status.volumes.snapshots"}"#,
    printcolumn = r#"{"name":"Problems","type":"integer","jsonPath":".status.problemCount"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupSpec {
    /// The backup instance that the recovery point belongs to.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"))]
    pub backup_instance: String,
    /// The own location that it is written to.
    #[schemars(length(min = 1, max = 63))]
    pub storage_location: String,
    /// Namespaces to include, names or globs; empty means all.
    #[schemars(length(max = 800), inner(length(min = 1, max = 63)))]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    #[schemars(length(max = 800), inner(length(min = 1, max = 63)))]
    pub excluded_namespaces: Vec<String>,
    /// Namespaces that the backup takes at most, whatever the filters say: a validation refuses more, a backup tells of them.
    #[schemars(range(min = 1, max = 100_000))]
    pub most_namespaces: u32,
    /// Resource types to include; empty means all.
    #[schemars(length(max = 500), inner(length(min = 1, max = 317)))]
    pub included_resource_types: Vec<String>,
    /// Resource types to leave out.
    #[schemars(length(max = 500), inner(length(min = 1, max = 317)))]
    pub excluded_resource_types: Vec<String>,
    /// Label requirements that must all hold.
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    pub label_selectors: Vec<String>,
    /// Whether all cluster-scoped objects are included, or only related ones.
    pub include_cluster_scope_resources: bool,
    /// Whether volume data is protected.
    pub snapshot_volumes: bool,
    /// Limits snapshots to these volume types; empty means every CSI driver.
    #[schemars(length(max = 10))]
    pub included_volume_types: Vec<VolumeType>,
    /// Whether files are copied where the CSI driver cannot snapshot.
    pub file_copy_volumes: bool,
    /// Where drivers that know resource groups put snapshots; empty means the driver's own choice.
    #[schemars(length(max = 512))]
    pub snapshot_resource_group: String,
    /// Claims that share a value of this label are cut at one instant; empty means never.
    #[schemars(length(max = 317))]
    pub volume_group_label: String,
    /// Hooks to run around the snapshots.
    #[schemars(length(max = 100))]
    pub backup_hook_references: Vec<NamespacedName>,
    /// Retention tag, recorded with the recovery point.
    #[schemars(length(max = 63))]
    pub retention_tag: String,
    /// Seconds that a snapshot may take to be cut.
    #[schemars(range(min = 10, max = 86_400))]
    pub snapshot_timeout_seconds: u32,
    /// Seconds that the whole backup may take.
    #[schemars(range(min = 60, max = 604_800))]
    pub deadline_seconds: u32,
    /// Stop the backup; can only be set, not unset.
    pub cancel: bool,
}

impl Default for BackupSpec {
    fn default() -> Self {
        Self {
            backup_instance: "default".to_owned(),
            storage_location: default_location(),
            included_namespaces: Vec::new(),
            excluded_namespaces: Vec::new(),
            most_namespaces: 800,
            included_resource_types: Vec::new(),
            excluded_resource_types: Vec::new(),
            label_selectors: Vec::new(),
            include_cluster_scope_resources: true,
            snapshot_volumes: true,
            included_volume_types: Vec::new(),
            file_copy_volumes: false,
            snapshot_resource_group: String::new(),
            volume_group_label: String::new(),
            backup_hook_references: Vec::new(),
            retention_tag: String::new(),
            snapshot_timeout_seconds: 600,
            deadline_seconds: 14_400,
            cancel: false,
        }
    }
}

/// Volume types of the original (`AKSVolumeTypes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VolumeType {
    /// `disk.csi.azure.com`.
    AzureDisk,
    /// `file.csi.azure.com` with SMB.
    AzureFileShareSMB,
}

/// How a backup goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupStatus {
    /// Generation of the spec that this status speaks of.
    pub observed_generation: i64,
    /// Where the backup stands.
    pub phase: Phase,
    /// The step under way.
    pub stage: String,
    /// How often the extension began this work.
    pub attempt: u32,
    /// When work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// The recovery point, once it is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_point: Option<RecoveryPointRef>,
    /// Objects captured.
    pub objects: u64,
    /// Objects per `<resource>[.<group>]`.
    pub kinds: BTreeMap<String, u64>,
    /// Bytes read from the API server and from volumes.
    pub bytes_read: u64,
    /// Bytes that the repository grew by.
    pub bytes_added: u64,
    /// What became of the volumes.
    pub volumes: VolumeCounts,
    /// Containers whose pre-hook was about to run or ran and whose post-hook has not.
    pub frozen: Vec<FrozenContainer>,
    /// The first 100 problems.
    pub problems: Vec<StatusProblem>,
    /// All problems that weigh (warnings and errors).
    pub problem_count: u64,
    /// Path in the store of the full result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_file: Option<String>,
}

/// Claims by what protects them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeCounts {
    /// By a CSI snapshot.
    pub snapshots: u64,
    /// By a copy of the files.
    pub file_copies: u64,
    /// By nothing.
    pub not_protected: u64,
}

/// A container that a pre-hook may have frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrozenContainer {
    /// `<namespace>/<name>` of the hook object.
    pub hook: String,
    /// Name of the entry in it.
    pub entry: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// UID of the pod: a new pod of the same name is not frozen.
    pub pod_uid: String,
}
