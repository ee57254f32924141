//! Lets jobs go that ended long ago. One that made a recovery point stays as long as that does: it tells what is missing in it.

use crate::{
    api::{
        Loaded,
        jobs::{self, JobRecord, Task},
        load,
        points::PointRecord,
        read,
    },
    app::App,
    store::{AuditEntry, AuditOutcome, Change, Expected, StoreError},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};

/// Jobs that one look takes in.
const PAGE: u32 = 1_000;
/// Jobs that go in one commit.
const AT_ONCE: usize = 100;

/// Where the next look begins. Each takes one page, however many jobs there are, so that none holds up anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Which of the subscriptions.
    subscription: usize,
    /// Behind which job of it.
    after: Option<String>,
}

/// Looks at one page of jobs. Several replicas may do so at once.
pub async fn sweep(app: &App, cursor: &mut Cursor) -> Result<(), StoreError> {
    let (store, now) = (app.store.as_ref(), app.clock.now());
    let subscriptions = store.subscriptions().await?;
    let Some(subscription) = subscriptions.get(cursor.subscription) else {
        *cursor = Cursor::default();
        return Ok(());
    };
    let page = store.resources(jobs::KIND, &subscription.id, cursor.after.as_deref(), PAGE).await?;
    // First of all, so that a look that fails is not made again and again.
    *cursor = match page.last() {
        Some(last) if u32::try_from(page.len()).is_ok_and(|length| length >= PAGE) => {
            Cursor { after: Some(last.id.folded().to_owned()), ..*cursor }
        }
        _ => Cursor { subscription: cursor.subscription.saturating_add(1), after: None },
    };
    let mut leaving = Vec::new();
    for stored in page {
        let job: Loaded<JobRecord> = read(stored)?;
        if is_old(&job.document, app.quotas.job_days, now) && !has_point(app, &job).await? {
            leaving.push(Change::Remove(job.id, Expected::Version(job.version)));
        }
    }
    for some in leaving.chunks(AT_ONCE) {
        match store.commit(some, &audit(&subscription.id, now)).await {
            // Another replica was faster, or somebody wrote to one of them: a later look comes by again.
            Err(StoreError::Conflict(what)) => tracing::info!(what, "old jobs wait for another look"),
            other => other?,
        }
    }
    Ok(())
}

/// Whether a job ended so long ago that nobody asks any more how.
fn is_old(job: &JobRecord, days: u32, now: Timestamp) -> bool {
    let kept = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
    job.status.is_over() && job.ended_at.is_some_and(|ended| now.duration_since(ended) > kept)
}

/// Whether the recovery point that a job made is still there.
async fn has_point(app: &App, job: &Loaded<JobRecord>) -> Result<bool, StoreError> {
    let record = &job.document;
    let (Task::Backup { .. }, Some(point)) = (&record.task, &record.point) else { return Ok(false) };
    let Ok(id) = record.instance.child("recoveryPoints", &point.id) else { return Ok(false) };
    let point: Option<Loaded<PointRecord>> = load(app.store.as_ref(), &id).await?;
    Ok(point.is_some_and(|point| point.document.job == job.id))
}

fn audit(subscription: &ResourceId, now: Timestamp) -> AuditEntry {
    AuditEntry {
        at: now,
        principal: "vault".to_owned(),
        action: "forget old jobs".to_owned(),
        scope: subscription.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::jobs::JobStatus, protect::decide::tests::job};

    #[test]
    fn a_job_is_old_so_many_days_after_its_end_and_never_before_it_ended() {
        let hours = |hours: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let ended = |status, at: i64| JobRecord { status, ended_at: Some(hours(at)), ..job() };
        let table = [
            (ended(JobStatus::Completed, 0), true),
            (ended(JobStatus::Failed, 0), true),
            (ended(JobStatus::Cancelled, 2), false),
            (JobRecord { status: JobStatus::InProgress, ended_at: None, ..job() }, false),
        ];

        for (job, old) in table {
            assert_eq!(is_old(&job, 30, hours(30 * 24 + 1)), old, "{:?} {:?}", job.status, job.ended_at);
        }
    }
}
