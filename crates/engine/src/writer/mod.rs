//! Adds one recovery point to a repository: streams and directories in, packs, index files, a snapshot out.

mod file;
mod indexer;
mod memory;
mod packer;
mod seal;
mod shared;
mod snapshot;
mod uploader;
mod workers;

pub use file::FileWriter;
pub use shared::Totals;
pub use snapshot::SnapshotDraft;

use crate::{BlobIndex, EngineError, Job, Lock, Repo};
use repository::{LockMode, Node, SnapshotId, TreeId};
pub(crate) use shared::Shared;
use std::sync::Arc;
use uploader::Uploader;
use workers::Workers;

/// Adds one recovery point to a repository. Cheap to clone; all clones write the same recovery point.
///
/// Nothing is visible before [`Writer::commit`] returns. After an error every further call reports that
/// error. A writer that is dropped without `commit`, `finish` or `abort` cancels its work and gives its lock
/// back in the background.
#[derive(Debug, Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    end: Arc<End>,
}

/// What must be taken down in order at the end.
#[derive(Debug)]
struct End {
    parts: parking_lot::Mutex<Option<Parts>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Parts {
    lock: Lock,
    workers: Workers,
    uploader: Uploader,
}

impl Writer {
    /// Takes a shared lock, reads the index, starts the workers.
    pub async fn start(repo: &Repo, job: Job) -> Result<Self, EngineError> {
        let lock = Lock::acquire(repo, LockMode::Shared, job.clock.clone()).await?;
        let index = match BlobIndex::load_present(repo).await {
            Ok(index) => index,
            Err(error) => {
                lock.release().await?;
                return Err(error);
            }
        };
        let (shared, work, packs) = Shared::new(repo.clone(), job, index);
        let workers = Workers::start(&shared, work);
        let uploader = Uploader::start(&shared, packs);
        let parts = parking_lot::Mutex::new(Some(Parts { lock, workers, uploader }));
        Ok(Self { end: Arc::new(End { parts, shared: shared.clone() }), shared })
    }

    /// A new, empty file. Hundreds may be open at once.
    pub fn file(&self) -> FileWriter {
        FileWriter::new(self.shared.clone())
    }

    /// Saves a directory. The nodes may come in any order; each name must occur once.
    pub async fn tree(&self, nodes: Vec<Node>) -> Result<TreeId, EngineError> {
        self.shared.check()?;
        let _place = self.shared.tree_places.acquire().await.map_err(|_| EngineError::Closed)?;
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.save_tree(nodes)).await?
    }

    /// The repository that is written.
    pub fn repo(&self) -> &Repo {
        &self.shared.repo
    }

    /// The circumstances of the work.
    pub fn job(&self) -> &Job {
        &self.shared.job
    }

    /// What was done so far.
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// Saves everything, then the snapshot: only now the recovery point exists.
    pub async fn commit(&self, draft: SnapshotDraft) -> Result<SnapshotId, EngineError> {
        let lock = self.settle().await?;
        let saved = match lock.check() {
            Ok(()) => snapshot::save(&self.shared, draft).await,
            Err(error) => Err(error),
        };
        let released = lock.release().await;
        let id = saved?;
        if let Err(error) = released {
            // The recovery point is complete; the lock will be ignored once it is stale.
            tracing::warn!(%error, "could not release the repository lock");
        }
        Ok(id)
    }

    /// Saves everything without a snapshot: for trees that somebody else's snapshot will refer to.
    pub async fn finish(&self) -> Result<Totals, EngineError> {
        let lock = self.settle().await?;
        let kept = lock.check();
        lock.release().await?;
        kept?;
        Ok(self.totals())
    }

    /// Gives everything up. What was uploaded stays behind, unreferenced, until prune removes it.
    pub async fn abort(&self) -> Result<(), EngineError> {
        self.shared.fail(EngineError::Cancelled);
        match self.settle().await {
            Ok(lock) => lock.release().await,
            Err(EngineError::Cancelled | EngineError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Ends all stages in their order. Gives the lock back to the caller on success and to the repository
    /// on failure.
    async fn settle(&self) -> Result<Lock, EngineError> {
        let parts = self.end.parts.lock().take();
        let Some(Parts { lock, workers, uploader }) = parts else {
            self.shared.check()?;
            return Err(EngineError::Closed);
        };
        match drain(&self.shared, workers, uploader).await {
            Ok(()) => Ok(lock),
            Err(error) => {
                lock.release().await?;
                Err(error)
            }
        }
    }
}

async fn drain(shared: &Arc<Shared>, workers: Workers, uploader: Uploader) -> Result<(), EngineError> {
    shared.close_work();
    let worked = workers.join().await;
    let flushing = shared.clone();
    let flushed = tokio::task::spawn_blocking(move || flushing.flush_packs()).await;
    shared.close_packs();
    // Whatever failed before: no upload may go on once the lock is given back.
    uploader.join().await?;
    worked?;
    shared.check()?;
    flushed?
}

impl Drop for End {
    fn drop(&mut self) {
        let Some(Parts { lock, workers, uploader }) = self.parts.lock().take() else { return };
        self.shared.fail(EngineError::Cancelled);
        let shared = self.shared.clone();
        shared.close_work();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = drain(&shared, workers, uploader).await {
                tracing::debug!(%error, "a writer was dropped before its commit");
            }
            if let Err(error) = lock.release().await {
                tracing::warn!(%error, "could not release the repository lock");
            }
        });
    }
}
