//! What a job reports while it runs.

use std::fmt::{self, Debug};
use std::path::Path;

/// How one file fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOutcome {
    /// Saved or restored completely.
    Complete,
    /// Saved, but its content changed while it was read: what is stored may mix old and new.
    Changed,
    /// Gone before or while it was read: not in the recovery point.
    Vanished,
    /// Saved or restored, except for what the text names.
    Incomplete(String),
    /// Not saved or restored, for the reason in the text.
    Failed(String),
}

impl fmt::Display for FileOutcome {
    /// The reason alone, to be put behind the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Changed => "changed while it was read",
            Self::Vanished => "vanished while it was read",
            Self::Incomplete(why) | Self::Failed(why) => why,
        })
    }
}

/// Receives what a job reports. Calls come from many threads and must not block.
pub trait Progress: Send + Sync + Debug {
    /// So many more bytes were read from the source.
    fn read(&self, bytes: u64) {
        let _: u64 = bytes;
    }

    /// So many more bytes were stored in the repository.
    fn stored(&self, bytes: u64) {
        let _: u64 = bytes;
    }

    /// A file is done.
    fn file(&self, path: &Path, outcome: &FileOutcome) {
        let _: (&Path, &FileOutcome) = (path, outcome);
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
