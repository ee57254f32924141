//! Begins the backups of an instance when they are due. What a slot begins has a name made of instance and slot, so that
//! no slot begins two. Slots that were missed are made up for by one backup; a slot that comes while the backup of an
//! earlier one is under way is skipped, and that backup's job says so. While it waits for its cluster, the slot waits too.

use super::{
    prerequisites,
    start::{self, Occasion},
};
use crate::{
    api::{
        Loaded, extensions,
        instances::InstanceRecord,
        jobs::{self, JobRecord},
        load, policies, read,
    },
    app::App,
    store::{Change, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::Problem;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use uuid::Uuid;

/// The kind of this work.
pub const KIND: &str = "schedule";
/// When a policy is missing, or names no further slot.
const REST: SignedDuration = SignedDuration::from_mins(60);
/// Until it is known how the job of an earlier slot stands.
const UNSURE: SignedDuration = SignedDuration::from_secs(5);
/// The same while it waits for its cluster, which takes up to a day.
const WAITING: SignedDuration = SignedDuration::from_secs(60);
/// How many slots a job made the schedule skip, in the job's details.
const SKIPPED: &str = "SkippedSlots";
/// The last of them.
const LAST_SKIPPED: &str = "LastSkippedSlot";

/// The work that keeps the schedule of an instance from now on.
pub fn work(instance: &ResourceId, now: Timestamp) -> Work {
    Work::new(work_id(instance), KIND, instance.clone(), now, json!({"handled": now}))
}

/// Its id.
pub fn work_id(instance: &ResourceId) -> String {
    format!("schedule {}", instance.folded())
}

/// One look at what is due.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(async move {
        let mut step = one(app, work).await?;
        // What is backed up on schedule is looked at between its slots, too.
        if let Step::Later { changes, .. } = &mut step {
            changes.extend(prerequisites::wanted(app, &work.target).await?);
        }
        Ok(step)
    })
}

/// What is kept of a schedule.
struct Kept {
    /// The last slot that was seen to.
    handled: Timestamp,
    /// The job that it last began.
    last: Last,
}

/// The job that a schedule last began.
enum Last {
    /// Nothing was begun since the schedule was set up: a job of the schedule before it may still be under way.
    Unknown,
    Job(ResourceId),
}

impl Kept {
    fn of(document: &Value, now: Timestamp) -> Self {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let job = text("job").and_then(|id| id.parse().ok());
        Self {
            // A slot in the future was begun by a clock that was wrong: those until then still come.
            handled: text("handled").and_then(|at| at.parse().ok()).unwrap_or(now).min(now),
            last: job.map_or(Last::Unknown, Last::Job),
        }
    }

    fn document(&self) -> Value {
        match &self.last {
            Last::Unknown => json!({"handled": self.handled}),
            Last::Job(job) => json!({"handled": self.handled, "job": job}),
        }
    }
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let Some(instance): Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    if !instance.document.is_scheduled() {
        // Resuming begins it anew.
        return Ok(Step::Done(Vec::new()));
    }
    let mut kept = Kept::of(&work.document, now);
    let Some(plan) = policies::plan(app.store.as_ref(), &instance.document.instance.policy).await? else {
        return later(now, REST, &kept, Vec::new());
    };
    let shift = shift(&instance.id, app.spread);
    let shifted = now.checked_sub(shift).unwrap_or(now);
    // A policy can change before the next slot: look once an hour in any case.
    let pause = |after: Timestamp, least: SignedDuration| {
        let next = plan.schedule.next_after(after).map(|next| next.checked_add(shift).unwrap_or(next));
        next.map_or(REST, |next| next.duration_since(now).clamp(least, REST))
    };
    let Some(slot) = plan.schedule.due(kept.handled, shifted) else {
        return later(now, pause(shifted, SignedDuration::from_secs(1)), &kept, Vec::new());
    };
    let changes = match under_way(app, &instance.id, &kept.last).await? {
        Some(job) if !is_overlapped(&job.document, slot) => {
            kept.last = Last::Job(job.id);
            let pause = if job.document.requested { UNSURE } else { WAITING };
            return later(now, pause, &kept, Vec::new());
        }
        Some(job) => {
            kept.last = Last::Job(job.id.clone());
            pass_over(app, job, slot)?
        }
        None => {
            let (job, changes) = begin(app, &instance, &plan.rule, slot, now).await?;
            kept.last = Last::Job(job);
            changes
        }
    };
    kept.handled = slot;
    later(now, pause(slot, SignedDuration::ZERO), &kept, changes)
}

fn later(
    now: Timestamp,
    pause: SignedDuration,
    kept: &Kept,
    changes: Vec<Change>,
) -> Result<Step, StoreError> {
    Ok(Step::Later {
        due_at: now.checked_add(pause).unwrap_or(now),
        advanced: true,
        document: kept.document(),
        changes,
    })
}

/// The scheduled job of an instance that is not over.
async fn under_way(
    app: &App,
    instance: &ResourceId,
    last: &Last,
) -> Result<Option<Loaded<JobRecord>>, StoreError> {
    if let Last::Job(id) = last {
        let job: Option<Loaded<JobRecord>> = load(app.store.as_ref(), id).await?;
        return Ok(job.filter(|job| !job.document.status.is_over()));
    }
    for stored in app.store.resources_about(jobs::KIND, instance.as_str()).await? {
        let job: Loaded<JobRecord> = read(stored)?;
        let is_mine = job.document.instance == *instance && job.document.slot.is_some();
        if is_mine && !job.document.status.is_over() {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// Whether the job of an earlier slot is known to have been under way when a slot came. What was not heard of since may
/// have ended long ago, while the vault was away: then the slot is still to be made up for. What still waits for its
/// cluster makes up for the slot if it gets there, and else the slot has a job of its own.
fn is_overlapped(job: &JobRecord, slot: Timestamp) -> bool {
    job.heard_at.is_some_and(|heard| heard >= slot)
}

/// A slot that comes while the job of an earlier one is under way begins nothing: the job under way says so.
fn pass_over(app: &App, mut job: Loaded<JobRecord>, slot: Timestamp) -> Result<Vec<Change>, StoreError> {
    if job.document.slot == Some(slot) {
        return Ok(Vec::new());
    }
    app.metrics.slots_skipped.inc();
    tracing::info!(job = %job.id, %slot, "a slot is skipped: the job of an earlier one is under way");
    let details = &mut job.document.details;
    let before = details.get(SKIPPED).and_then(|number| number.parse().ok()).unwrap_or(0_u64);
    details.insert(SKIPPED.to_owned(), before.saturating_add(1).to_string());
    details.insert(LAST_SKIPPED.to_owned(), slot.to_string());
    Ok(vec![job.write()?])
}

/// The job of a slot, with the changes that begin it; none when it was begun already.
async fn begin(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    rule: &str,
    slot: Timestamp,
    now: Timestamp,
) -> Result<(ResourceId, Vec<Change>), StoreError> {
    let name = format!("{} {}", instance.id.folded(), slot.as_second());
    let occasion = Occasion {
        name: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string(),
        is_user_triggered: false,
        rule: Some(rule.to_owned()),
        tag: None,
        slot: Some(slot),
        now,
    };
    let vault = start::vault_of(&instance.id)?;
    let exists = vault.child("backupJobs", &occasion.name).ok();
    if let Some(job) = exists
        && app.store.resource(&job).await?.is_some()
    {
        return Ok((job, Vec::new()));
    }
    let cluster = &instance.document.instance.source.resource;
    match extensions::backup_extension(app.store.as_ref(), cluster).await? {
        Some(extension) => start::backup(instance, &extension, occasion),
        None => start::failed(app, instance, no_extension(cluster), occasion).await,
    }
}

/// The cluster has no backup extension.
pub fn no_extension(cluster: &ResourceId) -> Problem {
    let message = format!("The cluster '{}' has no backup extension.", cluster.name());
    Problem::error("UserErrorKubernetesBackupExtensionNotFoundError", message).about(cluster.as_str()).fix(format!(
        "az k8s-extension create --extension-type microsoft.dataprotection.kubernetes --scope cluster --cluster-type \
         managedClusters --resource-group {} --cluster-name {} --name azure-aks-backup",
        cluster.resource_group().unwrap_or_default(),
        cluster.name()
    ))
}

/// How long after its slot an instance begins: its own, within the spread, so that not all begin at once.
pub fn shift(instance: &ResourceId, spread: SignedDuration) -> SignedDuration {
    let width = u64::try_from(spread.as_millis()).unwrap_or(0);
    if width == 0 {
        return SignedDuration::ZERO;
    }
    let hash = Sha256::digest(instance.folded().as_bytes());
    let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    SignedDuration::from_millis(i64::try_from(number % width).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_counts_as_overlapped_only_when_the_job_was_heard_of_since() {
        let slot: Timestamp = "2026-01-01T04:00:00Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        let job =
            |requested, heard_at| JobRecord { requested, heard_at, ..super::super::decide::tests::job() };

        assert!(is_overlapped(&job(true, Some(slot + hour)), slot));
        let vault_was_away = job(true, Some(slot - hour));
        assert!(!is_overlapped(&vault_was_away, slot), "it may have ended long before the slot");
        let waits_for_its_cluster = job(false, None);
        assert!(!is_overlapped(&waits_for_its_cluster, slot), "it may never get there");
    }

    #[test]
    fn instances_begin_spread_over_the_time_and_each_always_at_its_own() {
        let spread = SignedDuration::from_secs(60);
        let id = |n: usize| -> ResourceId { format!("/subscriptions/s/resourceGroups/{n}").parse().unwrap() };

        let shifts: Vec<_> = (0..500).map(|n| shift(&id(n), spread)).collect();

        let early = shifts.iter().filter(|shift| shift.as_secs() < 30).count();
        assert!((200..300).contains(&early), "{early} of 500 in the first half");
        assert_eq!(shifts[7], shift(&id(7), spread));
        assert_eq!(shift(&id(7), SignedDuration::ZERO), SignedDuration::ZERO);
    }
}
