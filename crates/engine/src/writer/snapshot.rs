//! The last file of a recovery point, which is its commit.

use super::shared::Shared;
use crate::EngineError;
use jiff::Timestamp;
use repository::{FileKind, Nonce, Snapshot, SnapshotId, SnapshotSummary, TreeId};

/// What a snapshot will say.
#[derive(Debug, Clone)]
pub struct SnapshotDraft {
    /// The root directory.
    pub root: TreeId,
    /// When the data was as saved.
    pub time: Timestamp,
    /// The machine or cluster it came from.
    pub hostname: String,
    /// The user, when there is one.
    pub username: String,
    /// What was saved, as absolute paths.
    pub paths: Vec<String>,
    /// `key=value` each; see `docs/formats/repository.md`.
    pub tags: Vec<String>,
    /// The recovery point that this one continues.
    pub parent: Option<SnapshotId>,
    /// Counts, when the caller has them.
    pub summary: Option<SnapshotSummary>,
}

impl SnapshotDraft {
    /// A draft with a root and a time.
    pub fn new(root: TreeId, time: Timestamp) -> Self {
        Self {
            root,
            time,
            hostname: String::new(),
            username: String::new(),
            paths: Vec::new(),
            tags: Vec::new(),
            parent: None,
            summary: None,
        }
    }
}

pub(super) async fn save(shared: &Shared, draft: SnapshotDraft) -> Result<SnapshotId, EngineError> {
    let SnapshotDraft { root, time, hostname, username, paths, tags, parent, summary } = draft;
    if !shared.knows(repository::BlobKind::Tree, root.into()) {
        return Err(EngineError::MissingBlob { what: format!("the root directory {}", root.short()) });
    }
    let snapshot = Snapshot {
        hostname,
        username,
        paths,
        tags,
        parent,
        summary,
        program_version: concat!("cofferdam ", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Snapshot::new(time, root)
    };
    let nonce = Nonce::random(&mut rand::rng());
    let bytes = snapshot.encode(shared.repo.key(), nonce).map_err(EngineError::format("the new snapshot"))?;
    shared.repo.create(FileKind::Snapshot, bytes).await
}
