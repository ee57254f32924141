//! Locks: who waits for whom, what counts as stale, what happens to a lock that cannot be kept; with stock restic too.

mod common;

use async_trait::async_trait;
use bytes::Bytes;
use common::{PASSWORD, World, job, try_restic};
use engine::prune::{PruneOptions, prune};
use engine::{EngineError, Lock, Repo, locks, remove_stale};
use jiff::SignedDuration;
use parking_lot::Mutex;
use repository::{FileKind, LockFile, LockId, LockMode, Nonce};
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use storage::{Entry, Store, StoreError, StorePath};
use telemetry::{Clock, SystemClock};

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn count(repo: &Repo) -> usize {
    repo.list::<LockId>(FileKind::Lock).await.unwrap().len()
}

/// Another process's lock, written `by_itself` ago by its own clock and `by_store` ago by the store's.
async fn foreign_lock(
    world: &World,
    mode: LockMode,
    by_itself: SignedDuration,
    by_store: Duration,
) -> LockId {
    let time = SystemClock.now() - by_itself;
    let file = LockFile::new(mode, time, "elsewhere".into(), "somebody".into(), 4711);
    let sealed = file.encode(world.repo.key(), Nonce::random(&mut rand::rng())).unwrap();
    let id: LockId = world.repo.create(FileKind::Lock, sealed).await.unwrap();
    let written: SystemTime = (SystemClock.now() - SignedDuration::try_from(by_store).unwrap()).into();
    File::open(world.repo_dir().join(FileKind::Lock.path(id))).unwrap().set_modified(written).unwrap();
    id
}

#[tokio::test]
async fn shared_locks_stand_side_by_side_and_an_exclusive_one_stands_alone() {
    let world = World::new().await;

    let one = Lock::acquire(&world.repo, LockMode::Shared, clock()).await.unwrap();
    let two = Lock::acquire(&world.repo, LockMode::Shared, clock()).await.unwrap();
    let refused = Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await;
    assert!(matches!(refused, Err(EngineError::Locked { .. })));
    assert_eq!(count(&world.repo).await, 2);
    one.release().await.unwrap();
    two.release().await.unwrap();
    let alone = Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await.unwrap();

    assert!(Lock::acquire(&world.repo, LockMode::Shared, clock()).await.is_err());
    assert!(Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await.is_err());
    alone.release().await.unwrap();
    assert_eq!(count(&world.repo).await, 0);
}

/// Once armed, the holder of a lock refreshes it right when somebody looks at it: another file takes its place.
#[derive(Debug)]
struct FaultRefreshed {
    inner: Arc<dyn Store>,
    armed: Arc<Mutex<Option<Refresh>>>,
}

#[derive(Debug)]
struct Refresh {
    old: PathBuf,
    hidden: PathBuf,
    shown: PathBuf,
}

#[async_trait]
impl Store for FaultRefreshed {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.inner.create(path, data).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.inner.replace(path, data).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        if path.to_string().contains("locks/")
            && let Some(refresh) = self.armed.lock().take()
        {
            std::fs::rename(refresh.hidden, refresh.shown).unwrap();
            std::fs::remove_file(refresh.old).unwrap();
        }
        self.inner.read(path).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.inner.read_range(path, range).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.inner.size(path).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        self.inner.list(prefix).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.inner.top_level(limit).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.inner.delete(path).await
    }
}

#[tokio::test]
async fn a_lock_that_is_refreshed_while_others_look_still_counts() {
    let armed: Arc<Mutex<Option<Refresh>>> = Arc::default();
    let world = World::behind(|inner| Arc::new(FaultRefreshed { inner, armed: armed.clone() })).await;
    let fresh = (SignedDuration::ZERO, Duration::ZERO);
    let [old, new] = [
        foreign_lock(&world, LockMode::Shared, fresh.0, fresh.1).await,
        foreign_lock(&world, LockMode::Shared, fresh.0, fresh.1).await,
    ]
    .map(|id| world.repo_dir().join(FileKind::Lock.path(id)));
    let hidden = world.folder("hidden").join("lock");
    std::fs::rename(&new, &hidden).unwrap();
    *armed.lock() = Some(Refresh { old, hidden, shown: new });

    let refused = Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await;

    assert!(matches!(refused, Err(EngineError::Locked { .. })), "{refused:?}");
    assert!(armed.lock().is_none(), "nobody looked at the lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_want_it_alone_at_most_one_has_it() {
    let world = World::new().await;

    let tries = (0..8).map(|_| Lock::acquire(&world.repo, LockMode::Exclusive, clock()));
    let results = futures::future::join_all(tries).await;

    assert!(results.iter().filter(|result| result.is_ok()).count() <= 1);
}

#[tokio::test]
async fn a_dropped_lock_is_given_back() {
    let world = World::new().await;

    drop(Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await.unwrap());

    for _ in 0..200 {
        if count(&world.repo).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the lock is still there");
}

#[tokio::test]
async fn a_lock_is_stale_only_when_both_clocks_say_so_and_is_never_deleted_by_others() {
    let (hour, none) = (SignedDuration::from_hours(1), SignedDuration::ZERO);
    let (long_ago, now) = (Duration::from_secs(3600), Duration::ZERO);
    let cases = [
        (hour, long_ago, true),
        (hour, now, false),
        (none, long_ago, false),
        (none, now, false),
        (-hour, now, false),
    ];

    for (by_itself, by_store, stale) in cases {
        let world = World::new().await;
        let other = foreign_lock(&world, LockMode::Exclusive, by_itself, by_store).await;
        let taken = Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await;
        assert_eq!(taken.is_ok(), stale, "{by_itself} {by_store:?}");
        if let Ok(lock) = taken {
            lock.release().await.unwrap();
        }
        assert_eq!(world.repo.list::<LockId>(FileKind::Lock).await.unwrap(), [other]);
        let found = remove_stale(&world.repo, &SystemClock).await.unwrap();
        assert_eq!(found.iter().map(|lock| (lock.id, lock.stale)).collect::<Vec<_>>(), [(other, stale)]);
        assert_eq!(count(&world.repo).await, usize::from(!stale));
    }
}

#[tokio::test]
async fn the_holder_is_named() {
    let world = World::new().await;
    foreign_lock(&world, LockMode::Shared, SignedDuration::ZERO, Duration::ZERO).await;

    let error = Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await.unwrap_err();
    let listed = locks(&world.repo, SystemClock.now()).await.unwrap();

    assert!(
        error.to_string().contains("process 4711 of somebody@elsewhere") && error.is_temporary(),
        "{error}"
    );
    assert_eq!((listed.len(), listed[0].stale), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_restic_obeys_our_locks_and_we_obey_its() {
    let world = World::new().await;
    let ours = Lock::acquire(&world.repo, LockMode::Exclusive, clock()).await.unwrap();
    let refused = try_restic(&world.repo_dir(), &["backup", "/etc/hostname"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("already locked"), "{refused:?}");
    ours.release().await.unwrap();

    let mut restic = Command::new("restic")
        .args(["--no-cache", "--repo", world.repo_dir().to_str().unwrap(), "backup", "--stdin"])
        .env("RESTIC_PASSWORD", PASSWORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while count(&world.repo).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let while_it_works = prune(&world.repo, &PruneOptions::default(), &job()).await;
    std::io::Write::write_all(&mut restic.stdin.take().unwrap(), b"data").unwrap();
    assert!(restic.wait().unwrap().success());
    let afterwards = prune(&world.repo, &PruneOptions::default(), &job()).await;

    assert!(matches!(while_it_works, Err(EngineError::Locked { .. })), "{while_it_works:?}");
    afterwards.unwrap();
}
