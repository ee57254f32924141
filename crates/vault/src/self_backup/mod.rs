//! The vault backs itself up: one moment of its database and what belongs to it, sealed, in a file that needs nothing else
//! but a key. [`crate::recover`] is the way back.

mod decide;
pub mod format;
mod place;
mod read;
mod spool;
mod take;
pub mod work;

pub use blobs::Content;
pub use place::{Kept, Newest, Place};
pub use read::{Sink, read};
pub use spool::content_of;
pub use take::{Failed, State, Taken, Taking, state, take};

use crate::{
    sealed_file::{Recipient, SealedFileError},
    store::StoreError,
    stores::StoreSpec,
};
use blobs::BlobError;
use jiff::SignedDuration;
use std::io;

/// How often, when nothing else is said.
pub const EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How many are kept, when nothing else is said.
pub const KEEP: usize = 14;

/// How a vault backs itself up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to; the folder `backups` of the data directory when absent.
    pub store: Option<StoreSpec>,
    /// How often; never when absent.
    pub every: Option<SignedDuration>,
    /// How many are kept.
    pub keep: usize,
    /// Keys of the operator that open them, besides the wrapping key.
    pub recipients: Vec<Recipient>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { store: None, every: Some(EVERY), keep: KEEP, recipients: Vec::new() }
    }
}

/// Why a backup could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum SelfBackupError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault has not been started yet.
    #[error("there is nothing to back up yet; start the vault once")]
    Nothing,
    /// The wrapping key.
    #[error(
        "the database is sealed with the wrapping key {0}, which is not here; give this replica the key that the others have"
    )]
    OtherKey(String),
    /// The file where it is gathered.
    #[error(
        "could not use a temporary file in {place}: {source}; free space there, or correct its permissions"
    )]
    Spool {
        /// Where.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// The place for backups.
    #[error("could not {tried} {name} in {place}: {source}")]
    Place {
        /// What was tried.
        tried: &'static str,
        /// Which file.
        name: String,
        /// Where.
        place: String,
        /// Why not.
        source: BlobError,
    },
    /// What was written is not what is there.
    #[error(
        "{name} was written to {place} and is not whole there ({why}); it was taken away, and is made again"
    )]
    NotWhole {
        /// Which file.
        name: String,
        /// Where.
        place: String,
        /// What was found.
        why: String,
    },
    /// Sealing or opening.
    #[error("{0}")]
    Sealed(#[from] SealedFileError),
    /// It was opened, and is no backup.
    #[error("it is no whole backup of a vault: {0}; take another copy of it, or an older backup")]
    Shape(String),
    /// A newer program wrote it.
    #[error(
        "it was written by a newer version of this program ({writer}) and holds {what}; install that version"
    )]
    Newer {
        /// What is not known here.
        what: String,
        /// Who wrote it.
        writer: String,
    },
}
