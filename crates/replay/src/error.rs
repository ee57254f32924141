//! Why a plan could not be made or a restore could not go on as a whole. What befalls single objects stands
//! in their outcomes instead.

use crate::api::ApiError;
use crate::modifiers::ModifierError;
use protection::{Problem, code};

/// A restore or plan that did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReplayError {
    /// The recovery point could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The target cluster could not be read.
    #[error("the target cluster could not be observed: {0}")]
    Target(#[from] ApiError),
    /// The filters mean nothing.
    #[error("the selection is not valid: {0}")]
    Selection(String),
    /// The resource modifiers are wrong, or do not fit what is restored.
    #[error("{0}")]
    Modifiers(#[from] ModifierError),
    /// Someone asked to stop.
    #[error("the restore was cancelled")]
    Cancelled,
    /// The time allowed for the restore is over.
    #[error("the restore did not end within its deadline")]
    DeadlineExceeded,
}

/// A recovery point that could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("reading {what} of the recovery point failed: {cause}")]
pub struct SourceError {
    /// What was read.
    pub what: String,
    /// What happened.
    pub cause: String,
    /// Whether it may succeed later.
    pub temporary: bool,
    /// Whether stored bytes are missing or wrong.
    pub damaged: bool,
}

impl SourceError {
    /// Stored bytes that are missing or make no sense.
    pub fn damaged(what: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self { what: what.into(), cause: cause.to_string(), temporary: false, damaged: true }
    }
}

impl ReplayError {
    /// The problem to report.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Source(error) if error.damaged => {
                Problem::error(code::REPOSITORY_DAMAGED, format!("{error}."))
                    .fix("Check the repository and restore another recovery point.")
            }
            Self::Source(error) => Problem::error(code::LOCATION_NOT_READY, format!("{error}."))
                .fix("Check that the storage location can be reached, and start the restore again."),
            Self::Target(error) => {
                Problem::error(crate::codes::TARGET_UNREACHABLE, format!("{}.", error.explain(false)))
                    .fix("Check that the API server answers and that the extension may read it.")
            }
            Self::Selection(what) => {
                Problem::error(code::SELECTION_INVALID, format!("The selection is not valid: {what}."))
                    .fix("Create another Restore object with the corrected value; a spec cannot be changed.")
            }
            Self::Modifiers(error) => error.problem(),
            Self::Cancelled => Problem::error(code::CANCELLED, "The restore was cancelled."),
            Self::DeadlineExceeded => {
                Problem::error(code::DEADLINE_EXCEEDED, "The restore did not end within its deadline.").fix(
                    "Start it again with a longer deadlineSeconds: objects that exist are not created twice.",
                )
            }
        }
    }
}
