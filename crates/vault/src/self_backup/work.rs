//! Backups on schedule: work like any other, so that of several replicas one does it, at its time, also after a crash.

use super::{Place, SelfBackupError, Settings, Taking, decide, state, take};
use crate::{
    app::App,
    directory::DataDirectory,
    store::{Change, Store, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// The kind of this work, and the id of the one piece of it.
pub const KIND: &str = "self-backup";
/// No subscription can have this id.
const EVERYWHERE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000";

/// What backups are taken with while a vault runs.
#[derive(Debug)]
pub struct Running {
    /// How.
    pub settings: Settings,
    /// Where to.
    pub place: Place,
    /// The data directory.
    pub directory: DataDirectory,
}

/// A replica that makes none leaves it to the others for so long.
const ELSEWHERE: SignedDuration = SignedDuration::from_mins(1);

/// At the start: the next backup is due when the last one is old enough, whatever was planned before.
pub async fn plan(
    store: &dyn Store,
    every: Option<SignedDuration>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Another replica may well do it.
    let Some(every) = every else { return Ok(()) };
    let last = state(store).await?.last.map(|taken| taken.at);
    let due = decide::due(last, every, now);
    let target: ResourceId =
        EVERYWHERE.parse().map_err(|error: arm::IdError| StoreError::Damaged(error.to_string()))?;
    let work = Work::new(KIND.to_owned(), KIND, target, due, Value::Null);
    store.commit_unaudited(&[Change::AddWork(work), Change::Hurry(KIND.to_owned(), due)]).await
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let Some((running, every)) =
        app.self_backup.as_ref().and_then(|running| Some((running, running.settings.every?)))
    else {
        return Ok(later(now.checked_add(ELSEWHERE).unwrap_or(now), true));
    };
    // Somebody may have taken one by hand meanwhile.
    let due = decide::due(state(app.store.as_ref()).await?.last.map(|taken| taken.at), every, now);
    if due > now {
        return Ok(later(due, true));
    }
    let taking = Taking {
        store: app.store.as_ref(),
        wrapping: &app.wrapping,
        directory: &running.directory,
        place: &running.place,
        settings: &running.settings,
        principal: "vault",
        now,
    };
    match take(&taking).await {
        Ok(taken) => {
            let (name, place, bytes, rows) = (&taken.name, &taken.place, taken.bytes, taken.rows);
            tracing::info!(name, place, bytes, rows, "the vault backed itself up");
            Ok(later(now.checked_add(every).unwrap_or(now), true))
        }
        Err(error) => {
            app.metrics.failed(KIND);
            tracing::error!(%error, "the vault could not back itself up; trying again");
            if let SelfBackupError::Store(error) = error {
                return Err(error);
            }
            Ok(later(decide::again(work.attempts.saturating_sub(1), every, now), false))
        }
    }
}

fn later(due_at: Timestamp, advanced: bool) -> Step {
    Step::Later { due_at, advanced, document: Value::Null, changes: Vec::new() }
}
