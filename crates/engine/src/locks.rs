//! Locks: who may write while who deletes.

use crate::{EngineError, Repo};
use repository::{FileKind, LockFile, LockId, LockMode, Nonce};
use std::sync::Arc;
use telemetry::Clock;

/// A lock that we hold. Release it; a lock that is only dropped stays until it is stale.
#[derive(Debug)]
pub struct Lock {
    repo: Repo,
    id: LockId,
    clock: Arc<dyn Clock>,
    file: LockFile,
}

impl Lock {
    /// Writes a lock, then looks whether another one forbids it; if so, takes it back.
    pub async fn acquire(repo: &Repo, mode: LockMode, clock: Arc<dyn Clock>) -> Result<Self, EngineError> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let file = LockFile::new(mode, clock.now(), host, String::new(), std::process::id().into());
        let bytes = file
            .encode(repo.key(), Nonce::random(&mut rand::rng()))
            .map_err(EngineError::format("the new lock"))?;
        let id = repo.create::<LockId>(FileKind::Lock, bytes).await?;
        let lock = Self { repo: repo.clone(), id, clock, file };
        match lock.refused_by().await {
            Ok(None) => Ok(lock),
            Ok(Some(other)) => {
                lock.release().await?;
                let LockFile { hostname, username, pid, time, .. } = other;
                Err(EngineError::Locked {
                    holder: format!("process {pid} of {username}@{hostname}"),
                    since: time,
                })
            }
            Err(error) => {
                lock.release().await?;
                Err(error)
            }
        }
    }

    async fn refused_by(&self) -> Result<Option<LockFile>, EngineError> {
        for id in self.repo.list::<LockId>(FileKind::Lock).await? {
            if id == self.id {
                continue;
            }
            let bytes = match self.repo.read(FileKind::Lock, id).await {
                Ok(bytes) => bytes,
                Err(EngineError::Store(error)) if error.is_not_found() => continue,
                Err(error) => return Err(error),
            };
            let other = LockFile::decode(self.repo.key(), &bytes)
                .map_err(EngineError::format(FileKind::Lock.path(id)))?;
            if !other.is_stale(self.clock.now()) && other.forbids(self.file.mode()) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Whether the lock still protects us.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.file.is_stale(self.clock.now()) {
            return Err(EngineError::LockLost { detail: "it was not refreshed for 30 minutes".to_owned() });
        }
        Ok(())
    }

    /// Gives the lock back.
    pub async fn release(self) -> Result<(), EngineError> {
        self.repo.delete(FileKind::Lock, self.id).await
    }
}
