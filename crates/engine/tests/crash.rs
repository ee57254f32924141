//! A writer that dies at any write leaves a repository that is whole, without a half-done recovery point.

mod common;

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, job_with_memory};
use engine::{EngineError, Node, SnapshotDraft, Writer};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use storage::{Entry, Store, StoreError, StoreErrorKind, StorePath};

/// A store that is gone after so many writes; the last one may have arrived or not.
#[derive(Debug)]
struct Dying {
    inner: Arc<dyn Store>,
    writes_left: Arc<AtomicI64>,
    last_arrives: bool,
}

impl Dying {
    fn dead(&self, tried: &'static str) -> Result<(), StoreError> {
        if self.writes_left.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(StoreError::new(tried, "the dying store", StoreErrorKind::Other, "killed"))
    }
}

#[async_trait]
impl Store for Dying {
    fn describe(&self) -> String {
        "the dying store".to_owned()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.dead("create")?;
        let left = self.writes_left.fetch_sub(1, Ordering::SeqCst) - 1;
        if left > 0 || left == 0 && self.last_arrives {
            self.inner.create(path, data).await?;
        }
        self.dead("create")
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.dead("replace")?;
        self.inner.replace(path, data).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        self.dead("read")?;
        self.inner.read(path).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.dead("read")?;
        self.inner.read_range(path, range).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.dead("measure")?;
        self.inner.size(path).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        self.dead("list")?;
        self.inner.list(prefix).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.dead("list")?;
        self.inner.top_level(limit).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.dead("delete")?;
        self.inner.delete(path).await
    }
}

async fn write(repo: &engine::Repo) -> Result<(), EngineError> {
    let writer = Writer::start(repo, job_with_memory(48)).await?;
    let mut nodes = Vec::new();
    for number in 0..6 {
        let mut data = vec![0; 2 << 20];
        StdRng::seed_from_u64(number).fill(&mut data[..]);
        let mut file = writer.file();
        file.write_slice(&data).await?;
        nodes.push(Node::file(&number.to_string(), &file.finish().await?, Timestamp::UNIX_EPOCH));
    }
    let root = writer.tree(nodes).await?;
    writer.commit(SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn death_at_any_write_leaves_a_whole_repository() {
    for writes in 1.. {
        let mut completed = 0;
        for last_arrives in [false, true] {
            let left = Arc::new(AtomicI64::new(1));
            let counter = left.clone();
            let world =
                World::behind(move |inner| Arc::new(Dying { inner, writes_left: counter, last_arrives }))
                    .await;

            left.store(writes, Ordering::SeqCst);
            let outcome = write(&world.repo).await;

            let repo = common::open(&world.repo_dir()).await;
            let snapshots = repo.snapshots().await.unwrap().len();
            match outcome {
                Ok(()) => completed += 1,
                // The answer may be lost after the commit, never the other way round.
                Err(_) => assert!(snapshots == 0 || last_arrives, "{writes} writes: a half-done snapshot"),
            }
            assert!(outcome_is_whole(&world, snapshots), "{writes} writes, last arrives: {last_arrives}");
            // Locks of the dead do not stop the next writer, and it can finish.
            write(&repo).await.unwrap();
        }
        if completed == 2 {
            assert!(writes > 6, "only {writes} writes: the enumeration proves too little");
            return;
        }
    }
}

/// Stock restic restores every snapshot there is; packs that nobody names are no damage.
fn outcome_is_whole(world: &World, snapshots: usize) -> bool {
    if snapshots == 0 {
        return true;
    }
    world.restic(&["check", "--no-lock", "--read-data"]).contains("no errors were found")
}
