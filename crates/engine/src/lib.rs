//! Moves data between files, streams and a restic repository: bounded memory, cancellation, progress.
//!
//! [`Repo`] is an open repository, [`Writer`] adds a recovery point to it, one file per verb does the rest.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod backup;
mod budget;
mod check;
mod check_data;
mod chunker;
mod doomed;
mod error;
pub mod forget;
mod index;
mod init;
mod job;
mod list;
mod local;
mod locks;
mod progress;
pub mod prune;
mod reader;
mod repo;
mod restore;
mod secret;
mod settle;
mod trees;
mod writer;

pub use backup::{BackupOptions, BackupReport, backup, backup_since};
pub use budget::Budget;
pub use check::{CheckProblem, CheckReport, check};
pub use check_data::{Portion, check_data};
pub use error::EngineError;
pub use index::{BlobIndex, Location};
pub use init::InitOptions;
pub use job::Job;
pub use list::{Listed, list};
pub use local::{SavedTree, save_changes, save_directory, save_image};
pub use locks::{Lock, OtherLock, locks, remove_stale};
pub use progress::{FileOutcome, Progress, Silent};
pub use reader::Reader;
pub use repo::Repo;
pub use repository::{FileContent, FileMode, Metadata, Node, NodeKind, Snapshot, SnapshotId, TreeId};
pub use restore::{Existing, Ownership, RestoreOptions, RestoreReport, Zeros, restore, write_content};
pub use secret::RepositorySecret;
pub use writer::{FileWriter, SnapshotDraft, Totals, Writer};
