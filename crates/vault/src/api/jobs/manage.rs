//! Jobs of the category `Management`: what people do to instances, so that it stands in the list with how it ended.

use super::record::{JobRecord, JobStatus, MOST_PROBLEMS, Managed, Task};
use crate::{
    api::{
        instances::InstanceRecord,
        resource::{Loaded, load, put},
    },
    app::App,
    store::{Change, Expected, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use protection::Problem;
use std::collections::BTreeMap;

/// What the state of the instance is called among the details.
pub const STATE: &str = "BackupInstanceState";

/// A job that is over at once. Its change goes with those that it is about.
pub fn done(
    instance: &ResourceId,
    record: &InstanceRecord,
    operation: Managed,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let (id, mut job) = job(instance, record, operation, now)?;
    job.status = JobStatus::Completed;
    job.ended_at = Some(now);
    put(&id, &job, Expected::Absent)
}

/// A job that begins, and the change by which it does.
pub fn begun(
    instance: &ResourceId,
    record: &InstanceRecord,
    operation: Managed,
    now: Timestamp,
) -> Result<(ResourceId, Change), StoreError> {
    let (id, job) = job(instance, record, operation, now)?;
    let change = put(&id, &job, Expected::Absent)?;
    Ok((id, change))
}

/// The change by which one ends that began. Problems are errors of one that failed, else warnings.
pub async fn ended(
    app: &App,
    id: &ResourceId,
    status: JobStatus,
    problems: &[Problem],
    details: &[(String, String)],
) -> Result<Option<Change>, StoreError> {
    let Some(mut job): Option<Loaded<JobRecord>> = load(app.store.as_ref(), id).await? else {
        return Ok(None);
    };
    let record = &mut job.document;
    if record.status.is_over() {
        return Ok(None);
    }
    record.status = status;
    record.ended_at = Some(app.clock.now());
    record.details.extend(details.iter().cloned());
    let told = problems.iter().take(MOST_PROBLEMS).cloned().collect();
    match status {
        JobStatus::Failed => record.errors = told,
        _ => record.warnings = told,
    }
    job.write().map(Some)
}

fn job(
    instance: &ResourceId,
    record: &InstanceRecord,
    operation: Managed,
    now: Timestamp,
) -> Result<(ResourceId, JobRecord), StoreError> {
    let damaged = |what: &dyn std::fmt::Display| StoreError::Damaged(format!("{instance}: {what}"));
    let vault = instance.parent().ok_or_else(|| damaged(&"has no vault"))?;
    let name = uuid::Uuid::new_v4().to_string();
    let id = vault.child("backupJobs", &name).map_err(|error| damaged(&error))?;
    let job = JobRecord {
        is_user_triggered: true,
        details: BTreeMap::from([(STATE.to_owned(), record.state.text().to_owned())]),
        ..JobRecord::begun(Task::Manage { operation }, instance, record, now)
    };
    Ok((id, job))
}
