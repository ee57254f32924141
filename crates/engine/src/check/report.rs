//! What a check found, each piece of damage by name.

use repository::{BlobId, PackId, SnapshotId, TreeId};
use std::path::PathBuf;

/// Problems that a report lists; beyond it they are only counted.
const LISTED: usize = 10_000;

/// One piece of damage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckProblem {
    /// A key file is damaged.
    #[error("key file {file} is damaged: {cause}")]
    Key {
        /// Its path.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// The config file changed since the repository was opened, or is damaged.
    #[error("config is damaged: {cause}")]
    Config {
        /// What is wrong.
        cause: String,
    },
    /// An index file is damaged: the blobs that only it names are unreachable.
    #[error("index file {file} is damaged: {cause}")]
    Index {
        /// Its path.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// A snapshot file is damaged: this recovery point cannot be read.
    #[error("snapshot file {file} is damaged: {cause}")]
    Snapshot {
        /// Its path.
        file: String,
        /// What is wrong.
        cause: String,
    },
    /// A pack that the index names is not in the store.
    #[error("pack {pack} is missing; {blobs} blobs were in it")]
    PackMissing {
        /// Which pack.
        pack: PackId,
        /// How many blobs it held.
        blobs: usize,
    },
    /// A pack is shorter or longer than the index demands.
    #[error("pack {pack} has {found} bytes instead of {expected}")]
    PackSize {
        /// Which pack.
        pack: PackId,
        /// Its length by the index.
        expected: u64,
        /// Its length in the store.
        found: u64,
    },
    /// A pack's content is damaged.
    #[error("pack {pack} is damaged: {cause}")]
    Pack {
        /// Which pack.
        pack: PackId,
        /// What is wrong.
        cause: String,
    },
    /// A blob in a pack is damaged.
    #[error("blob {blob} in pack {pack} is damaged: {cause}")]
    Blob {
        /// Which blob.
        blob: BlobId,
        /// In which pack.
        pack: PackId,
        /// What is wrong.
        cause: String,
    },
    /// A directory cannot be read.
    #[error("directory {} of snapshot {} (tree {}) cannot be read: {cause}", path.display(), snapshot.short(), tree.short())]
    Tree {
        /// A snapshot that holds it.
        snapshot: SnapshotId,
        /// Its path there.
        path: PathBuf,
        /// Its id.
        tree: TreeId,
        /// What is wrong.
        cause: String,
    },
    /// A file needs a chunk that no index knows.
    #[error("file {} of snapshot {}: chunk {blob} is in no index", path.display(), snapshot.short())]
    ChunkMissing {
        /// A snapshot that holds it.
        snapshot: SnapshotId,
        /// Its path there.
        path: PathBuf,
        /// The chunk.
        blob: BlobId,
    },
    /// A file can no longer be restored, because of damage that is listed too.
    #[error("file {} of snapshot {} is affected", path.display(), snapshot.short())]
    FileAffected {
        /// A snapshot that holds it.
        snapshot: SnapshotId,
        /// Its path there.
        path: PathBuf,
    },
}

/// What a check saw and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Damage, in the order of discovery; at most 10,000 are listed.
    pub problems: Vec<CheckProblem>,
    /// Damage that is not listed any more.
    pub more_problems: usize,
    /// Packs that no index names: left by a crash, harmless, removed by prune.
    pub unreferenced_packs: usize,
    /// Snapshots that were read.
    pub snapshots: usize,
    /// Distinct directories that were read.
    pub directories: usize,
    /// Entries of these directories.
    pub entries: usize,
    /// Packs that the index names.
    pub packs: usize,
    /// Blobs in these packs.
    pub blobs: usize,
    /// Bytes that were read from packs; 0 unless the data was checked.
    pub bytes_read: u64,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn add(&mut self, problem: CheckProblem) {
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }
}
