//! Moves data between files, streams and a restic repository: bounded memory, cancellation, progress.
//!
//! [`Repo`] is an open repository, [`Writer`] adds a recovery point to it, one file per verb does the rest.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod budget;
mod chunker;
mod error;
mod index;
mod init;
mod job;
mod locks;
mod progress;
mod repo;
mod secret;
mod writer;

pub use budget::Budget;
pub use error::EngineError;
pub use index::{BlobIndex, Location};
pub use init::InitOptions;
pub use job::Job;
pub use locks::Lock;
pub use progress::{FileOutcome, Progress, Silent};
pub use repo::Repo;
pub use repository::{FileContent, Metadata, Node, NodeKind, Snapshot, SnapshotId, TreeId};
pub use secret::RepositorySecret;
pub use writer::{FileWriter, SnapshotDraft, Totals, Writer};
