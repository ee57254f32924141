//! Lets recovery points end that have lived long enough: marks them, and has them forgotten.

use super::forget;
use crate::api::Each;
use crate::{
    api::{
        Loaded,
        instances::{InstanceRecord, ProtectionState},
        load,
        points::{self, PointRecord},
        read,
    },
    app::App,
    store::{StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use protection::policy::{Held, expired};
use serde_json::Value;
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "expire";
const LOOK: SignedDuration = SignedDuration::from_mins(60);

/// The work that watches over the retention of an instance.
pub fn work(instance: &ResourceId, now: Timestamp) -> Work {
    Work::new(work_id(instance), KIND, instance.clone(), now.checked_add(LOOK).unwrap_or(now), Value::Null)
}

/// Its id.
pub fn work_id(instance: &ResourceId) -> String {
    format!("expire {}", instance.folded())
}

/// One look.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let Some(instance): Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    let points = all(app, &instance.id).await?;
    let held: Vec<Held<ResourceId>> = points
        .iter()
        .filter(|point| !point.document.deleting)
        .map(|point| Held {
            id: point.id.clone(),
            cut: point.document.time,
            end: Some(point.document.expires_at),
        })
        .collect();
    // Whoever stopped protection wants to keep what there is; what waits in soft deletion is purged as a whole.
    let rests = rests(instance.document.state, instance.document.next);
    let over = expired(&held, now, rests);
    let mut changes = Vec::new();
    for mut point in points {
        if over.contains(&point.id) {
            point.document.deleting = true;
            changes.push(point.write()?);
            changes.push(forget::change(&point.id, now));
        }
    }
    Ok(Step::Later {
        due_at: now.checked_add(LOOK).unwrap_or(now),
        advanced: true,
        document: Value::Null,
        changes,
    })
}

/// Whether nothing of an instance ends now, also while a change of its configuration is looked at.
fn rests(state: ProtectionState, next: ProtectionState) -> bool {
    match state {
        ProtectionState::ProtectionStopped | ProtectionState::SoftDeleted => true,
        ProtectionState::UpdatingProtection => next == ProtectionState::ProtectionStopped,
        _ => false,
    }
}

/// All recovery points of an instance.
pub async fn all(app: &App, instance: &ResourceId) -> Result<Vec<Loaded<PointRecord>>, StoreError> {
    let mut all = Vec::new();
    let mut each = Each::of(app.store.as_ref(), points::KIND, instance);
    while let Some(stored) = each.next().await? {
        all.push(read(stored)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtectionState::{
        BackupSchedulesSuspended, ConfiguringProtection, ConfiguringProtectionFailed, ProtectionConfigured,
        ProtectionError, ProtectionStopped, SoftDeleted, SoftDeleting, UpdatingProtection,
    };

    #[test]
    fn nothing_ends_while_protection_is_stopped_or_the_instance_can_be_brought_back() {
        let all = [
            ConfiguringProtection,
            UpdatingProtection,
            ProtectionConfigured,
            ConfiguringProtectionFailed,
            ProtectionError,
            BackupSchedulesSuspended,
            ProtectionStopped,
            SoftDeleting,
            SoftDeleted,
        ];

        for state in all {
            for next in all {
                let wanted = match state {
                    ProtectionStopped | SoftDeleted => true,
                    // Whoever changes the configuration of a stopped one has not asked for anything to end.
                    UpdatingProtection => next == ProtectionStopped,
                    ConfiguringProtection
                    | ProtectionConfigured
                    | ConfiguringProtectionFailed
                    | ProtectionError
                    | BackupSchedulesSuspended
                    | SoftDeleting => false,
                };
                assert_eq!(rests(state, next), wanted, "{state:?}, then {next:?}");
            }
        }
    }
}
