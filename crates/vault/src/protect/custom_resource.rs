//! Custom resources of a cluster's extension, as the vault writes and reads them. Their contract is
//! `docs/formats/custom-resources.md`.

use crate::api::jobs::{JobRecord, MOST_PROBLEMS, Task};
use arm::{
    instance::{BackupInstance, BackupParameters, Selection},
    restore::{ConflictPolicy, RestoreRequest},
};
use jiff::Timestamp;
use protection::{Problem, Severity};
use serde_json::{Map, Value, json};

const API: &str = "clusterbackup.dataprotection.microsoft.com/v1alpha1";
/// Of a text that a cluster sends, so much is kept.
const LONGEST_TEXT: usize = 2_000;
/// Of a plan, a little more than an extension sends.
const LONGEST_PLAN: usize = 20_000;

/// What a custom resource's status says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    /// `Accepted`, `InProgress`, …; empty before the extension has seen it.
    pub phase: String,
    /// The step under way.
    pub stage: Option<String>,
    /// The recovery point that was made.
    pub point: Option<String>,
    /// When the work ended.
    pub completed_at: Option<Timestamp>,
    /// What went wrong, by severity.
    pub errors: Vec<Problem>,
    /// The same, for what is no failure.
    pub warnings: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
    /// Why the current step is tried again.
    pub trying_again: Option<String>,
    /// Bytes added to the store.
    pub bytes_added: Option<u64>,
    /// Counts, for people.
    pub details: Vec<(String, String)>,
    /// The whole was asked to stop.
    pub cancel: bool,
}

/// Path of the objects of a kind.
pub fn collection(namespace: &str, plural: &str) -> String {
    format!("/apis/{API}/namespaces/{namespace}/{plural}")
}

/// Path of one.
pub fn path(namespace: &str, plural: &str, name: &str) -> String {
    format!("{}/{name}", collection(namespace, plural))
}

/// An object of a kind, named after its job.
pub fn object(kind: &str, namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": "cofferdam-vault"}},
        "spec": spec,
    })
}

/// The `spec` by which a cluster carries a job out; a backup takes at most so many namespaces.
pub fn spec(job: &JobRecord, most: usize) -> Value {
    match &job.task {
        Task::Backup { parameters, snapshot_group, label, .. } => {
            let mut spec = backup_spec(parameters, snapshot_group.name(), label, most);
            if let Some(tag) = &job.tag {
                spec.insert("retentionTag".into(), json!(tag));
            }
            Value::Object(spec)
        }
        Task::Restore { request, location, plan, .. } => {
            let mut spec = restore_spec(request, location);
            if *plan {
                spec.insert("operation".into(), json!("Plan"));
            }
            Value::Object(spec)
        }
        // The vault does it itself; nothing goes to a cluster.
        Task::Manage { .. } => Value::Null,
    }
}

fn backup_spec(parameters: &BackupParameters, group: &str, label: &str, most: usize) -> Map<String, Value> {
    let mut spec = filters(&parameters.selection);
    spec.insert("backupInstance".into(), json!(label));
    spec.insert("mostNamespaces".into(), json!(most));
    spec.insert("snapshotVolumes".into(), json!(parameters.snapshot_volumes));
    spec.insert("includedVolumeTypes".into(), json!(parameters.included_volume_types));
    spec.insert("snapshotResourceGroup".into(), json!(group));
    spec.insert("backupHookReferences".into(), json!(parameters.backup_hook_references));
    spec
}

fn restore_spec(request: &RestoreRequest, location: &str) -> Map<String, Value> {
    let mode = if request.with_volume_data { "RestoreWithVolumeData" } else { "RestoreWithoutVolumeData" };
    let policy = match request.conflict_policy {
        ConflictPolicy::Skip => "Skip",
        ConflictPolicy::Patch => "Patch",
    };
    let mut spec = filters(&request.selection);
    spec.insert("recoveryPoint".into(), json!({"location": location, "id": request.recovery_point}));
    spec.insert("namespaceMappings".into(), json!(request.namespace_mappings));
    spec.insert("conflictPolicy".into(), json!(policy));
    spec.insert("persistentVolumeRestoreMode".into(), json!(mode));
    spec.insert("restoreHookReferences".into(), json!(request.restore_hook_references));
    if let Some(modifier) = &request.resource_modifier {
        spec.insert("resourceModifierReference".into(), json!(modifier));
    }
    spec
}

/// The `spec` of a validation of an instance.
pub fn validation_of_backup(instance: &BackupInstance, label: &str, most: usize) -> Value {
    let backup = backup_spec(&instance.parameters, instance.snapshot_group.name(), label, most);
    json!({"backup": backup})
}

/// The `spec` of a validation of a restore.
pub fn validation_of_restore(request: &RestoreRequest, location: &str) -> Value {
    json!({"restore": restore_spec(request, location)})
}

fn filters(selection: &Selection) -> Map<String, Value> {
    match serde_json::to_value(selection) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Reads what an API server sent. A cluster may send anything: what has another shape is left out.
pub fn status(object: &Value) -> Status {
    let status = object.get("status").unwrap_or(&Value::Null);
    let text = |name: &str| status.get(name).and_then(Value::as_str).map(bounded);
    let number = |name: &str| status.get(name).and_then(Value::as_u64);
    let mut read = Status {
        phase: text("phase").unwrap_or_default(),
        stage: text("stage"),
        point: status.pointer("/recoveryPoint/id").and_then(Value::as_str).map(bounded),
        completed_at: text("completionTime").and_then(|time| time.parse().ok()),
        problem_count: number("problemCount").unwrap_or(0),
        trying_again: trying_again(status),
        bytes_added: number("bytesAdded"),
        cancel: object.pointer("/spec/cancel").and_then(Value::as_bool).unwrap_or(false),
        ..Status::default()
    };
    let problems = status.get("problems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for one in problems.iter().take(MOST_PROBLEMS).filter_map(problem) {
        match one.severity {
            Severity::Error => read.errors.push(one),
            Severity::Warning => read.warnings.push(one),
            Severity::Information => {}
        }
    }
    for (name, pointer) in [
        ("Objects", "/objects"),
        ("Snapshots", "/volumes/snapshots"),
        ("FileCopies", "/volumes/fileCopies"),
        ("VolumesNotProtected", "/volumes/notProtected"),
        ("ObjectsCreated", "/outcomes/created"),
        ("ObjectsUpdated", "/outcomes/updated"),
        ("ObjectsSkipped", "/outcomes/skipped"),
        ("ObjectsUnchanged", "/outcomes/unchanged"),
        ("ObjectsFailed", "/outcomes/failed"),
    ] {
        if let Some(count) = status.pointer(pointer).and_then(Value::as_u64) {
            read.details.push((name.to_owned(), count.to_string()));
        }
    }
    if let Some(plan) = status.get("plan").and_then(Value::as_str) {
        read.details.push(("Plan".to_owned(), cut(plan, LONGEST_PLAN)));
    }
    if let Some(file) = text("resultFile") {
        read.details.push(("ResultFile".to_owned(), file));
    }
    read
}

fn trying_again(status: &Value) -> Option<String> {
    let conditions = status.get("conditions")?.as_array()?;
    let again =
        conditions.iter().find(|one| one.get("reason").and_then(Value::as_str) == Some("TryingAgain"))?;
    again.get("message").and_then(Value::as_str).map(bounded)
}

/// The status of a custom resource writes problems as the domain does.
fn problem(one: &Value) -> Option<Problem> {
    let mut problem: Problem = serde_json::from_value(one.clone()).ok()?;
    problem.code = bounded(&problem.code);
    problem.message = bounded(&problem.message);
    problem.target = problem.target.as_deref().map(bounded);
    problem.recommended_action = problem.recommended_action.iter().take(10).map(|one| bounded(one)).collect();
    Some(problem)
}

fn bounded(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').take(longest).collect()
}

#[cfg(test)]
mod tests;
