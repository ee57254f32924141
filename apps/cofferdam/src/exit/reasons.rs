//! What the errors of the layers below mean to a person at a shell: an exit code and the next step.

use super::{Exit, Failure};
use engine::EngineError;
use extension::{
    locations::{LocationError, engine_problem, store_problem},
    points::PointError,
};
use protection::code;
use std::{fmt::Display, io};
use storage::{StoreError, StoreErrorKind, credential::CredentialError};

const SEE_DAMAGE: &str =
    "See what is affected: `cofferdam repository check`, then `check-data`. The rest may be whole.";

impl From<StoreError> for Failure {
    fn from(mut error: StoreError) -> Self {
        let remedy = std::mem::take(&mut error.remedy);
        Self::new(of_store(&error), coded(&store_problem(&error).code, &error)).next(remedy)
    }
}

/// The message behind its documented code. That a location is not ready is the code of what has none of its own, and
/// there may be no location at all.
fn coded(named: &str, message: &impl Display) -> String {
    match named {
        code::LOCATION_NOT_READY | code::CANCELLED => message.to_string(),
        named => format!("{named}: {message}"),
    }
}

/// A store that refuses writing may have taken a part before.
fn of_store(error: &StoreError) -> Exit {
    let writing = matches!(error.tried, "create" | "replace" | "delete" | "write");
    match error.kind {
        StoreErrorKind::BadCredentials | StoreErrorKind::BucketMissing | StoreErrorKind::WrongClock => {
            Exit::Precondition
        }
        StoreErrorKind::Denied if !writing => Exit::Precondition,
        _ => Exit::Failed,
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        let exit = if error.temporary { Exit::Failed } else { Exit::Precondition };
        Self::new(exit, &error).next(error.remedy.clone())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let (exit, next) = match &error {
            EngineError::Store(error) => return error.clone().into(),
            EngineError::Cancelled => return Self::cancelled(),
            EngineError::NotARepository { .. } => (
                Exit::Precondition,
                "Correct the place of the repository, or create one: `cofferdam repository init`.",
            ),
            EngineError::AlreadyExists { .. } => {
                (Exit::Precondition, "See what it holds: `cofferdam repository list`.")
            }
            EngineError::WrongPassword { .. } => (
                Exit::Precondition,
                "Pass the password that the repository was created with; no other one opens it.",
            ),
            EngineError::Locked { .. } => (
                Exit::Precondition,
                "Wait until that process ends. If it is gone: `cofferdam repository unlock`, 30 minutes after its last sign of life.",
            ),
            EngineError::NoSuchSnapshot { .. } => {
                (Exit::Precondition, "See what there is: `cofferdam repository list`.")
            }
            EngineError::NothingKept => (
                Exit::Usage,
                "Give a rule that keeps something, for example `--keep-last 7`, or name snapshots.",
            ),
            EngineError::Io { source, .. } => {
                (of_file(source), "Check the path, its permissions and its disk.")
            }
            error if error.is_damage() => (Exit::Failed, SEE_DAMAGE),
            _ => (Exit::Failed, ""),
        };
        Self::new(exit, coded(&engine_problem(&error).code, &error)).next(next)
    }
}

fn of_file(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
            Exit::Precondition
        }
        _ => Exit::Failed,
    }
}

impl From<LocationError> for Failure {
    fn from(error: LocationError) -> Self {
        let exit = match &error {
            LocationError::Cluster { what, source } => return Self::api(format!("read {what}"), source),
            LocationError::Engine(EngineError::NotARepository { .. }) => {
                return Self::precondition(&error)
                    .next("The first backup into the location creates the repository; until then there is nothing to read.");
            }
            LocationError::Store(error) => of_store(error),
            LocationError::Engine(error) => Self::from(error.clone()).exit,
            LocationError::Credential(error) if error.temporary => Exit::Failed,
            LocationError::Grant(error) if error.is_temporary() => Exit::Failed,
            _ => Exit::Precondition,
        };
        let failure = Self { exit, ..Self::problem(&error.problem()) };
        match error {
            // Its code speaks of the default location, whichever is asked for.
            LocationError::Unknown(_) => Self { message: error.to_string(), ..failure },
            _ => failure,
        }
    }
}

impl From<PointError> for Failure {
    fn from(error: PointError) -> Self {
        match error {
            PointError::Engine(error) => error.into(),
            PointError::TooNew { .. } => {
                Self::precondition(error).next("Use the version of Cofferdam that wrote it, or a newer one.")
            }
            PointError::Missing { .. } | PointError::Malformed { .. } => Self::failed(error).next(SEE_DAMAGE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{path::PathBuf, sync::Arc};

    #[test]
    fn every_error_of_a_repository_has_its_exit_code_and_a_next_step() {
        let store = |kind, tried| EngineError::Store(StoreError::new(tried, "config", kind, "refused"));
        let file = |kind: io::ErrorKind| EngineError::Io {
            tried: "open",
            path: PathBuf::from("/x"),
            source: Arc::new(kind.into()),
        };
        let (place, now) = ("place".to_owned(), jiff::Timestamp::UNIX_EPOCH);
        let cases = [
            (EngineError::NotARepository { store: place.clone(), path: "config".to_owned() }, 5),
            (EngineError::AlreadyExists { store: place.clone() }, 5),
            (EngineError::WrongPassword { store: place, keys: 1 }, 5),
            (EngineError::Locked { holder: "somebody".to_owned(), since: now }, 5),
            (EngineError::NoSuchSnapshot { id: "x".to_owned() }, 5),
            (EngineError::NothingKept, 2),
            (EngineError::Cancelled, 4),
            (EngineError::Damaged { path: "x".to_owned() }, 1),
            (EngineError::LockLost { detail: "x".to_owned() }, 1),
            (EngineError::Closed, 1),
            (file(io::ErrorKind::NotFound), 5),
            (file(io::ErrorKind::StorageFull), 1),
            (store(StoreErrorKind::BucketMissing, "list"), 5),
            (store(StoreErrorKind::Denied, "read"), 5),
            (store(StoreErrorKind::Denied, "delete"), 1),
            (store(StoreErrorKind::Unreachable, "read"), 1),
        ];

        for (error, code) in cases {
            let failure = Failure::from(error);
            let text = failure.to_string();
            assert_eq!(failure.exit.code(), code, "{text}");
            assert!(text.contains("\nnext: ") && !text.contains(code::LOCATION_NOT_READY), "{text}");
        }
    }

    #[test]
    fn what_has_a_documented_code_says_it() {
        let cases = [
            (StoreErrorKind::Full, code::STORE_FULL),
            (StoreErrorKind::WrongClock, code::CLOCK_SKEW),
            (StoreErrorKind::BucketMissing, code::LOCATION_NOT_FOUND),
        ];

        for (kind, code) in cases {
            let text = Failure::from(StoreError::new("write", "data/x", kind, "refused")).to_string();
            assert!(text.contains(&format!("{code}: ")), "{text}");
        }
    }

    #[test]
    fn a_location_that_does_not_exist_is_a_missing_precondition() {
        let failure = Failure::from(LocationError::Unknown("nowhere".to_owned()));

        assert_eq!(failure.exit, Exit::Precondition);
        assert!(failure.to_string().contains("next: List the locations"), "{failure}");
    }
}
