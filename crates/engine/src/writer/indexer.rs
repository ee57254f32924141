//! Gathers what uploaded packs hold until it is worth an index file.

use parking_lot::Mutex;
use repository::IndexPack;

/// Blobs per index file: about 6 MiB of JSON.
const BLOBS: usize = 50_000;

/// Packs that are stored, but named by no index file yet.
#[derive(Debug, Default)]
pub(crate) struct Indexer {
    waiting: Mutex<Vec<IndexPack>>,
}

impl Indexer {
    /// Adds a pack whose upload was confirmed. Yields packs for an index file when there are enough.
    pub(super) fn add(&self, pack: IndexPack) -> Option<Vec<IndexPack>> {
        let mut waiting = self.waiting.lock();
        waiting.push(pack);
        let blobs: usize = waiting.iter().map(|pack| pack.blobs.len()).sum();
        (blobs >= BLOBS).then(|| std::mem::take(&mut *waiting))
    }

    /// What is left for the last index file.
    pub(super) fn rest(&self) -> Option<Vec<IndexPack>> {
        let rest = std::mem::take(&mut *self.waiting.lock());
        (!rest.is_empty()).then_some(rest)
    }
}
