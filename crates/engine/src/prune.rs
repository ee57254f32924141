//! Frees the space of what no snapshot needs, in two phases that a concurrent writer survives.
//!
//! Phase one takes packs out of the index (rewriting what is still needed of them) and remembers them in a list.
//! Phase two, at the earliest the longest job later, deletes them, unless a snapshot has come that needs them.

mod execute;
mod plan;
mod repack;

pub use execute::PruneReport;
pub use plan::PrunePlan;

use crate::{EngineError, Job, Lock, Repo, check::release};
use jiff::SignedDuration;
use repository::LockMode;

/// How prune decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneOptions {
    /// No writer works longer than this. Packs are spared for this long after they were written, whatever is in
    /// them, and stay for this long after they left the index.
    pub longest_job: SignedDuration,
    /// How many bytes may stay unused in packs that are partly used, in percent of the used bytes.
    pub tolerated_waste: u8,
}

impl Default for PruneOptions {
    /// Two days, and 5 percent.
    fn default() -> Self {
        Self { longest_job: SignedDuration::from_hours(48), tolerated_waste: 5 }
    }
}

/// Says what [`prune`] would do now. Writes nothing and takes no lock.
pub async fn plan(repo: &Repo, options: &PruneOptions, job: &Job) -> Result<PrunePlan, EngineError> {
    plan::make(repo, options, job, job.clock.now()).await
}

/// Carries out `plan`. If snapshots, index or packs have changed since, the plan is made again first; what was
/// really done is in the report. Nothing is deleted from a repository in which anything needed is missing.
pub async fn execute(
    repo: &Repo,
    plan: PrunePlan,
    options: &PruneOptions,
    job: &Job,
) -> Result<PruneReport, EngineError> {
    let lock = Lock::acquire(repo, LockMode::Exclusive, job.clock.clone()).await?;
    let done = async {
        let plan = if plan.is_current(repo).await? {
            plan
        } else {
            plan::make(repo, options, job, lock.store_time()).await?
        };
        execute::execute(repo, &plan, options, job, &lock).await
    };
    let done = done.await;
    release(Some(lock), done).await
}

/// Plans and executes under one exclusive lock.
pub async fn prune(repo: &Repo, options: &PruneOptions, job: &Job) -> Result<PruneReport, EngineError> {
    let lock = Lock::acquire(repo, LockMode::Exclusive, job.clock.clone()).await?;
    let done = async {
        let plan = plan::make(repo, options, job, lock.store_time()).await?;
        execute::execute(repo, &plan, options, job, &lock).await
    };
    let done = done.await;
    release(Some(lock), done).await
}
