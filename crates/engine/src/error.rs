//! What can go wrong while data moves, and what the person can do about it.

use repository::FormatError;
use std::path::PathBuf;
use std::sync::Arc;
use storage::StoreError;

/// A failed operation of the engine. Cheap to clone: one cause can end many tasks.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the repository, or something to be stored, is not as the format demands.
    #[error("{what}: {source}")]
    Format {
        /// Which file or piece.
        what: String,
        /// What is wrong with it.
        source: Arc<FormatError>,
    },
    /// The stored bytes of a file do not have the file's name.
    #[error("{path} is damaged: its content does not match its name; run `check` to see what is affected")]
    Damaged {
        /// Which file.
        path: String,
    },
    /// There is no repository here.
    #[error("no repository in {store}: {path} is missing; create one with `init` or correct the location")]
    NotARepository {
        /// Where it was looked for.
        store: String,
        /// The file that is missing.
        path: String,
    },
    /// There is a repository here already.
    #[error("{store} holds a repository already; open it instead of creating one")]
    AlreadyExists {
        /// Where it was to be created.
        store: String,
    },
    /// The password opens none of the keys.
    #[error("the repository password does not open any of the {keys} keys in {store}; check the secret")]
    WrongPassword {
        /// Where the repository is.
        store: String,
        /// How many keys were tried.
        keys: usize,
    },
    /// Somebody else holds a lock that forbids this.
    #[error(
        "the repository is locked by {holder} since {since}; wait for it, or unlock if that process is gone"
    )]
    Locked {
        /// Process, user and machine.
        holder: String,
        /// When the lock was last refreshed.
        since: jiff::Timestamp,
    },
    /// Our lock could not be kept fresh, so others may already ignore it.
    #[error("the repository lock could not be kept: {detail}; nothing was committed, run it again")]
    LockLost {
        /// What happened.
        detail: String,
    },
    /// A blob that is needed is in no index.
    #[error("{what} is in no index of the repository; run `check` to see what is affected")]
    MissingBlob {
        /// Which blob.
        what: String,
    },
    /// A range that a file does not have was asked for.
    #[error("bytes {start} to {end} of {name} were asked for, it has {size}")]
    OutOfRange {
        /// The file.
        name: String,
        /// First byte asked for.
        start: u64,
        /// First byte not asked for.
        end: u64,
        /// Its length.
        size: u64,
    },
    /// The content of something that is not a regular file was asked for.
    #[error("{name} is not a regular file: it has no content to read")]
    NotAFile {
        /// Its name.
        name: String,
    },
    /// A snapshot that should be forgotten is not there.
    #[error("there is no snapshot {id}; list the snapshots and correct the id")]
    NoSuchSnapshot {
        /// Its id.
        id: String,
    },
    /// Rules for forget that would keep nothing.
    #[error("the rules keep no snapshot at all; give at least one rule, or name the snapshots to forget")]
    NothingKept,
    /// A local file or directory failed.
    #[error("could not {tried} {}: {source}", path.display())]
    Io {
        /// What was tried: a verb in its basic form.
        tried: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's complaint.
        source: Arc<std::io::Error>,
    },
    /// Somebody asked the job to stop.
    #[error("cancelled")]
    Cancelled,
    /// The writer was used after `commit` or `finish`.
    #[error("the writer is closed: it was committed or finished already")]
    Closed,
    /// A task of ours ended abnormally.
    #[error("an internal task failed: {0}; this is a defect, please report it")]
    Internal(String),
}

impl EngineError {
    /// Whether the same call can succeed later without anyone changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Store(error) => error.temporary,
            Self::Locked { .. } | Self::LockLost { .. } => true,
            _ => false,
        }
    }

    /// Whether something that was stored is missing or no longer what it was.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) => matches!(
                error.kind,
                storage::StoreErrorKind::NotFound
                    | storage::StoreErrorKind::Corrupt
                    | storage::StoreErrorKind::Exists
            ),
            Self::Damaged { .. } | Self::Format { .. } | Self::MissingBlob { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn format(what: impl Into<String>) -> impl FnOnce(FormatError) -> Self {
        let what = what.into();
        move |source| Self::Format { what, source: Arc::new(source) }
    }

    pub(crate) fn io(tried: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { tried, path, source: Arc::new(source) }
    }
}

impl From<tokio::task::JoinError> for EngineError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(error.to_string())
    }
}
