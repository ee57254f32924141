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
    printcolumn = r#"{"name":"Blocking","type":"integer","jsonPath":".status.blocking"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.failed"}"#,
    printcolumn = r#"{"name":"Passed","type":"integer","jsonPath":".status.passed"}"#,
    printcolumn = r#"{"name":"Not seen","type":"integer","jsonPath":".status.notObserved"}"#,
    printcolumn = r#"{"name":"Summary","type":"string","jsonPath":".status.summary"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ValidateForBackupSpec {
    /// The same fields as a `Backup`.
    pub backup: BackupSpec,
    /// Nothing is written to the store, not even a probe object: for looks that come again and again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
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
    printcolumn = r#"{"name":"Blocking","type":"integer","jsonPath":".status.blocking"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.failed"}"#,
    printcolumn = r#"{"name":"Passed","type":"integer","jsonPath":".status.passed"}"#,
    printcolumn = r#"{"name":"Not seen","type":"integer","jsonPath":".status.notObserved"}"#,
    printcolumn = r#"{"name":"Summary","type":"string","jsonPath":".status.summary"}"#,
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
    /// Every check of the catalogue, and those of the request itself.
    pub checks: Vec<CheckReport>,
    /// Checks that failed, whatever they weigh.
    pub failed: u64,
    /// Those of them that block.
    pub blocking: u64,
    /// Checks that passed.
    pub passed: u64,
    /// Checks that could not be observed from inside the cluster.
    pub not_observed: u64,
    /// What is wrong, by ids, worst first.
    pub summary: String,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Id of the check.
    pub id: String,
    /// What must hold, as a sentence.
    pub title: String,
    /// `Block` or `Warn`: what a failure means for this operation.
    pub severity: String,
    /// Whether the operation depends on it. What it does not depend on is told, and blocks nothing.
    #[serde(default = "yes")]
    pub needed: bool,
    /// What was found.
    pub result: CheckResult,
    /// The documented code of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was seen, or why it could not be.
    pub evidence: String,
    /// The objects that it is about, the first few of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// How many objects there are altogether.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub total: u64,
    /// What to do, as a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Everything that mends it, one way per entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended_action: Vec<String>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
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
    /// There is nothing here that it speaks of.
    NotApplicable,
}
