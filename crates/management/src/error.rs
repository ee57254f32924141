//! What can go wrong on the way to the management API.

use crate::ServiceError;
use std::path::PathBuf;

/// Why a call, a sign-in or a request that was never sent failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nobody has signed in, or has signed out again.
    #[error("nobody is signed in to a vault")]
    NotSignedIn,
    /// What was signed in with does not serve any more.
    #[error("the sign-in is over: {0}")]
    SignInOver(String),
    /// The profile cannot be read or written.
    #[error("could not use {}: {reason}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer came.
    #[error("could not reach {url}: {reason}")]
    Unreachable {
        /// Who was called.
        url: String,
        /// What happened.
        reason: String,
        /// Whether the certificate is the reason.
        certificate: bool,
    },
    /// The token endpoint refused.
    #[error("sign-in was refused: {description}")]
    SignIn {
        /// For programs, such as `invalid_client`.
        code: String,
        /// For people.
        description: String,
    },
    /// The API refused.
    #[error("{0}")]
    Service(ServiceError),
    /// A long-running operation ended in failure.
    #[error("{0}")]
    Operation(ServiceError),
    /// A long-running operation was stopped.
    #[error("the operation was canceled")]
    Canceled,
    /// An answer that nobody can read.
    #[error("{url} answered what the management API does not answer: {reason}")]
    Answer {
        /// Who answered.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An answer sends the caller, and the token, to another server.
    #[error("the server sent us on to {0}, which is another server; no token goes there")]
    Foreign(String),
    /// What was asked for means nothing; nothing was sent.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// The API's own error, if it is one.
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) | Self::Operation(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the server is away or busy, so that the same question may be answered later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { certificate, .. } => !certificate,
            Self::Service(error) => is_away(error.status),
            _ => false,
        }
    }

    /// Whether the API says that the thing is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Service(error) if error.status == 404)
    }
}

/// Whether a status says that the server is away or busy for now.
pub fn is_away(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}
