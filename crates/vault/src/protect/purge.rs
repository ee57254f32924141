//! Ends an instance for good once its soft deletion is over: all its recovery points are forgotten, then it is.

use super::{expire, forget};
use crate::{
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
use serde_json::Value;
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "purge";
const LOOK: SignedDuration = SignedDuration::from_secs(10);

/// The change that has an instance purged at a time.
pub fn change(instance: &ResourceId, at: Timestamp) -> Change {
    Change::AddWork(Work::new(work_id(instance), KIND, instance.clone(), at, Value::Null))
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
        return Ok(again(deletion.purge_at, Vec::new()));
    }
    let points = expire::all(app, &instance.id).await?;
    if points.is_empty() {
        let ids = ["schedule", "expire"].map(|kind| Change::Drop(format!("{kind} {}", instance.id.folded())));
        let mut changes = vec![Change::Remove(instance.id.clone(), Expected::Version(instance.version))];
        changes.extend(ids);
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
    Ok(again(now.checked_add(LOOK).unwrap_or(now), changes))
}

fn again(due_at: Timestamp, changes: Vec<Change>) -> Step {
    Step::Later { due_at, advanced: true, document: Value::Null, changes }
}
