//! Deletes one recovery point from its repository. Its data goes with a later prune, when nothing else needs it.

use crate::Point;
use engine::{EngineError, Job, Repo, forget};
use std::sync::Arc;
use telemetry::Clock;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// It is in the repository no more.
    Gone,
    /// The store's retention keeps it for now.
    Retained,
}

/// Deletes a recovery point under an exclusive lock: [`EngineError::Locked`] while a backup writes or somebody else deletes.
/// One that is gone already is gone.
pub async fn forget(repo: &Repo, point: &Point, clock: Arc<dyn Clock>) -> Result<Forgotten, EngineError> {
    let only = vec![(point.snapshot_id(), point.snapshot_file().clone())];
    let plan = forget::plan_ids(only, &[point.snapshot_id()])?;
    let report = forget::execute(repo, &plan, &Job::new(clock)).await?;
    Ok(if report.later.is_empty() { Forgotten::Gone } else { Forgotten::Retained })
}
