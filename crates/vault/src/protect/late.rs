//! Backups whose job was given up while the cluster may have gone on with them. One that ends well after all has made a
//! recovery point, which nothing would ever delete if the vault did not know of it.

use super::{
    custom_resource::{self, Status},
    decide::Seen,
    finish,
    reach::{Reach, reach},
};
use crate::{
    api::{
        Loaded,
        jobs::{JobRecord, JobStatus, Task},
        load,
    },
    app::App,
    cluster_link::ClusterRequest,
    store::{Change, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::Problem;
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "late backup";
/// Before the first look: most backups are over by then, and whoever was told of a failure looks for what there is.
const FIRST: SignedDuration = SignedDuration::from_mins(1);
/// Between two looks.
const EVERY: SignedDuration = SignedDuration::from_mins(5);
/// A cluster that does not come back within this is not waited for any longer.
const FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The change by which a job that ends is looked after, if its backup may go on without it.
pub fn look_after(id: &ResourceId, job: &JobRecord, seen: Option<&Status>, now: Timestamp) -> Option<Change> {
    let is_backup = matches!(job.task, Task::Backup { .. });
    let may_go_on = job.requested || job.asked;
    let is_given_up = job.status == JobStatus::Failed && seen.is_none_or(|seen| ended(seen).is_none());
    let due_at = now.checked_add(FIRST).unwrap_or(now);
    (is_backup && may_go_on && is_given_up)
        .then(|| Change::AddWork(Work::new(work_id(id), KIND, id.clone(), due_at, Value::Null)))
}

/// The changes by which a job that was given up is looked after at once, also one that nobody looks after any more.
pub fn look_now(id: &ResourceId, now: Timestamp) -> [Change; 2] {
    let work = Work::new(work_id(id), KIND, id.clone(), now, Value::Null);
    [Change::AddWork(work), Change::Hurry(work_id(id), now)]
}

fn work_id(id: &ResourceId) -> String {
    format!("late {}", id.folded())
}

/// How a backup ended in the cluster.
fn ended(status: &Status) -> Option<JobStatus> {
    Some(match status.phase.as_str() {
        "Completed" => JobStatus::Completed,
        "CompletedWithWarnings" => JobStatus::CompletedWithWarnings,
        "Failed" => JobStatus::Failed,
        "Cancelled" => JobStatus::Cancelled,
        _ => return None,
    })
}

/// One look.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let Some(job): Option<Loaded<JobRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    let Some(vault) = job.id.parent() else { return Ok(Step::Done(Vec::new())) };
    let Some((_, plural)) = job.document.task.resource() else { return Ok(Step::Done(Vec::new())) };
    let path = custom_resource::path(&job.document.namespace, plural, &job.id.name().to_lowercase());
    let way = reach(app, &vault, &job.document.cluster).await?.ok();
    let seen = match &way {
        Some(way) => way.look(app, &job.document.namespace, plural, &job.id.name().to_lowercase()).await,
        None => return Ok(later(app, &job)),
    };
    match (seen, way) {
        (Seen::Absent, _) => Ok(Step::Done(Vec::new())),
        (Seen::There(status), Some(way)) => match ended(&status) {
            Some(as_it_ended @ (JobStatus::Completed | JobStatus::CompletedWithWarnings)) => {
                adopt(app, job, as_it_ended, &status).await
            }
            Some(_) => Ok(Step::Done(Vec::new())),
            None => {
                stop(app, &way, path, &status).await;
                Ok(later(app, &job))
            }
        },
        _ => Ok(later(app, &job)),
    }
}

/// Its owner was told that it failed, and the next one may have begun.
async fn stop(app: &App, way: &Reach, path: String, status: &Status) {
    if status.cancel {
        return;
    }
    if let Err(error) = way.call(app, ClusterRequest::merge(path, &json!({"spec": {"cancel": true}}))).await {
        tracing::info!(%error, "could not stop a backup that was given up yet");
    }
}

/// The recovery point gets its tag and its end like any other. The job stays as it was told.
async fn adopt(
    app: &App,
    mut job: Loaded<JobRecord>,
    as_it_ended: JobStatus,
    status: &Status,
) -> Result<Step, StoreError> {
    let told = std::mem::replace(&mut job.document.status, as_it_ended);
    let made = finish::point(app, &mut job, Some(status), app.clock.now()).await?;
    job.document.status = told;
    let mut changes = made.changes;
    if let Some(problem) = made.problem {
        tracing::warn!(job = %job.id, reason = problem.message, "a backup ended late, and its recovery point is not kept");
        return Ok(Step::Done(changes));
    }
    if changes.is_empty() {
        return Ok(Step::Done(changes));
    }
    job.document.warnings.push(Problem::warning(
        "BackupEndedLate",
        "The backup ended in the cluster after the job had been given up. Its recovery point is kept like any other.",
    ));
    changes.push(job.write()?);
    Ok(Step::Done(changes))
}

fn later(app: &App, job: &Loaded<JobRecord>) -> Step {
    let now = app.clock.now();
    let since = job.document.ended_at.unwrap_or(now);
    if now.duration_since(since) > FOR {
        tracing::warn!(job = %job.id, "nobody knows how a backup ended whose job was given up");
        return Step::Done(Vec::new());
    }
    Step::Later {
        due_at: now.checked_add(EVERY).unwrap_or(now),
        advanced: true,
        document: Value::Null,
        changes: Vec::new(),
    }
}
