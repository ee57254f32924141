//! `DeleteBackup`: delete one recovery point and its snapshots.

use crate::status::{Phase, RecoveryPointRef, StatusProblem};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to delete.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "DeleteBackup",
    plural = "deletebackups",
    namespaced,
    status = "DeleteBackupStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Recovery point","type":"string","jsonPath":".spec.recoveryPoint.id"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct DeleteBackupSpec {
    /// The recovery point, in an own location.
    pub recovery_point: RecoveryPointRef,
}

/// How the deletion goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteBackupStatus {
    /// Generation of the spec that this status speaks of.
    pub observed_generation: i64,
    /// Where the deletion stands.
    pub phase: Phase,
    /// When work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Snapshots deleted.
    pub snapshots_deleted: u64,
    /// Snapshots that only the manifest named, written down before the recovery point is forgotten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unanchored_snapshots: Vec<UnanchoredSnapshot>,
    /// The first 100 problems, snapshots that could not be deleted among them by handle.
    pub problems: Vec<StatusProblem>,
    /// All problems that weigh (warnings and errors).
    pub problem_count: u64,
}

/// A snapshot whose VolumeSnapshotContent someone deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UnanchoredSnapshot {
    /// CSI driver.
    pub driver: String,
    /// The storage system's handle.
    pub handle: String,
    /// The group snapshot that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Namespace of the claim in the source cluster.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// Whether the volume is a raw block device.
    pub block: bool,
}
