//! Jobs: listed, shown, cancelled, exported.

pub mod manage;
mod record;
mod shown;
mod sub_tasks;

pub use record::{JobRecord, JobStatus, KIND, MOST_PROBLEMS, Managed, PointOf, Task};
pub use shown::{error as shown_problem, shown, warning as shown_warning};

use super::{
    At, Call, Failure, Loaded, Needs, Operation,
    call::invalid_filter,
    operation,
    operations::row,
    resource::{self, TRIES},
};
use crate::{
    exports,
    reply::Reply,
    store::{Change, StoreError},
};
use arm::{ArmError, Filter, filter::Term};
use http::Method;
use jiff::Timestamp;

const ALL: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupJobs";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupJobs/{job}";
const CANCEL: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupJobs/{job}/cancel";
const EXPORT: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/exportBackupJobs";
const EXPORTED: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupJobs/operations/{operation}";
/// Jobs that are read at a time.
const PAGE: u32 = 1_000;
/// The right to see a job.
pub const READ: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/backupJobs/read");
const MAY_CANCEL: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/backupJobs/cancel/action");
const MAY_EXPORT: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/exportBackupJobs/action");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("Jobs_List", &Method::GET, ALL, READ, At::Above, |call| Box::pin(list(call))),
    row("ExportJobsOperationResult_Get", &Method::GET, EXPORTED, Needs::SignIn, At::Subscription, |call| {
        Box::pin(operation::result(call))
    }),
    row("Jobs_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(get(call))),
    row("Jobs_Cancel", &Method::POST, CANCEL, MAY_CANCEL, At::Above, |call| Box::pin(cancel(call))),
    row("ExportJobs_Trigger", &Method::POST, EXPORT, MAY_EXPORT, At::Above, |call| Box::pin(export(call))),
];

async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let filter = call.filter()?;
    check(&filter)?;
    resource::page(call, KIND, call.scope()?, |stored| {
        let job: Loaded<JobRecord> = resource::read(stored)?;
        let seen = fits(&filter, &job.document);
        Ok(seen.then(|| shown(&job.id, &job.document, &job.etag(), call.now)))
    })
    .await
}

async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let job = existing(call).await?;
    Ok(Reply::json(200, shown(&job.id, &job.document, &job.etag(), call.now)))
}

/// Ours: the original's portal has it, its API does not document it. What is under way in the cluster thaws first.
async fn cancel(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let mut job = existing(call).await?;
        if job.document.status.is_over() {
            let message = format!("The job is over: {}.", job.document.status.text());
            return Err(ArmError::new(409, "UserErrorJobNotCancellable", message).into());
        }
        if job.document.task.resource().is_none() {
            let message =
                "The vault does this itself and is done with it soon; nothing is left to be cancelled.";
            return Err(ArmError::new(409, "UserErrorJobNotCancellable", message).into());
        }
        job.document.cancel = true;
        job.document.status = JobStatus::Cancelling;
        let ended = operation::finished(call, "cancel job", &job.id);
        let changes = [job.write()?, Change::Begin(ended.clone()), Change::Hurry(work_id(&job.id), call.now)];
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(operation::accepted(call, &ended));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Bytes of an export: it is kept as one row, and a cluster chooses how much its jobs say.
const LARGEST_EXPORT: usize = 16 * 1024 * 1024;

/// The jobs that fit the filter, all of them, as one file, which the result names: the result of an operation that is over at once. What would
/// be too much for one document is refused, not cut off.
async fn export(call: &Call<'_>) -> Result<Reply, Failure> {
    let vault = call.scope()?;
    if call.app.store.resource(vault).await?.is_none() {
        return Err(ArmError::not_found(vault).into());
    }
    let filter = call.filter()?;
    check(&filter)?;
    let most = call.app.quotas.exported_jobs;
    let (mut jobs, mut bytes) = (Vec::new(), 0);
    let mut after: Option<String> = None;
    loop {
        let page = call.app.store.resources(KIND, vault, after.as_deref(), PAGE).await?;
        after = page.last().filter(|_| page.len() == PAGE as usize).map(|last| last.id.folded().to_owned());
        for stored in page {
            let job: Loaded<JobRecord> = resource::read(stored)?;
            if !fits(&filter, &job.document) {
                continue;
            }
            let one = shown(&job.id, &job.document, &job.etag(), call.now);
            bytes += one.to_string().len();
            if jobs.len() >= most || bytes > LARGEST_EXPORT {
                return Err(too_many(jobs.len().min(most)).into());
            }
            jobs.push(one);
        }
        if after.is_none() {
            break;
        }
    }
    let mut ended = operation::finished(call, "export jobs", vault);
    ended.result = Some(exports::kept(jobs));
    call.commit(&[Change::Begin(ended.clone())]).await?;
    let path = format!("{vault}/backupJobs/operations/{}", ended.id);
    let reply = Reply::empty(202).with(http::header::LOCATION, call.url(&path));
    Ok(operation::followed(call, reply, &ended, false))
}

fn too_many(most: usize) -> ArmError {
    let message = format!(
        "More than {most} jobs would be exported, the most that one export holds. Export less at a time, with \
         $filter=startTime eq '…' and endTime eq '…', or read GET …/backupJobs page by page."
    );
    ArmError::new(400, "UserErrorTooManyJobsToExport", message)
}

async fn existing(call: &Call<'_>) -> Result<Loaded<JobRecord>, Failure> {
    let id = call.scope()?;
    let found = resource::load(call.app.store.as_ref(), id).await?;
    Ok(found.ok_or_else(|| ArmError::not_found(id))?)
}

/// The id of the work that carries a job out.
pub fn work_id(job: &arm::ResourceId) -> String {
    format!("job {}", job.folded())
}

const KNOWN: [&str; 6] =
    ["operation", "status", "backupInstanceId", "backupInstanceFriendlyName", "startTime", "endTime"];

fn check(filter: &Filter) -> Result<(), ArmError> {
    for term in filter.terms() {
        match term {
            Term::Equals { field, value } if KNOWN.iter().any(|known| field.eq_ignore_ascii_case(known)) => {
                let is_time = field.to_ascii_lowercase().ends_with("time");
                if is_time && value.parse::<Timestamp>().is_err() {
                    return Err(invalid_filter(&format!("'{value}' is no time")));
                }
            }
            Term::Equals { field: name, .. } | Term::Named { name, .. } => {
                let reason = format!("'{name}' is not known here; known are {}", KNOWN.join(", "));
                return Err(invalid_filter(&reason));
            }
        }
    }
    Ok(())
}

/// `startTime` and `endTime` are the bounds of when a job began.
fn fits(filter: &Filter, job: &JobRecord) -> bool {
    filter.terms().iter().all(|term| match term {
        Term::Equals { field, value } => {
            let is = |name: &str| field.eq_ignore_ascii_case(name);
            let time = || value.parse::<Timestamp>().ok();
            (!is("operation") || job.task.operation().eq_ignore_ascii_case(value))
                && (!is("status") || job.status.text().eq_ignore_ascii_case(value))
                && (!is("backupInstanceId") || job.instance.as_str().eq_ignore_ascii_case(value))
                && (!is("backupInstanceFriendlyName") || job.friendly_name.eq_ignore_ascii_case(value))
                && (!is("startTime") || time().is_none_or(|time| job.started_at >= time))
                && (!is("endTime") || time().is_none_or(|time| job.started_at <= time))
        }
        Term::Named { .. } => true,
    })
}
