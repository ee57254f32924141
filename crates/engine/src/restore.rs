//! Writes a directory of a recovery point to a local directory: content verified, metadata complete, rooted.
//!
//! Everything happens relative to open directories and no symbolic link is ever followed, so a hostile tree can
//! write nothing outside its target. A file that cannot be restored whole is not there afterwards.

mod content;
mod holes;
mod links;
mod metadata;
mod place;
mod report;
mod walk;

pub use content::{Zeros, write_content};
pub use report::RestoreReport;

use crate::{EngineError, Job, Reader};
use place::Place;
use repository::{Metadata, TreeId};
use std::path::Path;

/// What happens to an entry whose name is taken in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It is left alone, and the entry is reported as not restored. Directories are merged.
    #[default]
    Keep,
    /// It is removed first. A directory is never removed for something else.
    Replace,
}

/// Whose the restored entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Their recorded owners'; needs the right to give files away.
    Restore,
    /// Ours. Set-user-id and set-group-id bits are then left out, and reported.
    Ours,
}

/// How to restore.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreOptions {
    /// What happens to names that are taken.
    pub existing: Existing,
    /// Whose the entries are.
    pub ownership: Ownership,
    /// Whether runs of zeros become holes.
    pub sparse: bool,
    /// Metadata for the target directory itself: that of the entry whose subtree is restored.
    pub root: Option<Metadata>,
}

impl Default for RestoreOptions {
    /// Keeps what exists, makes holes, and restores owners when we are root.
    fn default() -> Self {
        let ownership =
            if rustix::process::geteuid().is_root() { Ownership::Restore } else { Ownership::Ours };
        Self { existing: Existing::Keep, ownership, sparse: true, root: None }
    }
}

/// Restores the entries of `tree` into the directory `target`, which is made if only its last part is missing.
///
/// Entries that could not be restored are in the report, by name; an error means that nothing more could be done.
/// When it returns, everything restored is on the disk.
pub async fn restore(
    reader: &Reader,
    tree: TreeId,
    target: &Path,
    options: RestoreOptions,
    job: &Job,
) -> Result<RestoreReport, EngineError> {
    let root = Place::open_target(target)?;
    let sync = root.duplicate()?;
    let report = walk::run(reader, tree, root, options, job).await?;
    tokio::task::spawn_blocking(move || sync.sync_file_system()).await??;
    Ok(report)
}
