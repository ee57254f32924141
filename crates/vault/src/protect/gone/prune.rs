//! Frees the space of recovery points that the vault deleted itself, because no cluster is left that would, and of those in a
//! repository where immutable ones lie, because no cluster may. The engine does it in two
//! phases, days apart, so this looks again until nothing is left to free.

use super::{
    erase::{Closed, open},
    observe::writer,
};
use crate::{
    app::App,
    keys::{location, record_id},
    protect::hold::is_held,
    store::{Change, StoreError, Work},
    work::{Answered, Step},
};
use arm::ResourceId;
use engine::{
    EngineError, Job,
    prune::{PruneOptions, PruneReport, prune},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "prune";
/// Of all repositories, one is pruned at a time: it takes memory.
const TURN: &str = "prune";
/// After a deletion, because more often come.
const GATHER: SignedDuration = SignedDuration::from_mins(10);
/// While somebody else works there, or here.
const BUSY: SignedDuration = SignedDuration::from_mins(5);
/// After a failure.
const REST: SignedDuration = SignedDuration::from_hours(1);
/// Looks at least: what left the index in the first goes in the second.
const ROUNDS: u32 = 2;

/// What is kept of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    /// The Backup vault in whose stead it is done.
    vault: ResourceId,
    /// How often it was done.
    rounds: u32,
}

/// The changes that have a repository pruned, from the first round on.
pub fn changes(key: &str, vault: &ResourceId, now: Timestamp) -> Result<[Change; 2], StoreError> {
    let id = format!("{KIND} {key}");
    let due = now.saturating_add(GATHER).unwrap_or(now);
    let state = document(&State { vault: vault.clone(), rounds: 0 })?;
    Ok([Change::Drop(id.clone()), Change::AddWork(Work::new(id, KIND, record_id(key)?, due, state))])
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let mut state: State = serde_json::from_value(work.document.clone())
        .map_err(|error| StoreError::Damaged(format!("{}: {error}", work.id)))?;
    let Some(location) = location(app.store.as_ref(), work.target.name()).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    // No cluster is let near what immutable recovery points need.
    if !is_held(app, &location.settings).await?
        && let Some(cluster) = writer(app, &location.id).await?
    {
        tracing::info!(key = location.id, %cluster, "the cluster that writes to the repository prunes it");
        return Ok(Step::Done(Vec::new()));
    }
    let (Some(_turn), Some(_own)) = (app.turns.take(TURN), app.turns.take(&location.id)) else {
        return later(app, BUSY, &state);
    };
    let repo = match open(app, &state.vault, &location.id, &location.settings, None).await? {
        Ok(repo) => repo,
        Err(Closed::Removed(_)) => return Ok(Step::Done(Vec::new())),
        Err(Closed::Kept(why)) => {
            tracing::warn!(key = location.id, why, "a repository without a cluster could not be pruned yet");
            return later(app, REST, &state);
        }
    };
    let options = PruneOptions::default();
    let job = Job { cancel: app.stopping.clone(), ..Job::new(app.clock.clone()) };
    match prune(&repo, &options, &job).await {
        Ok(report) => {
            state.rounds = state.rounds.saturating_add(1);
            let told = told(&location.id, &report);
            tracing::info!(key = location.id, "{told}");
            let again = options.longest_job + SignedDuration::from_hours(1);
            let step = if state.rounds >= ROUNDS && is_idle(&report) {
                Step::Done(Vec::new())
            } else {
                later(app, again, &state)?
            };
            Ok(if is_idle(&report) { step } else { Step::Told(told, Box::new(step)) })
        }
        Err(EngineError::Locked { .. } | EngineError::Cancelled) => later(app, BUSY, &state),
        Err(error) => {
            tracing::warn!(key = location.id, %error, "pruning a repository without a cluster failed; it is tried again");
            later(app, REST, &state)
        }
    }
}

/// Nothing was done, and nothing waits.
fn is_idle(report: &PruneReport) -> bool {
    let PruneReport { deleted, left_index, rescued, written, later, waiting } = report;
    deleted.is_empty()
        && left_index.is_empty()
        && rescued.is_empty()
        && written.is_empty()
        && later.is_empty()
        && *waiting == 0
}

fn told(key: &str, report: &PruneReport) -> String {
    let PruneReport { deleted, left_index, written, later, waiting, .. } = report;
    format!(
        "repository {key}: {} packs deleted, {} left the index, {} written, {} kept by retention, {waiting} too young",
        deleted.len(),
        left_index.len(),
        written.len(),
        later.len()
    )
}

fn later(app: &App, pause: SignedDuration, state: &State) -> Result<Step, StoreError> {
    let now = app.clock.now();
    Ok(Step::Later {
        due_at: now.saturating_add(pause).unwrap_or(now),
        advanced: true,
        document: document(state)?,
        changes: Vec::new(),
    })
}

fn document(state: &State) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(state).map_err(|error| StoreError::Damaged(error.to_string()))
}
