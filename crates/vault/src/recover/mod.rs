//! The way back after the database is lost: from a backup that the vault made of itself, and from the repositories, which
//! tell what recovery points there are.

pub mod adopt;
mod found;
mod load;
mod places;

pub use found::{FoundPoint, Reconciled, Scanned, known_points, reconcile};
pub use load::{Recovered, recover};
pub use places::{Reach, Repository, repositories};

use crate::{directory::DirectoryError, seal::SealError, self_backup::SelfBackupError, store::StoreError};

/// Why a vault could not be recovered. The database is as it was then.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file.
    #[error("could not use the backup: {0}")]
    Backup(#[from] SelfBackupError),
    /// The data directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The wrapping key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No key at all.
    #[error(
        "there is no key that could open the backup: put the wrapping key back ({0}), or open it with --identity, when it was sealed to a key of your own"
    )]
    NoKey(String),
    /// Another key.
    #[error(
        "the backup was sealed to another key: give the wrapping key that the vault had when it was made (here is {given}), or open it with --identity, when it was sealed to a key of your own"
    )]
    WrongKey {
        /// Fingerprints of the wrapping keys that were given.
        given: String,
    },
    /// The key that seals what is in it is in neither place.
    #[error(
        "the backup was opened, but secrets in it are sealed with the wrapping key {wanted}, which it does not hold and which is not {given}; put that key there, or leave --wrapping-key-file out and the one in the backup is put into the data directory"
    )]
    NoWrappingKey {
        /// The fingerprint that is needed.
        wanted: String,
        /// Where one was looked for.
        given: String,
    },
    /// Something sealed does not open.
    #[error("the backup holds a secret that its wrapping key does not open ({0}); take an older backup")]
    Secret(String),
}
