//! Begins jobs: on demand and by schedule.

use super::job;
use crate::{
    alerts,
    api::{
        Loaded,
        extensions::ExtensionRecord,
        instances::InstanceRecord,
        jobs::{JobRecord, JobStatus, Task, work_id},
        points::PointRecord,
        put,
    },
    app::App,
    store::{Change, Expected, StoreError, Work},
};
use arm::{ResourceId, restore::RestoreRequest};
use jiff::Timestamp;
use protection::Problem;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a job begins.
#[derive(Debug, Clone)]
pub struct Occasion {
    /// The name of the job, a GUID.
    pub name: String,
    /// A person asked for it.
    pub is_user_triggered: bool,
    /// The rule of the policy that it follows.
    pub rule: Option<String>,
    /// The retention tag that was asked for.
    pub tag: Option<String>,
    /// The time of the schedule that it serves.
    pub slot: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// The id of an instance's vault.
pub fn vault_of(instance: &ResourceId) -> Result<ResourceId, StoreError> {
    instance.parent().ok_or_else(|| StoreError::Damaged(format!("{instance} has no vault")))
}

/// A backup of an instance.
pub fn backup(
    instance: &Loaded<InstanceRecord>,
    extension: &Loaded<ExtensionRecord>,
    occasion: Occasion,
) -> Result<(ResourceId, Vec<Change>), StoreError> {
    let written = &instance.document.instance;
    let location = location_settings(&extension.document.settings);
    let task = Task::Backup {
        parameters: written.parameters.clone(),
        snapshot_group: written.snapshot_group.clone(),
        label: instance.document.label.clone(),
        key: crate::keys::location_key(&location),
        location,
    };
    let cluster = written.source.resource.clone();
    begin(instance, task, cluster, &extension.document.namespace, occasion)
}

/// A restore from a recovery point of an instance, or only its plan.
pub fn restore(
    instance: &Loaded<InstanceRecord>,
    target: &Loaded<ExtensionRecord>,
    point: &Loaded<PointRecord>,
    request: RestoreRequest,
    location: &str,
    plan: bool,
    occasion: Occasion,
) -> Result<(ResourceId, Vec<Change>), StoreError> {
    let cluster = request.target.resource.clone();
    let task = Task::Restore { request, location: location.to_owned(), point: point.id.clone(), plan };
    let (id, mut changes) = begin(instance, task, cluster, &target.document.namespace, occasion)?;
    for change in &mut changes {
        if let Change::Put { document, .. } = change
            && let Some(object) = document.as_object_mut()
        {
            let of = serde_json::json!({"id": point.id.name(), "time": point.document.time});
            object.insert("point".to_owned(), of);
        }
    }
    Ok((id, changes))
}

/// A backup that cannot begin: a job that failed, so that its owner sees it among the others, and is told.
pub async fn failed(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    problem: Problem,
    occasion: Occasion,
) -> Result<(ResourceId, Vec<Change>), StoreError> {
    let written = &instance.document.instance;
    let task = Task::Backup {
        parameters: written.parameters.clone(),
        snapshot_group: written.snapshot_group.clone(),
        label: instance.document.label.clone(),
        location: BTreeMap::new(),
        key: String::new(),
    };
    let now = occasion.now;
    let (id, changes) = begin(instance, task, written.source.resource.clone(), "", occasion)?;
    let mut kept = Vec::new();
    for change in changes {
        if let Change::Put { id, document, expected } = change {
            let mut record: JobRecord =
                serde_json::from_value(document).map_err(|error| StoreError::Damaged(error.to_string()))?;
            record.status = JobStatus::Failed;
            record.ended_at = Some(now);
            record.errors = vec![problem.clone()];
            kept.extend(alerts::ended(app, &id, &record).await?);
            kept.push(put(&id, &record, expected)?);
        }
    }
    Ok((id, kept))
}

fn begin(
    instance: &Loaded<InstanceRecord>,
    task: Task,
    cluster: ResourceId,
    namespace: &str,
    occasion: Occasion,
) -> Result<(ResourceId, Vec<Change>), StoreError> {
    let vault = vault_of(&instance.id)?;
    let id = vault
        .child("backupJobs", &occasion.name)
        .map_err(|error| StoreError::Damaged(format!("job {}: {error}", occasion.name)))?;
    let record = JobRecord {
        is_user_triggered: occasion.is_user_triggered,
        cluster,
        namespace: namespace.to_owned(),
        rule: occasion.rule,
        tag: occasion.tag,
        slot: occasion.slot,
        ..JobRecord::begun(task, &instance.id, &instance.document, occasion.now)
    };
    let work = Work::new(work_id(&id), job::KIND, id.clone(), occasion.now, Value::Null);
    Ok((id.clone(), vec![put(&id, &record, Expected::Absent)?, Change::AddWork(work)]))
}

/// Of an extension's settings, those that say where it writes.
pub fn location_settings(settings: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let prefix = "configuration.backupstoragelocation.";
    let ours = settings.iter().filter(|(key, _)| key.to_lowercase().starts_with(prefix));
    ours.map(|(key, value)| (key.clone(), value.clone())).collect()
}
