//! What the end of a job writes down: the job, and with a backup the recovery point.

use super::{custom_resource::Status, expire, late};
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
use jiff::Timestamp;
use protection::{
    Problem,
    policy::{Lifetime, tag_for},
};

/// When no rule says how long a recovery point lives: the default policy's time.
const FALLBACK_DAYS: &str = "P7D";

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
        match point(app, &mut job, seen, now).await? {
            Ok(point) => {
                changes.extend(point);
                changes.extend(mended(app, &job.document).await?);
            }
            Err(problem) => {
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

/// The recovery point of a backup that ended well. One that was written down already is not written twice.
pub(super) async fn point(
    app: &App,
    job: &mut Loaded<JobRecord>,
    seen: Option<&Status>,
    now: Timestamp,
) -> Result<Result<Option<Change>, Problem>, StoreError> {
    let Task::Backup { location, key, .. } = &job.document.task else { return Ok(Ok(None)) };
    let Some(id) = seen.and_then(|seen| seen.point.clone()) else {
        let message = "The cluster says that the backup is done, and names no recovery point.";
        return Ok(Err(Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message)
            .fix("Look at the custom resource of this job in the cluster, and back up again.")));
    };
    let Ok(resource) = job.document.instance.child("recoveryPoints", &id) else {
        let message = "The cluster names a recovery point whose id cannot be one.";
        return Ok(Err(Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message)));
    };
    let instance: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &job.document.instance).await?;
    if instance.is_none() {
        let message = "The backup instance was deleted while it was backed up.";
        return Ok(Err(Problem::error("UserErrorBackupInstanceDeleted", message)));
    }
    if app.store.resource(&resource).await?.is_some() {
        return Ok(Ok(None));
    }
    // A cluster may say anything of its clock; the vault's own bounds it.
    let said = seen.and_then(|seen| seen.completed_at).unwrap_or(now);
    // The clock may have gone back since the job began: the beginning counts then.
    let time = said.min(now).max(job.document.started_at);
    let (tag, lifetime) = retention(app, job, time).await?;
    let record = PointRecord {
        time,
        job: job.id.clone(),
        cluster: job.document.cluster.clone(),
        namespace: job.document.namespace.clone(),
        location: location.clone(),
        key: key.clone(),
        is_partial: job.document.status == JobStatus::CompletedWithWarnings,
        tag: tag.clone(),
        policy: job.document.policy.name().to_owned(),
        expires_at: lifetime.end(time),
        deleting: false,
        kept_because: None,
    };
    job.document.tag = Some(tag);
    job.document.point = Some(PointOf { id, time });
    Ok(Ok(Some(put(&resource, &record, Expected::Absent)?)))
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

/// The tag of a successful backup and how long it lives, by the policy as it is now: later changes of the policy count
/// for later recovery points.
async fn retention(
    app: &App,
    job: &Loaded<JobRecord>,
    time: Timestamp,
) -> Result<(String, Lifetime), StoreError> {
    let fallback = || FALLBACK_DAYS.parse().map_err(|error| StoreError::Damaged(format!("{error}")));
    let Some(plan) = policies::plan(app.store.as_ref(), &job.document.policy).await? else {
        return Ok((job.document.tag.clone().unwrap_or_else(|| "Default".to_owned()), fallback()?));
    };
    let tag = match &job.document.tag {
        Some(tag) if plan.retention(tag).is_some() => tag.clone(),
        _ => {
            let earlier = earlier(app, job).await?;
            let rule = tag_for(&plan.tags, time, &earlier, &plan.schedule.zone);
            rule.map_or_else(|| "Default".to_owned(), |rule| rule.tag.clone())
        }
    };
    let lifetime = match plan.retention(&tag).or_else(|| plan.retention("Default")) {
        Some(retention) => retention.operational,
        None => fallback()?,
    };
    Ok((tag, lifetime))
}

/// When the instance's other recovery points were made.
async fn earlier(app: &App, job: &Loaded<JobRecord>) -> Result<Vec<Timestamp>, StoreError> {
    let points = expire::all(app, &job.document.instance).await?;
    Ok(points.into_iter().map(|point| point.document.time).collect())
}
