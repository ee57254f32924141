//! Checks that everything a repository's files refer to is there and whole, without reading file contents.
//!
//! [`crate::check_data`] goes on where this ends and reads every pack.

mod index;
mod report;
mod snapshots;

pub use report::{CheckProblem, CheckReport};

pub(crate) use index::{PackFacts, expected_size, pack_sizes};

use crate::{BlobIndex, EngineError, Job, Lock, Reader, Repo, doomed};
use repository::LockMode;
use storage::StoreErrorKind;

/// Checks keys, config, index files, the presence and size of packs, snapshots and all directories.
///
/// Damage is in the report, by name. An error means that the check itself could not be done.
pub async fn check(repo: &Repo, job: &Job) -> Result<CheckReport, EngineError> {
    let lock = shared_lock(repo, job).await?;
    let checked = check_locked(repo, job).await;
    release(lock, checked.map(|(report, _)| report)).await
}

/// The structure check, and what it learnt about packs.
pub(crate) async fn check_locked(repo: &Repo, job: &Job) -> Result<(CheckReport, Checked), EngineError> {
    let mut report = CheckReport::default();
    snapshots::check_keys(repo, &mut report).await?;
    // Snapshots before the index: what a visible snapshot needs is then in the index that follows.
    let snapshots = snapshots::read_all(repo, job, &mut report).await?;
    let facts = index::check_packs(repo, job, &mut report).await?;
    let leaving = match doomed::load(repo).await {
        Ok(lists) => lists,
        Err(error) if error.is_temporary() => return Err(error),
        Err(error) => {
            report.add(CheckProblem::Index { file: "doomed".to_owned(), cause: error.to_string() });
            Vec::new()
        }
    };
    let index = BlobIndex::from_files(facts.files.iter());
    let leaving = BlobIndex::from_files(leaving.iter().map(|(_, list)| &list.index));
    let reader = Reader::with_index(repo, index, leaving, &job.budget);
    snapshots::check_trees(&reader, &snapshots, job, &mut report).await?;
    Ok((report, Checked { facts, reader, snapshots }))
}

/// What a structure check leaves for the check of the data.
pub(crate) struct Checked {
    pub(crate) facts: PackFacts,
    pub(crate) reader: Reader,
    pub(crate) snapshots: Vec<(repository::SnapshotId, repository::Snapshot)>,
}

/// A shared lock, so that no prune interferes; a store that lets us only read is checked without.
pub(crate) async fn shared_lock(repo: &Repo, job: &Job) -> Result<Option<Lock>, EngineError> {
    match Lock::acquire(repo, LockMode::Shared, job.clock.clone()).await {
        Ok(lock) => Ok(Some(lock)),
        Err(EngineError::Store(error)) if error.kind == StoreErrorKind::Denied => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives the lock back in every case; the first error counts.
pub(crate) async fn release<T>(lock: Option<Lock>, result: Result<T, EngineError>) -> Result<T, EngineError> {
    let released = match lock {
        Some(lock) => lock.release().await,
        None => Ok(()),
    };
    let value = result?;
    released?;
    Ok(value)
}
