//! `Restore`: plan or apply one recovery point.

use crate::status::{NamespacedName, Phase, RecoveryPointRef, StatusProblem};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What to restore. Field names follow `KubernetesClusterRestoreCriteria` of the REST API.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "Restore",
    plural = "restores",
    namespaced,
    status = "RestoreStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Recovery point","type":"string","jsonPath":".spec.recoveryPoint.id"}"#,
    printcolumn = r#"{"name":"Operation","type":"string","jsonPath":".spec.operation"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Stage","type":"string","jsonPath":".status.stage"}"#,
    printcolumn = r#"{"name":"Created","type":"integer","jsonPath":".status.outcomes.created"}"#,
    printcolumn = r#"{"name":"Failed","type":"integer","jsonPath":".status.outcomes.failed"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSpec {
    /// The recovery point and the location that holds it.
    pub recovery_point: RecoveryPointRef,
    /// Restore, or only plan.
    #[serde(default)]
    pub operation: RestoreOperation,
    /// Original namespaces to include, names or globs; empty means all.
    #[serde(default)]
    #[schemars(length(max = 800), inner(length(min = 1, max = 63)))]
    pub included_namespaces: Vec<String>,
    /// Original namespaces to leave out.
    #[serde(default)]
    #[schemars(length(max = 800), inner(length(min = 1, max = 63)))]
    pub excluded_namespaces: Vec<String>,
    /// Resource types to include; empty means all.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 317)))]
    pub included_resource_types: Vec<String>,
    /// Resource types to leave out.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 317)))]
    pub excluded_resource_types: Vec<String>,
    /// Label requirements that must all hold.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    pub label_selectors: Vec<String>,
    /// Whether all cluster-scoped objects are included, or only related ones.
    #[serde(default = "yes")]
    pub include_cluster_scope_resources: bool,
    /// From original namespace to target namespace.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 800))]
    pub namespace_mappings: BTreeMap<String, String>,
    /// What happens to an object that exists.
    #[serde(default)]
    pub conflict_policy: ConflictPolicy,
    /// Kinds that `Replace` spares unless they are named here.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 317)))]
    pub replace_resource_types: Vec<String>,
    /// Whether volumes get their data back.
    #[serde(default)]
    pub persistent_volume_restore_mode: PersistentVolumeRestoreMode,
    /// Hooks to run in restored pods.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub restore_hook_references: Vec<NamespacedName>,
    /// ConfigMap with the resource modifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_modifier_reference: Option<NamespacedName>,
    /// Seconds that the whole restore may take.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 60, max = 604_800))]
    pub deadline_seconds: u32,
    /// Stop the restore; can only be set, not unset.
    #[serde(default)]
    pub cancel: bool,
}

fn yes() -> bool {
    true
}

fn default_deadline() -> u32 {
    14_400
}

impl RestoreSpec {
    /// A restore of everything in `recovery_point`, with every default.
    pub fn of(recovery_point: RecoveryPointRef) -> Self {
        Self {
            recovery_point,
            operation: RestoreOperation::Restore,
            included_namespaces: Vec::new(),
            excluded_namespaces: Vec::new(),
            included_resource_types: Vec::new(),
            excluded_resource_types: Vec::new(),
            label_selectors: Vec::new(),
            include_cluster_scope_resources: true,
            namespace_mappings: BTreeMap::new(),
            conflict_policy: ConflictPolicy::Skip,
            replace_resource_types: Vec::new(),
            persistent_volume_restore_mode: PersistentVolumeRestoreMode::RestoreWithVolumeData,
            restore_hook_references: Vec::new(),
            resource_modifier_reference: None,
            deadline_seconds: default_deadline(),
            cancel: false,
        }
    }
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestoreOperation {
    /// Apply the plan.
    #[default]
    Restore,
    /// Make the plan and stop.
    Plan,
}

impl fmt::Display for RestoreOperation {
    /// As the spec spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What happens to an object that exists (`ExistingResourcePolicy`, and our `Replace`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictPolicy {
    /// It stays as it is.
    #[default]
    Skip,
    /// Labels, annotations and spec are merged from the recovery point; nothing is removed.
    Patch,
    /// It is deleted and created anew.
    Replace,
}

/// Whether volumes get their data back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PersistentVolumeRestoreMode {
    /// From the snapshot or the copied files.
    #[default]
    RestoreWithVolumeData,
    /// Claims are re-created empty.
    RestoreWithoutVolumeData,
}

/// How a restore goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreStatus {
    /// Generation of the spec that this status speaks of.
    pub observed_generation: i64,
    /// Where the restore stands.
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
    /// What became of the objects, or what the plan says will.
    pub outcomes: OutcomeCounts,
    /// The first 100 problems.
    pub problems: Vec<StatusProblem>,
    /// All problems that weigh (warnings and errors).
    pub problem_count: u64,
    /// The plan as a person reads it, as far as it has room here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Path in the store of the full result or plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_file: Option<String>,
}

/// Objects by how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct OutcomeCounts {
    /// Did not exist and were created.
    pub created: u64,
    /// Existed and were changed.
    pub updated: u64,
    /// Existed, differ, and were left alone.
    pub skipped: u64,
    /// Existed and already were as in the recovery point.
    pub unchanged: u64,
    /// Could not be restored.
    pub failed: u64,
}
