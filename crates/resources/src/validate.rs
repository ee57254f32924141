//! `ValidateForBackup` and `ValidateForRestore`: run the checks that an operation depends on.

use crate::{BackupSpec, RestoreSpec, status::Phase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The backup to validate for.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "ValidateForBackup",
    plural = "validateforbackups",
    namespaced,
    status = "ValidateStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.failed"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ValidateForBackupSpec {
    /// The same fields as a `Backup`.
    pub backup: BackupSpec,
}

/// The restore to validate for.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "ValidateForRestore",
    plural = "validateforrestores",
    namespaced,
    status = "ValidateStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.failed"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ValidateForRestoreSpec {
    /// The same fields as a `Restore`.
    pub restore: RestoreSpec,
}

/// What the checks found. `Completed`: nothing blocks; `CompletedWithWarnings`: something warns;
/// `Failed`: something blocks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidateStatus {
    /// Generation of the spec that this status speaks of.
    pub observed_generation: i64,
    /// Where the validation stands.
    pub phase: Phase,
    /// When work began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Every check.
    pub checks: Vec<CheckReport>,
    /// Checks that failed.
    pub failed: u64,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Id of the check.
    pub id: String,
    /// What must hold, as a sentence.
    pub title: String,
    /// `Block` or `Warn`.
    pub severity: String,
    /// What was found.
    pub result: CheckResult,
    /// What was seen.
    pub evidence: String,
    /// What to do, as a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckResult {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// Something that it depends on does not hold.
    Skipped,
    /// It could not be observed; never counts as passed.
    NotObservable,
}
