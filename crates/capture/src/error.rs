//! Why a capture ended without a result. What merely could not be captured is a `Problem` of the result.

use engine::EngineError;

/// A capture that failed as a whole; nothing was committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CaptureError {
    /// The API server failed where nothing can be captured without it.
    #[error("could not {tried}: {cause}; {remedy}")]
    Api {
        /// What was tried, beginning with a verb.
        tried: String,
        /// What happened.
        cause: String,
        /// Whether the same capture can succeed later without anyone changing anything.
        temporary: bool,
        /// What the person can do.
        remedy: &'static str,
    },
    /// The repository failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Somebody asked the capture to stop.
    #[error("cancelled")]
    Cancelled,
    /// A task of ours ended abnormally.
    #[error("an internal task failed: {0}; this is a defect, please report it")]
    Internal(String),
}

impl CaptureError {
    /// Whether the same capture can succeed later without anyone changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Api { temporary, .. } => *temporary,
            Self::Engine(error) => error.is_temporary(),
            Self::Cancelled | Self::Internal(_) => false,
        }
    }
}

impl From<tokio::task::JoinError> for CaptureError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Internal(error.to_string())
    }
}
