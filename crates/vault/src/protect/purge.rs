//! Ends an instance for good once its soft deletion is over: all its recovery points are forgotten, then it is. Two days
//! before, somebody is told.

use super::{expire, forget, start::vault_of};
use crate::{
    alerts::{self, Event, Rule},
    api::{
        Loaded,
        instances::{InstanceRecord, ProtectionState},
        load,
    },
    app::App,
    store::{Change, Expected, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "purge";
const LOOK: SignedDuration = SignedDuration::from_secs(10);
/// So long before the end somebody is told.
const NOTICE: SignedDuration = SignedDuration::from_hours(48);
/// Stands in the document once that was done.
const TOLD: &str = "told";

/// The change that has an instance purged at a time.
pub fn change(instance: &ResourceId, at: Timestamp) -> Change {
    Change::AddWork(Work::new(work_id(instance), KIND, instance.clone(), notice_at(at), Value::Null))
}

fn notice_at(purge_at: Timestamp) -> Timestamp {
    purge_at.checked_sub(NOTICE).unwrap_or(purge_at)
}

/// Its id.
pub fn work_id(instance: &ResourceId) -> String {
    format!("purge {}", instance.folded())
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let Some(mut instance): Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &work.target).await?
    else {
        return Ok(Step::Done(Vec::new()));
    };
    let gone =
        matches!(instance.document.state, ProtectionState::SoftDeleted | ProtectionState::SoftDeleting);
    if !gone {
        return Ok(Step::Done(Vec::new()));
    }
    if let Some(deletion) = &instance.document.deletion
        && deletion.purge_at > now
    {
        return before(app, &instance, deletion.purge_at, work).await;
    }
    let points = expire::all(app, &instance.id).await?;
    if points.is_empty() {
        let ids = ["schedule", "expire"].map(|kind| Change::Drop(format!("{kind} {}", instance.id.folded())));
        let mut changes = vec![Change::Remove(instance.id.clone(), Expected::Version(instance.version))];
        changes.extend(ids);
        changes.extend(told_at_the_end(app, &instance, now).await?);
        return Ok(Step::Done(changes));
    }
    let mut changes = Vec::new();
    if instance.document.state == ProtectionState::SoftDeleted {
        // In the same commit as the first recovery point that goes: from here on nobody brings it back.
        instance.document.state = ProtectionState::SoftDeleting;
        changes.push(instance.write()?);
    }
    for mut point in points {
        if !point.document.deleting {
            point.document.deleting = true;
            changes.push(point.write()?);
            changes.push(forget::change(&point.id, now));
        }
    }
    Ok(again(now.checked_add(LOOK).unwrap_or(now), work.document.clone(), changes))
}

/// There is time left: when little of it, that is told, once.
async fn before(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    purge_at: Timestamp,
    work: &Work,
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let is_told = work.document.get(TOLD).is_some();
    if now < notice_at(purge_at) && !is_told {
        return Ok(again(notice_at(purge_at), Value::Null, Vec::new()));
    }
    let mut changes = Vec::new();
    if !is_told {
        let name = &instance.document.instance.friendly_name;
        let text = format!(
            "The deleted backup data of '{name}' goes for good on {purge_at}. Undelete the backup instance to keep it."
        );
        let event = Event::of_vault(Rule::UpcomingPurge, &vault_of(&instance.id)?, &instance.id, text);
        changes = alerts::fire(app, event, now).await?;
    }
    Ok(again(purge_at, json!({TOLD: true}), changes))
}

/// What was softly deleted is gone. Where soft delete is off, the alert of the deletion said all.
async fn told_at_the_end(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let record = &instance.document;
    if record.deletion.as_ref().is_none_or(|deletion| deletion.purge_at <= deletion.deleted_at) {
        return Ok(Vec::new());
    }
    let mut changes =
        alerts::resolve(app, Rule::UpcomingPurge, &instance.id, "the data is gone", now).await?;
    let text = format!("The deleted backup data of '{}' is gone for good.", record.instance.friendly_name);
    let event = Event::of_vault(Rule::PurgeComplete, &vault_of(&instance.id)?, &instance.id, text);
    changes.extend(alerts::fire(app, event, now).await?);
    Ok(changes)
}

fn again(due_at: Timestamp, document: Value, changes: Vec<Change>) -> Step {
    Step::Later { due_at, advanced: true, document, changes }
}
