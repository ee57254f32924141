//! Locks: who may write while who deletes. Kept fresh in the background, ignored by others once stale.

mod refresh;

use crate::{EngineError, Repo, repo::path};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use refresh::Pace;
use repository::{FileKind, LockFile, LockId, LockMode, Nonce};
use std::sync::Arc;
use storage::{StoreErrorKind, StorePath};
use telemetry::Clock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A lock that could not be refreshed for this long no longer protects: five minutes before others ignore it.
const LOST_AFTER: SignedDuration = SignedDuration::from_mins(25);
/// How often the locks of others are read anew because one of them changed meanwhile.
const LOOKS: usize = 10;

/// A lock that we hold. It is refreshed every five minutes by a background task, checked with [`Lock::check`],
/// and given back by [`Lock::release`]; dropping it gives it back as well as that is possible.
#[derive(Debug)]
pub struct Lock {
    held: Arc<Held>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
    /// When the store wrote the lock, by the store's clock.
    store_time: Timestamp,
    released: bool,
}

#[derive(Debug)]
struct Held {
    repo: Repo,
    clock: Arc<dyn Clock>,
    mode: LockMode,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    id: LockId,
    refreshed: Timestamp,
    lost: Option<String>,
}

/// A lock of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherLock {
    /// Its file.
    pub id: LockId,
    /// What it says.
    pub file: LockFile,
    /// Whether it no longer counts.
    pub stale: bool,
}

impl OtherLock {
    /// Process, user and machine, for people.
    pub fn holder(&self) -> String {
        let LockFile { hostname, username, pid, .. } = &self.file;
        format!("process {pid} of {username}@{hostname}")
    }
}

impl Lock {
    /// Writes a lock, then looks whether another one forbids it; if so, takes it back. Must be called in a tokio
    /// runtime. Others' locks are never deleted; stale ones are ignored.
    pub async fn acquire(repo: &Repo, mode: LockMode, clock: Arc<dyn Clock>) -> Result<Self, EngineError> {
        Self::acquire_paced(repo, mode, clock, Pace::default()).await
    }

    async fn acquire_paced(
        repo: &Repo,
        mode: LockMode,
        clock: Arc<dyn Clock>,
        pace: Pace,
    ) -> Result<Self, EngineError> {
        let now = clock.now();
        let id = write(repo, mode, now).await?;
        let state = Mutex::new(State { id, refreshed: now, lost: None });
        let held = Arc::new(Held { repo: repo.clone(), clock, mode, state });
        let mut lock =
            Self { held, stop: CancellationToken::new(), task: None, store_time: now, released: false };
        match others(repo, id, now).await {
            Ok((store_time, others)) => {
                match others.into_iter().find(|other| !other.stale && other.file.forbids(mode)) {
                    None => {
                        lock.store_time = store_time;
                        lock.task = Some(tokio::spawn(refresh::keep_fresh(
                            lock.held.clone(),
                            lock.stop.clone(),
                            pace,
                        )));
                        Ok(lock)
                    }
                    Some(other) => {
                        lock.release().await?;
                        Err(EngineError::Locked { holder: other.holder(), since: other.file.time })
                    }
                }
            }
            Err(error) => {
                lock.release().await?;
                Err(error)
            }
        }
    }

    /// Whether the lock still protects us. Call it before every step that relies on it.
    pub fn check(&self) -> Result<(), EngineError> {
        let state = self.held.state.lock();
        if let Some(detail) = &state.lost {
            return Err(EngineError::LockLost { detail: detail.clone() });
        }
        let silent = self.held.clock.now().duration_since(state.refreshed);
        if silent > LOST_AFTER {
            let detail = format!("it was not refreshed for {} minutes", silent.as_mins());
            return Err(EngineError::LockLost { detail });
        }
        Ok(())
    }

    /// Gives the lock back.
    pub async fn release(mut self) -> Result<(), EngineError> {
        self.released = true;
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            task.await?;
        }
        let id = self.held.state.lock().id;
        self.held.repo.delete(FileKind::Lock, id).await
    }

    /// The store's clock at the moment the lock was taken; independent of ours.
    pub(crate) fn store_time(&self) -> Timestamp {
        self.store_time
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.released {
            return;
        }
        // Without a runtime the lock stays until it is stale.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (held, task) = (self.held.clone(), self.task.take());
            runtime.spawn(async move {
                if let Some(task) = task {
                    drop(task.await);
                }
                let id = held.state.lock().id;
                if let Err(error) = held.repo.delete(FileKind::Lock, id).await {
                    tracing::warn!(%error, "a repository lock was left behind and counts for 30 minutes");
                }
            });
        }
    }
}

/// All locks in the repository, for people. Writes nothing, so ages are judged by our clock alone.
pub async fn locks(repo: &Repo, now: Timestamp) -> Result<Vec<OtherLock>, EngineError> {
    read_all(repo, None, now).await.map(|(_, locks)| locks)
}

/// Deletes stale locks on a person's request, never one that still counts; returns all that were there.
pub async fn remove_stale(repo: &Repo, clock: &dyn Clock) -> Result<Vec<OtherLock>, EngineError> {
    let now = clock.now();
    // A lock of our own shows the store's time.
    let own = write(repo, LockMode::Shared, now).await?;
    let found = others(repo, own, now).await;
    repo.delete(FileKind::Lock, own).await?;
    let (_, found) = found?;
    for other in found.iter().filter(|other| other.stale) {
        repo.delete(FileKind::Lock, other.id).await?;
    }
    Ok(found)
}

async fn write(repo: &Repo, mode: LockMode, now: Timestamp) -> Result<LockId, EngineError> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut file = LockFile::new(mode, now, host, "cofferdam".to_owned(), std::process::id().into());
    file.uid = rustix::process::getuid().as_raw();
    file.gid = rustix::process::getgid().as_raw();
    let sealed = file.encode(repo.key(), Nonce::random(&mut rand::rng()));
    repo.create::<LockId>(FileKind::Lock, sealed.map_err(EngineError::format("the new lock"))?).await
}

/// The store's time, and all locks but `own`.
async fn others(
    repo: &Repo,
    own: LockId,
    now: Timestamp,
) -> Result<(Timestamp, Vec<OtherLock>), EngineError> {
    read_all(repo, Some(own), now).await
}

/// A lock is stale only when both its own time and the time the store wrote it are long ago, each by its own
/// clock: a skewed clock on either side must not end somebody's protection.
async fn read_all(
    repo: &Repo,
    own: Option<LockId>,
    now: Timestamp,
) -> Result<(Timestamp, Vec<OtherLock>), EngineError> {
    for _ in 0..LOOKS {
        if let Some(seen) = look(repo, own, now).await? {
            return Ok(seen);
        }
    }
    Err(EngineError::LockLost { detail: "the locks of others changed whenever they were read".to_owned() })
}

/// `None` when a lock went between the list and the reading: a lock that is refreshed is another file, which the
/// list did not show.
async fn look(
    repo: &Repo,
    own: Option<LockId>,
    now: Timestamp,
) -> Result<Option<(Timestamp, Vec<OtherLock>)>, EngineError> {
    let folder =
        StorePath::parse(FileKind::Lock.folder()).map_err(|bad| EngineError::Internal(bad.to_string()))?;
    let entries = repo.store().list(&folder).await?;
    let is_own = |name: &str| own.is_some_and(|own| own.to_string() == name);
    let store_time = match (own, entries.iter().find(|entry| is_own(entry.path.name()))) {
        (None, _) => now,
        (Some(_), Some(entry)) => entry.modified,
        (Some(_), None) => {
            return Err(EngineError::LockLost { detail: "somebody removed it".to_owned() });
        }
    };
    let mut locks = Vec::new();
    for entry in entries.iter().filter(|entry| !is_own(entry.path.name())) {
        let Ok(id) = entry.path.name().parse::<LockId>() else { continue };
        let bytes = match repo.read(FileKind::Lock, id).await {
            Ok(bytes) => bytes,
            Err(EngineError::Store(error)) if error.kind == StoreErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let file =
            LockFile::decode(repo.key(), &bytes).map_err(EngineError::format(FileKind::Lock.path(id)))?;
        let silent_in_store = store_time.duration_since(entry.modified) > LockFile::STALE_AFTER;
        locks.push(OtherLock { id, stale: file.is_stale(now) && silent_in_store, file });
    }
    Ok(Some((store_time, locks)))
}

/// Whether a lock file is still there.
async fn exists(repo: &Repo, id: LockId) -> Result<bool, EngineError> {
    match repo.store().size(&path(FileKind::Lock, id)?).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
