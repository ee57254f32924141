//! What all stages of a writer share: the index, the budget, the first error, the totals.

use super::indexer::Indexer;
use super::memory::Ledger;
use super::packer::Packer;
use super::seal::Sealers;
use super::workers::Task;
use crate::{BlobIndex, EngineError, Job, Repo};
use parking_lot::Mutex;
use repository::{BlobId, BlobKind, FinishedPack, Node, Nonce, Tree, TreeId};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// What a writer did. Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of all files.
    pub read: u64,
    /// Blobs of files that the repository did not have.
    pub data_blobs: u64,
    /// Blobs of directories that the repository did not have.
    pub tree_blobs: u64,
    /// Plain bytes of those blobs.
    pub added: u64,
    /// Stored bytes of those blobs.
    pub stored: u64,
    /// Blobs that were not stored because the repository had them.
    pub reused: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) repo: Repo,
    pub(crate) job: Job,
    pub(crate) raw: Ledger,
    pub(crate) indexer: Indexer,
    pub(crate) tree_places: Semaphore,
    /// Ends all stages: the caller's cancellation or our first error.
    pub(crate) halt: CancellationToken,
    pub(crate) zero_chunk: OnceLock<BlobId>,
    index: BlobIndex,
    claimed: Mutex<HashSet<(BlobKind, BlobId)>>,
    sealers: Sealers,
    data: Mutex<Packer>,
    trees: Mutex<Packer>,
    work: Mutex<Option<mpsc::Sender<Task>>>,
    packs: Mutex<Option<mpsc::Sender<FinishedPack>>>,
    failure: OnceLock<EngineError>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    read: AtomicU64,
    data_blobs: AtomicU64,
    tree_blobs: AtomicU64,
    added: AtomicU64,
    stored: AtomicU64,
    reused: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        repo: Repo,
        job: Job,
        index: BlobIndex,
    ) -> (Arc<Self>, mpsc::Receiver<Task>, mpsc::Receiver<FinishedPack>) {
        let budget = job.budget;
        let (work, work_end) = mpsc::channel(2 * budget.workers());
        let (packs, packs_end) = mpsc::channel(1);
        let shared = Self {
            raw: Ledger::new(budget.raw_bytes()),
            indexer: Indexer::default(),
            tree_places: Semaphore::new(budget.workers()),
            halt: job.cancel.child_token(),
            zero_chunk: OnceLock::new(),
            index,
            claimed: Mutex::default(),
            sealers: Sealers::new(budget.compression),
            data: Mutex::new(Packer::new(budget.pack_bytes())),
            trees: Mutex::new(Packer::new(budget.pack_bytes())),
            work: Mutex::new(Some(work)),
            packs: Mutex::new(Some(packs)),
            failure: OnceLock::new(),
            counters: Counters::default(),
            repo,
            job,
        };
        (Arc::new(shared), work_end, packs_end)
    }

    /// The error that ended the work, if any.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        if let Some(error) = self.failure.get() {
            return Err(error.clone());
        }
        if self.halt.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        Ok(())
    }

    /// Ends the work with an error; the first one counts.
    pub(crate) fn fail(&self, error: EngineError) {
        if self.failure.set(error).is_ok() {
            self.halt.cancel();
        }
    }

    /// The error that ended the work, for a stage that noticed the end by other means.
    pub(crate) fn ended(&self) -> EngineError {
        self.check().err().unwrap_or(EngineError::Closed)
    }

    pub(crate) fn knows(&self, kind: BlobKind, id: BlobId) -> bool {
        self.index.contains(kind, id) || self.claimed.lock().contains(&(kind, id))
    }

    pub(crate) fn add_read(&self, bytes: u64) {
        self.counters.read.fetch_add(bytes, Ordering::Relaxed);
        self.job.progress.read(bytes);
    }

    pub(crate) fn totals(&self) -> Totals {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { read, data_blobs, tree_blobs, added, stored, reused } = &self.counters;
        Totals {
            read: get(read),
            data_blobs: get(data_blobs),
            tree_blobs: get(tree_blobs),
            added: get(added),
            stored: get(stored),
            reused: get(reused),
        }
    }

    /// Saves one blob unless the repository has it. Blocks; never call it from a task.
    pub(crate) fn save(&self, kind: BlobKind, plain: &[u8]) -> Result<BlobId, EngineError> {
        self.check()?;
        let id = BlobId::of(plain);
        if self.index.contains(kind, id) || !self.claimed.lock().insert((kind, id)) {
            self.counters.reused.fetch_add(1, Ordering::Relaxed);
            return Ok(id);
        }
        let saved = self.seal_and_pack(kind, id, plain);
        if let Err(error) = &saved {
            self.fail(error.clone()); // the claim must not be believed by others
        }
        saved.map(|()| id)
    }

    fn seal_and_pack(&self, kind: BlobKind, id: BlobId, plain: &[u8]) -> Result<(), EngineError> {
        let mut sealer = self.sealers.take()?;
        let encoded = sealer.seal(self.repo.key(), kind, plain)?;
        let full = self.packer(kind).lock().add(id, kind, sealer.bytes(), encoded)?;
        self.sealers.give_back(sealer);
        let blobs = match kind {
            BlobKind::Data => &self.counters.data_blobs,
            BlobKind::Tree => &self.counters.tree_blobs,
        };
        blobs.fetch_add(1, Ordering::Relaxed);
        self.counters.added.fetch_add(plain.len() as u64, Ordering::Relaxed);
        self.counters.stored.fetch_add(encoded.length.into(), Ordering::Relaxed);
        match full {
            Some(pack) => self.send_pack(pack),
            None => Ok(()),
        }
    }

    pub(crate) fn save_tree(&self, nodes: Vec<Node>) -> Result<TreeId, EngineError> {
        let tree = Tree::new(nodes).map_err(EngineError::format("a directory"))?;
        let plain = tree.encode().map_err(EngineError::format("a directory"))?;
        drop(tree);
        self.save(BlobKind::Tree, &plain).map(TreeId::from)
    }

    /// Closes the open packs and hands them to the uploader. Blocks.
    pub(super) fn flush_packs(&self) -> Result<(), EngineError> {
        for kind in [BlobKind::Data, BlobKind::Tree] {
            let last = self.packer(kind).lock().take();
            if let Some(pack) = last {
                self.send_pack(pack)?;
            }
        }
        Ok(())
    }

    fn send_pack(&self, pack: repository::PackBuilder) -> Result<(), EngineError> {
        self.check()?;
        let nonce = Nonce::random(&mut rand::rng());
        let finished = pack.finish(self.repo.key(), nonce).map_err(EngineError::format("a new pack"))?;
        let sender = self.packs.lock().clone().ok_or(EngineError::Closed)?;
        sender.blocking_send(finished).map_err(|_| self.ended())
    }

    /// Hands a chunk to the workers.
    pub(super) async fn send_work(&self, task: Task) -> Result<(), EngineError> {
        let sender = self.work.lock().clone();
        let Some(sender) = sender else { return Err(self.ended()) };
        tokio::select! {
            sent = sender.send(task) => sent.map_err(|_| self.ended()),
            () = self.halt.cancelled() => Err(self.ended()),
        }
    }

    pub(super) fn close_work(&self) {
        self.work.lock().take();
    }

    pub(super) fn close_packs(&self) {
        self.packs.lock().take();
    }

    fn packer(&self, kind: BlobKind) -> &Mutex<Packer> {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.trees,
        }
    }
}
