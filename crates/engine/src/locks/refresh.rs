//! Keeps a lock fresh: writes a new file, then deletes the old one, at a steady pace.

use super::{Held, exists, write};
use crate::EngineError;
use repository::FileKind;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often a lock is refreshed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between two refreshes.
    pub(super) every: Duration,
    /// Between two attempts when one failed.
    pub(super) again: Duration,
}

impl Default for Pace {
    /// Every five minutes, and again after half a minute.
    fn default() -> Self {
        Self { every: Duration::from_secs(5 * 60), again: Duration::from_secs(30) }
    }
}

/// Refreshes until `stop` or until the lock is lost. What it does once begun it finishes, so that no file is left.
pub(super) async fn keep_fresh(held: Arc<Held>, stop: CancellationToken, pace: Pace) {
    let mut pause = pace.every;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = match refresh(&held).await {
            Ok(true) => pace.every,
            Ok(false) => return,
            Err(error) => {
                // `Lock::check` notices when this goes on for too long.
                tracing::warn!(%error, "the repository lock could not be refreshed");
                pace.again
            }
        };
    }
}

/// One refresh; `false` when somebody removed the lock.
async fn refresh(held: &Held) -> Result<bool, EngineError> {
    let old = held.state.lock().id;
    if !exists(&held.repo, old).await? {
        held.state.lock().lost = Some("somebody removed it".to_owned());
        return Ok(false);
    }
    let now = held.clock.now();
    let new = write(&held.repo, held.mode, now).await?;
    {
        let mut state = held.state.lock();
        state.id = new;
        state.refreshed = now;
    }
    // Failing here leaves a file that grows stale; the lock itself is fresh.
    held.repo.delete(FileKind::Lock, old).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InitOptions, Lock, Repo, RepositorySecret};
    use jiff::{SignedDuration, Timestamp};
    use repository::{LockId, LockMode, ScryptParams};
    use storage::{
        LocalStore, StoreErrorKind,
        faults::{Fault, FaultStore, Operation},
    };
    use telemetry::{Clock, FixedClock};

    struct World {
        dir: tempfile::TempDir,
        repo: Repo,
        faults: FaultStore,
        clock: Arc<FixedClock>,
    }

    impl World {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let faults = FaultStore::new(Arc::new(LocalStore::open(dir.path()).await.unwrap()));
            let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
            let options = InitOptions { scrypt: ScryptParams { n: 16, r: 8, p: 1 }, ..InitOptions::new(now) };
            let store = Arc::new(faults.clone());
            let repo = Repo::init(store, &RepositorySecret::new("password"), options).await.unwrap();
            Self { dir, repo, faults, clock: Arc::new(FixedClock::at(now)) }
        }

        /// A lock whose five minutes are 20 milliseconds.
        async fn lock(&self) -> Lock {
            let pace = Pace { every: Duration::from_millis(20), again: Duration::from_millis(5) };
            Lock::acquire_paced(&self.repo, LockMode::Shared, self.clock.clone(), pace).await.unwrap()
        }

        /// Five minutes by the clock, and time enough for a refresh.
        async fn five_minutes(&self) {
            self.clock.set(self.clock.now() + SignedDuration::from_mins(5));
            tokio::time::sleep(Duration::from_millis(200)).await;
        }

        async fn files(&self) -> Vec<LockId> {
            self.repo.list(FileKind::Lock).await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_lock_is_refreshed_and_leaves_no_old_file() {
        let world = World::new().await;
        let lock = world.lock().await;
        let first = world.files().await;

        for _ in 0..8 {
            world.five_minutes().await;
            lock.check().unwrap();
        }

        lock.release().await.unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(world.files().await, []);
    }

    #[tokio::test]
    async fn a_lock_that_cannot_be_refreshed_stops_its_holder_before_others_ignore_it() {
        let world = World::new().await;
        let lock = world.lock().await;
        world.five_minutes().await;

        let (operation, kind) = (Operation::Create, StoreErrorKind::Unreachable);
        world.faults.inject(Fault::FailPath { operation, pattern: "locks/".into(), kind });
        for _ in 0..5 {
            world.five_minutes().await;
            lock.check().unwrap();
        }
        world.five_minutes().await;
        let after = lock.check();
        world.faults.heal();
        world.five_minutes().await;

        assert!(matches!(after, Err(EngineError::LockLost { .. })), "{after:?}");
        lock.check().unwrap();
    }

    #[tokio::test]
    async fn a_lock_that_somebody_removed_is_lost() {
        let world = World::new().await;
        let lock = world.lock().await;

        std::fs::remove_dir_all(world.dir.path().join("locks")).unwrap();
        world.five_minutes().await;

        assert!(matches!(lock.check(), Err(EngineError::LockLost { detail }) if detail.contains("removed")));
    }
}
