//! What can go wrong in the driver, and the gRPC code that CSI prescribes for it.

use std::io;
use std::path::PathBuf;
use tonic::Status;

/// A refused or failed request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request lacks a field or has one that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The object does not exist in this pool.
    #[error("{what} {id:?} does not exist in this pool; was it made by a driver with another pool?")]
    NotFound {
        /// "volume", "snapshot" or "group snapshot".
        what: &'static str,
        /// The id as it arrived.
        id: String,
    },
    /// The name is taken by an object with other properties.
    #[error("{what} {name:?} exists already with {difference}; choose another name or delete it")]
    Taken {
        /// "volume", "snapshot" or "group snapshot".
        what: &'static str,
        /// The name in the request.
        name: String,
        /// What differs.
        difference: String,
    },
    /// The size cannot be had.
    #[error("{0}")]
    OutOfRange(String),
    /// The object is in use, or already published elsewhere.
    #[error("{0}")]
    Precondition(String),
    /// A page token that this driver never handed out.
    #[error("the starting token {0:?} was not handed out by this driver; list again from the start")]
    Token(String),
    /// The driver was started without this ability.
    #[error("this driver does not support {0}")]
    Unsupported(&'static str),
    /// The faults file asked for this failure.
    #[error("{0}")]
    Planned(String),
    /// A file operation failed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as "creating".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A system tool failed.
    #[error("{command} failed: {message}")]
    Tool {
        /// The command line.
        command: String,
        /// What it wrote to standard error.
        message: String,
    },
    /// A record in the pool cannot be read.
    #[error("the record {} is damaged: {source}; delete its directory by hand", path.display())]
    Damaged {
        /// Where it lies.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The driver's own task died.
    #[error("the task that handled the request died: {0}")]
    Died(String),
}

impl Error {
    /// An adapter for `map_err` on file operations.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::invalid_argument(text),
            Error::NotFound { .. } => Self::not_found(text),
            Error::Taken { .. } => Self::already_exists(text),
            Error::OutOfRange(_) => Self::out_of_range(text),
            Error::Precondition(_) => Self::failed_precondition(text),
            Error::Token(_) => Self::aborted(text),
            Error::Unsupported(_) => Self::unimplemented(text),
            Error::Io { source, .. } if is_full(&source) => Self::resource_exhausted(text),
            Error::Planned(_)
            | Error::Io { .. }
            | Error::Tool { .. }
            | Error::Damaged { .. }
            | Error::Died(_) => Self::internal(text),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
