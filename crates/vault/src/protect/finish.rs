//! What the end of a job writes down: the job, and with a backup the recovery point.

use super::{custom_resource::Status, expire, forget, hold, late};
use crate::{
    alerts,
    api::{
        Loaded,
        instances::{InstanceRecord, ProtectionState},
        jobs::{JobRecord, JobStatus, MOST_PROBLEMS, PointOf, Task},
        load,
        points::PointRecord,
        policies, put,
    },
    app::App,
    store::{Change, Expected, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use protection::{
    Problem,
    policy::{Lifetime, tag_for},
};

/// When no rule says how long a recovery point lives: the default policy's time.
const FALLBACK_DAYS: &str = "P7D";
/// The tag of a recovery point to which no rule gives another one.
const DEFAULT_TAG: &str = "Default";

/// The changes by which a job ends.
pub async fn finish(
    app: &App,
    mut job: Loaded<JobRecord>,
    status: JobStatus,
    seen: Option<&Status>,
) -> Result<Vec<Change>, StoreError> {
    let now = app.clock.now();
    job.document.status = status;
    job.document.ended_at = Some(now);
    job.document.stage = None;
    if let Some(seen) = seen {
        take_over(&mut job.document, seen);
    }
    let mut changes = Vec::new();
    if matches!(status, JobStatus::Completed | JobStatus::CompletedWithWarnings) {
        let made = point(app, &mut job, seen, now).await?;
        changes.extend(made.changes);
        match made.problem {
            None => changes.extend(mended(app, &job.document).await?),
            Some(problem) => {
                job.document.status = JobStatus::Failed;
                job.document.errors = vec![problem];
            }
        }
    }
    changes.extend(late::look_after(&job.id, &job.document, seen, now));
    changes.extend(alerts::ended(app, &job.id, &job.document).await?);
    changes.push(job.write()?);
    Ok(changes)
}

fn take_over(job: &mut JobRecord, seen: &Status) {
    job.warnings = seen.warnings.iter().take(MOST_PROBLEMS).cloned().collect();
    // An operation that did most of its work lists what it could not do as errors of single objects.
    if job.status == JobStatus::CompletedWithWarnings {
        job.warnings.extend(seen.errors.iter().cloned());
        job.warnings.truncate(MOST_PROBLEMS);
    }
    job.bytes = seen.bytes_added;
    job.details.extend(seen.details.iter().cloned());
    if seen.problem_count > 0 {
        job.details.insert("Problems".to_owned(), seen.problem_count.to_string());
    }
}

/// What a backup that ended well has made.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// What writes it down.
    pub changes: Vec<Change>,
    /// Why the job failed all the same.
    pub problem: Option<Problem>,
}

impl Made {
    fn nothing(problem: Problem) -> Self {
        Self { changes: Vec::new(), problem: Some(problem) }
    }
}

/// The recovery point of a backup that ended well. One that was written down already is not written twice.
pub(super) async fn point(
    app: &App,
    job: &mut Loaded<JobRecord>,
    seen: Option<&Status>,
    now: Timestamp,
) -> Result<Made, StoreError> {
    let Task::Backup { .. } = &job.document.task else { return Ok(Made::default()) };
    let Some(id) = seen.and_then(|seen| seen.point.clone()) else {
        let message = "The cluster says that the backup is done, and names no recovery point.";
        return Ok(Made::nothing(
            Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message)
                .fix("Look at the custom resource of this job in the cluster, and back up again."),
        ));
    };
    let Ok(resource) = job.document.instance.child("recoveryPoints", &id) else {
        let message = "The cluster names a recovery point whose id cannot be one.";
        return Ok(Made::nothing(Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message)));
    };
    let instance: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &job.document.instance).await?;
    let is_there = app.store.resource(&resource).await?.is_some();
    // A cluster may say anything of its clock; the vault's own bounds it.
    let said = seen.and_then(|seen| seen.completed_at).unwrap_or(now);
    // The clock may have gone back since the job began: the beginning counts then.
    let time = said.min(now).max(job.document.started_at);
    let Some(instance) = instance else {
        return unwanted(job, &resource, is_there, (time, now));
    };
    if is_there {
        return Ok(Made::default());
    }
    let Retained { tag, asked, lifetime } = retention(app, job, time).await?;
    let Some(record) = record(&job.document, &job.id, time, &tag, lifetime.end(time)) else {
        return Ok(Made::default());
    };
    let record = PointRecord { tag_asked: asked, ..record };
    job.document.tag = Some(tag);
    job.document.point = Some(PointOf { id, time });
    // One that is purged at the same moment would take the record along, and leave the recovery point.
    let mut changes = vec![Change::Stays(instance.id, instance.version)];
    changes.extend(hold::claimed(app.store.as_ref(), &resource, &record).await?);
    changes.push(put(&resource, &record, Expected::Absent)?);
    Ok(Made { changes, problem: None })
}

/// The recovery point of an instance that was deleted for good meanwhile: nobody wants it, and it is deleted as any other.
fn unwanted(
    job: &Loaded<JobRecord>,
    resource: &ResourceId,
    is_there: bool,
    (time, now): (Timestamp, Timestamp),
) -> Result<Made, StoreError> {
    let message = format!(
        "The backup instance was deleted while it was backed up; the vault has the recovery point '{}', which the backup \
         made all the same, deleted.",
        resource.name()
    );
    let problem = Problem::error("UserErrorBackupInstanceDeleted", message)
        .fix("Make the backup instance again if the cluster is to be protected.");
    let tag = job.document.tag.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned());
    let Some(record) = record(&job.document, &job.id, time, &tag, time) else {
        return Ok(Made::nothing(problem));
    };
    if is_there {
        return Ok(Made::nothing(problem));
    }
    let record = PointRecord { deleting: true, ..record };
    let changes = vec![put(resource, &record, Expected::Absent)?, forget::change(resource, now)];
    Ok(Made { changes, problem: Some(problem) })
}

/// What is kept of the recovery point of a backup.
fn record(
    job: &JobRecord,
    id: &ResourceId,
    time: Timestamp,
    tag: &str,
    expires_at: Timestamp,
) -> Option<PointRecord> {
    let Task::Backup { location, key, .. } = &job.task else { return None };
    Some(PointRecord {
        time,
        job: id.clone(),
        cluster: job.cluster.clone(),
        namespace: job.namespace.clone(),
        location: location.clone(),
        key: key.clone(),
        is_partial: job.status == JobStatus::CompletedWithWarnings,
        tag: tag.to_owned(),
        tag_asked: false,
        policy: job.policy.name().to_owned(),
        expires_at,
        deleting: false,
        kept_because: None,
    })
}

/// An instance whose last change was found wrong is protected again once a backup of what is written now succeeds.
async fn mended(app: &App, job: &JobRecord) -> Result<Option<Change>, StoreError> {
    let Task::Backup { parameters, snapshot_group, .. } = &job.task else { return Ok(None) };
    let Some(mut instance): Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &job.instance).await?
    else {
        return Ok(None);
    };
    let record = &mut instance.document;
    let is_of_now =
        record.instance.parameters == *parameters && record.instance.snapshot_group == *snapshot_group;
    if record.state != ProtectionState::ProtectionError || !is_of_now {
        return Ok(None);
    }
    record.state = ProtectionState::ProtectionConfigured;
    record.problems = Vec::new();
    instance.write().map(Some)
}

/// How long a recovery point lives, and why.
struct Retained {
    tag: String,
    /// Whoever asked for the backup asked for the tag.
    asked: bool,
    lifetime: Lifetime,
}

/// The tag of a successful backup and how long it lives, by the policy as it is now: later changes of the policy count
/// for later recovery points.
async fn retention(app: &App, job: &Loaded<JobRecord>, time: Timestamp) -> Result<Retained, StoreError> {
    let fallback = || FALLBACK_DAYS.parse().map_err(|error| StoreError::Damaged(format!("{error}")));
    let wanted = job.document.tag.as_ref();
    let Some(plan) = policies::plan(app.store.as_ref(), &job.document.policy).await? else {
        let tag = wanted.cloned().unwrap_or_else(|| DEFAULT_TAG.to_owned());
        return Ok(Retained { tag, asked: wanted.is_some(), lifetime: fallback()? });
    };
    let asked = wanted.filter(|tag| plan.retention(tag).is_some());
    let tag = match asked {
        Some(tag) => tag.clone(),
        None => {
            let earlier = earlier(app, job).await?;
            let rule = tag_for(&plan.tags, time, &earlier, &plan.schedule.zone);
            rule.map_or_else(|| DEFAULT_TAG.to_owned(), |rule| rule.tag.clone())
        }
    };
    let lifetime = match plan.retention(&tag).or_else(|| plan.retention(DEFAULT_TAG)) {
        Some(retention) => retention.operational,
        None => fallback()?,
    };
    Ok(Retained { asked: asked.is_some(), tag, lifetime })
}

/// When those of the instance's other recovery points were made that got their tags by rule.
async fn earlier(app: &App, job: &Loaded<JobRecord>) -> Result<Vec<Timestamp>, StoreError> {
    let points = expire::all(app, &job.document.instance).await?;
    let by_rule = points.into_iter().filter(|point| !point.document.tag_asked);
    Ok(by_rule.map(|point| point.document.time).collect())
}
