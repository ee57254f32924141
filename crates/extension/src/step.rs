//! How a step of a reconciler fails, and what follows from it.

use crate::{api, locations::LocationError, points::PointError, results::ResultError, status::StatusError};
use engine::EngineError;
use protection::{Problem, code};

/// A step that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The object is gone or another process works on it: leave without a word.
    #[error(transparent)]
    Leave(StatusError),
    /// The same step may succeed later.
    #[error("{}", .0.message)]
    Temporary(Problem),
    /// What this attempt has done so far is lost; another attempt may succeed.
    #[error("{}", .0.message)]
    StartOver(Problem),
    /// Trying again does not help.
    #[error("{}", .0.message)]
    Permanent(Problem),
}

impl StepError {
    /// Temporary or permanent, as `temporary` says.
    pub fn of(temporary: bool, problem: Problem) -> Self {
        if temporary { Self::Temporary(problem) } else { Self::Permanent(problem) }
    }

    /// The same failure in a step that cannot simply be repeated.
    pub fn unrepeatable(self) -> Self {
        match self {
            Self::Temporary(problem) => Self::StartOver(problem),
            other => other,
        }
    }

    /// A refusal of the API server while `tried` was tried.
    pub fn api(tried: &str, error: &kube::Error) -> Self {
        let problem =
            Problem::error(code::GENERIC_WARNING, format!("could not {tried}: {}", api::readable(error)));
        let problem = match error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => problem
                .fix("Grant the extension's service account this right; `docs/permissions.md` lists what it needs."),
            _ => problem.fix("Check that the API server is reachable."),
        };
        Self::of(api::is_temporary(error), problem)
    }
}

impl From<StatusError> for StepError {
    fn from(error: StatusError) -> Self {
        match &error {
            StatusError::Api { name, source } => Self::api(&format!("write the status of {name}"), source),
            StatusError::Gone(_) | StatusError::TakenOver(_) => Self::Leave(error),
        }
    }
}

impl From<LocationError> for StepError {
    fn from(error: LocationError) -> Self {
        Self::of(error.is_temporary(), error.problem())
    }
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        Self::of(error.is_temporary(), crate::locations::engine_problem(&error))
    }
}

impl From<PointError> for StepError {
    fn from(error: PointError) -> Self {
        match error {
            PointError::Engine(error) => error.into(),
            error => Self::Permanent(Problem::error(code::REPOSITORY_DAMAGED, error.to_string())),
        }
    }
}

impl From<ResultError> for StepError {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Engine(error) => error.into(),
            ResultError::Store(error) => Self::of(error.temporary, crate::locations::store_problem(&error)),
            error @ ResultError::Content(_) => {
                Self::Permanent(Problem::error(code::GENERIC_WARNING, error.to_string()))
            }
        }
    }
}

impl From<volumes::VolumesError> for StepError {
    fn from(error: volumes::VolumesError) -> Self {
        Self::of(error.is_temporary(), error.problem(code::GENERIC_WARNING))
    }
}

impl From<capture::CaptureError> for StepError {
    fn from(error: capture::CaptureError) -> Self {
        let temporary = error.is_temporary();
        let problem = match error {
            capture::CaptureError::Engine(error) => crate::locations::engine_problem(&error),
            capture::CaptureError::Cancelled => Problem::error(code::CANCELLED, "the capture was stopped"),
            error => Problem::error(code::GENERIC_WARNING, error.to_string())
                .fix("Check that the API server is reachable and back up again."),
        };
        Self::of(temporary, problem)
    }
}
