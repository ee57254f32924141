//! Carries a job out: asks the cluster for it, follows it, and writes down what came of it. Each step ends in one commit;
//! a process that dies in between leaves a job that the next step finds as it is.

use super::{
    allowed,
    custom_resource::{self, Status},
    decide::{Next, Seen, decide},
    finish,
    reach::{Reach, reach},
};
use crate::{
    api::{
        Loaded,
        instances::InstanceRecord,
        jobs::{JobRecord, JobStatus, MOST_PROBLEMS},
        load,
    },
    app::App,
    cluster_link::ClusterRequest,
    store::{StoreError, Work},
    work::{Answered, Step},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "job";
const AGAIN: SignedDuration = SignedDuration::from_millis(300);
/// The stage of a job whose cluster was not reached yet.
const WAITING: &str = "waiting for the cluster to be reached";
/// The stage of a job that is under way in a cluster that cannot be asked for now.
const WAITING_AGAIN: &str = "waiting for the cluster to be reached again";

/// One step of a job.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let Some(mut job): Option<Loaded<JobRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    if job.document.status.is_over() {
        return Ok(Step::Done(Vec::new()));
    }
    let Some(vault) = job.id.parent() else { return Ok(Step::Done(Vec::new())) };
    if is_unwanted(app, &job.document).await? {
        if !job.document.asked {
            return Ok(Step::Done(finish::finish(app, job, JobStatus::Cancelled, None).await?));
        }
        // It may run in the cluster: that is seen when the cluster is, and stopped there.
        job.document.cancel = true;
    }
    let Some((kind, plural)) = job.document.task.resource() else { return Ok(Step::Done(Vec::new())) };
    let name = job.id.name().to_lowercase();
    let way = reach(app, &vault, &job.document.cluster).await?;
    let (way, seen) = match way {
        Ok(way) => {
            let seen = way.look(app, &job.document.namespace, plural, &name).await;
            (Some(way), seen)
        }
        Err(problem) => (None, Seen::NotLetIn(problem)),
    };
    let heard = note(app, &mut job.document, &seen);
    match (decide(&job.document, &seen, app.clock.now()), way) {
        (Next::Request, Some(way)) => request(app, job, &way, kind, plural, &name).await,
        (Next::Cancel, Some(way)) => {
            let path = custom_resource::path(&job.document.namespace, plural, &name);
            let stop = ClusterRequest::merge(path, &json!({"spec": {"cancel": true}}));
            if let Err(error) = way.call(app, stop).await {
                tracing::info!(%error, job = %job.id, "could not cancel in the cluster yet");
            }
            later(app, job, AGAIN, heard)
        }
        (Next::Wait(pause), _) => later(app, job, pause, heard),
        (Next::Finish(status, errors), _) => {
            let status_there = match &seen {
                Seen::There(status) => Some(status),
                _ => None,
            };
            job.document.errors = errors.into_iter().take(MOST_PROBLEMS).collect();
            Ok(Step::Done(finish::finish(app, job, status, status_there).await?))
        }
        (Next::Request | Next::Cancel, None) => later(app, job, AGAIN, heard),
    }
}

/// Makes the custom resource, once it stands that it may have been asked for. Only then is it written down that it was: a
/// crash in between asks again, and finds its own.
async fn request(
    app: &App,
    mut job: Loaded<JobRecord>,
    way: &Reach,
    kind: &str,
    plural: &str,
    name: &str,
) -> Result<Step, StoreError> {
    if !job.document.asked {
        let missing = allowed::missing(app, &job.document).await?;
        if !missing.is_empty() {
            job.document.errors = missing;
            return Ok(Step::Done(finish::finish(app, job, JobStatus::Failed, None).await?));
        }
        job.document.asked = true;
        return later(app, job, SignedDuration::ZERO, true);
    }
    let object = custom_resource::object(
        kind,
        &job.document.namespace,
        name,
        &custom_resource::spec(&job.document, app.quotas.namespaces),
    );
    match way.make(app, plural, &job.document.namespace, &object).await {
        Ok(()) => {
            mark_requested(&mut job.document, app.clock.now());
            job.document.heard_at = Some(app.clock.now());
            later(app, job, AGAIN, true)
        }
        Err(seen) => match decide(&job.document, &seen, app.clock.now()) {
            Next::Finish(status, errors) => {
                job.document.errors = errors;
                Ok(Step::Done(finish::finish(app, job, status, None).await?))
            }
            _ => later(app, job, SignedDuration::from_secs(5), false),
        },
    }
}

/// What the cluster says that is new.
fn note(app: &App, job: &mut JobRecord, seen: &Seen) -> bool {
    let status = match seen {
        Seen::There(status) => status,
        // What the cluster said last may be long over: nobody is told that it still goes on there.
        Seen::Unreachable(_) => {
            let waiting = if job.requested { WAITING_AGAIN } else { WAITING };
            let is_news = job.stage.as_deref() != Some(waiting);
            job.stage = Some(waiting.to_owned());
            return is_news;
        }
        _ => return false,
    };
    let stage = stage(status);
    let mut news = !job.requested || job.stage != stage;
    mark_requested(job, app.clock.now());
    job.stage = stage;
    if let Some(named) = &status.stage {
        job.reached = Some(named.clone());
    }
    let quiet =
        job.heard_at.is_none_or(|at| app.clock.now().duration_since(at) > SignedDuration::from_secs(60));
    if news || quiet {
        job.heard_at = Some(app.clock.now());
        news = true;
    }
    if job.cancel && job.status == JobStatus::InProgress {
        job.status = JobStatus::Cancelling;
        news = true;
    }
    news
}

fn mark_requested(job: &mut JobRecord, now: Timestamp) {
    job.requested = true;
    job.requested_at.get_or_insert(now);
}

/// A backup of the schedule that still waits for its cluster ends with the schedule: who suspends or stops protection, or
/// deletes the instance, does not expect one a day later.
async fn is_unwanted(app: &App, job: &JobRecord) -> Result<bool, StoreError> {
    if job.requested || job.slot.is_none() {
        return Ok(false);
    }
    let instance: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &job.instance).await?;
    Ok(!instance.is_some_and(|instance| instance.document.is_scheduled()))
}

fn stage(status: &Status) -> Option<String> {
    match (&status.stage, &status.trying_again) {
        (Some(stage), Some(why)) => Some(format!("{stage}, trying again: {why}")),
        (None, Some(why)) => Some(format!("trying again: {why}")),
        (stage, None) => {
            stage.clone().or_else(|| Some(status.phase.clone()).filter(|phase| !phase.is_empty()))
        }
    }
}

/// What only waits writes nothing but its next time.
fn later(app: &App, job: Loaded<JobRecord>, pause: SignedDuration, news: bool) -> Result<Step, StoreError> {
    let now = app.clock.now();
    Ok(Step::Later {
        due_at: now.checked_add(pause).unwrap_or(now),
        advanced: true,
        document: Value::Null,
        changes: if news { vec![job.write()?] } else { Vec::new() },
    })
}
