//! Begins the backups of an instance when they are due. What a slot begins has a name made of instance and slot, so that
//! no slot begins two.

use super::start::{self, Occasion};
use crate::{
    api::{Loaded, extensions, instances::InstanceRecord, load, policies},
    app::App,
    store::{Change, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::Problem;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use uuid::Uuid;

/// The kind of this work.
pub const KIND: &str = "schedule";
/// When a policy is missing, or names no further slot.
const REST: SignedDuration = SignedDuration::from_mins(60);

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
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let Some(instance): Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    if !instance.document.state.is_scheduled() {
        // Resuming begins it anew.
        return Ok(Step::Done(Vec::new()));
    }
    let handled = work.document.get("handled").and_then(|at| at.as_str()?.parse().ok()).unwrap_or(now);
    let Some(plan) = policies::plan(app.store.as_ref(), &instance.document.instance.policy).await? else {
        return later(now, REST, handled, Vec::new());
    };
    let shift = shift(&instance.id, app.spread);
    let shifted = now.checked_sub(shift).unwrap_or(now);
    match plan.schedule.due(handled, shifted) {
        Some(slot) => {
            let changes = begin(app, &instance, &plan.rule, slot, now).await?;
            // A policy can change before the next slot: look once an hour in any case.
            let next = plan.schedule.next_after(slot).map(|next| next.checked_add(shift).unwrap_or(next));
            let pause = next.map_or(REST, |next| next.duration_since(now).clamp(SignedDuration::ZERO, REST));
            later(now, pause, slot, changes)
        }
        None => {
            let next = plan.schedule.next_after(shifted).map(|next| next.checked_add(shift).unwrap_or(next));
            let pause =
                next.map_or(REST, |next| next.duration_since(now).clamp(SignedDuration::from_secs(1), REST));
            later(now, pause, handled, Vec::new())
        }
    }
}

fn later(
    now: Timestamp,
    pause: SignedDuration,
    handled: Timestamp,
    changes: Vec<Change>,
) -> Result<Step, StoreError> {
    Ok(Step::Later {
        due_at: now.checked_add(pause).unwrap_or(now),
        advanced: true,
        document: json!({"handled": handled}),
        changes,
    })
}

async fn begin(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    rule: &str,
    slot: Timestamp,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
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
        return Ok(Vec::new());
    }
    let cluster = &instance.document.instance.source.resource;
    let (_, changes) = match extensions::backup_extension(app.store.as_ref(), cluster).await? {
        Some(extension) => start::backup(instance, &extension, occasion)?,
        None => start::failed(instance, no_extension(cluster), occasion)?,
    };
    Ok(changes)
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
