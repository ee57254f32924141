//! `BackupHook` and `RestoreHook`, in both shapes that the original documents.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Commands to run around the snapshots: a list of entries, or one entry flat under `spec`.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "BackupHook",
    plural = "backuphooks",
    namespaced,
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct BackupHookSpec {
    /// The entries (list shape).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub backup_hook: Vec<BackupHookEntry>,
    /// The one entry (flat shape).
    #[serde(flatten)]
    pub flat: FlatBackupHook,
}

/// The flat shape: all fields of an entry, none required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FlatBackupHook {
    /// Name of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespaces of the pods; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_namespaces: Vec<String>,
    /// Which pods; empty means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Before the snapshots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_hooks: Vec<ExecHook>,
    /// After the snapshots are cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_hooks: Vec<ExecHook>,
}

/// One entry of a `BackupHook`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupHookEntry {
    /// Named in problems.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespaces of the pods; empty means all.
    #[serde(default)]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    #[serde(default)]
    pub excluded_namespaces: Vec<String>,
    /// Which pods; empty means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// Before the snapshots, in order.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub pre_hooks: Vec<ExecHook>,
    /// After the snapshots are cut, in order.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub post_hooks: Vec<ExecHook>,
}

impl BackupHookSpec {
    /// The entries of either shape.
    pub fn entries(&self) -> Vec<BackupHookEntry> {
        if !self.backup_hook.is_empty() {
            return self.backup_hook.clone();
        }
        if self.flat.pre_hooks.is_empty() && self.flat.post_hooks.is_empty() {
            return Vec::new();
        }
        let flat = self.flat.clone();
        vec![BackupHookEntry {
            name: flat.name.unwrap_or_else(|| "hook".to_owned()),
            included_namespaces: flat.included_namespaces,
            excluded_namespaces: flat.excluded_namespaces,
            label_selector: flat.label_selector,
            pre_hooks: flat.pre_hooks,
            post_hooks: flat.post_hooks,
        }]
    }
}

/// A hook action of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecHook {
    /// A command in a container.
    pub exec: HookExec,
}

/// A command in a container, run without a shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookExec {
    /// The container; the pod's first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Program and arguments.
    #[schemars(length(min = 1, max = 1000))]
    pub command: Vec<String>,
    /// What a failure means; `Fail` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// How long it may run, as a Go duration; `30s` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What the failure of a hook means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnError {
    /// A warning; the operation goes on.
    Continue,
    /// The operation fails.
    Fail,
}

/// Commands to run in restored pods: a list of entries, or one entry flat under `spec`.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clusterbackup.dataprotection.microsoft.com",
    version = "v1alpha1",
    kind = "RestoreHook",
    plural = "restorehooks",
    namespaced,
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct RestoreHookSpec {
    /// The entries (list shape).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub restore_hook: Vec<RestoreHookEntry>,
    /// The one entry (flat shape).
    #[serde(flatten)]
    pub flat: FlatRestoreHook,
}

/// The flat shape: all fields of an entry, none required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FlatRestoreHook {
    /// Name of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Namespaces of the pods; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excluded_namespaces: Vec<String>,
    /// Which pods; empty means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// After the pod's container is ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_hooks: Vec<RestoreExecHook>,
}

/// One entry of a `RestoreHook`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreHookEntry {
    /// Named in problems.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Original namespaces of the pods; empty means all.
    #[serde(default)]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out.
    #[serde(default)]
    pub excluded_namespaces: Vec<String>,
    /// Which pods; empty means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<LabelSelector>,
    /// After the pod's container is ready, in order.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub post_hooks: Vec<RestoreExecHook>,
}

impl RestoreHookSpec {
    /// The entries of either shape.
    pub fn entries(&self) -> Vec<RestoreHookEntry> {
        if !self.restore_hook.is_empty() {
            return self.restore_hook.clone();
        }
        if self.flat.post_hooks.is_empty() {
            return Vec::new();
        }
        let flat = self.flat.clone();
        vec![RestoreHookEntry {
            name: flat.name.unwrap_or_else(|| "hook".to_owned()),
            included_namespaces: flat.included_namespaces,
            excluded_namespaces: flat.excluded_namespaces,
            label_selector: flat.label_selector,
            post_hooks: flat.post_hooks,
        }]
    }
}

/// A hook action of a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreExecHook {
    /// A command in a container.
    pub exec: RestoreHookExec,
}

/// A command in a restored container, run without a shell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreHookExec {
    /// The container; the pod's first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Program and arguments.
    #[schemars(length(min = 1, max = 1000))]
    pub command: Vec<String>,
    /// What a failure means; `Continue` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<OnError>,
    /// How long it may run, as a Go duration; `30s` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec_timeout: Option<String>,
    /// How long to wait for the container to be ready, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_timeout: Option<String>,
}
