//! Why a storage location cannot be used, with the documented code and the next step.

use super::{BadRecord, record::REPOSITORY_KEY};
use crate::grants::GrantError;
use engine::EngineError;
use protection::{Problem, code};
use storage::{StoreError, StoreErrorKind, credential::CredentialError, owner::OWNER_FILE};

/// A location that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// No ConfigMap describes it.
    #[error("there is no storage location {0}")]
    Unknown(String),
    /// Its ConfigMap is wrong.
    #[error(transparent)]
    Bad(#[from] BadRecord),
    /// It belongs to another cluster and is only for reading.
    #[error("storage location {0} is a source location: it is only read, never written")]
    ReadOnly(String),
    /// The owner marker names another cluster.
    #[error("storage location {name} belongs to the cluster with the UID {cluster}")]
    OwnedByOther {
        /// The location.
        name: String,
        /// The UID of that cluster's `kube-system`.
        cluster: String,
    },
    /// Files lie in it that have nothing to do with backups.
    #[error("storage location {name} is not empty: it holds {found}")]
    NotEmpty {
        /// The location.
        name: String,
        /// What lies there.
        found: String,
    },
    /// A repository lies in it, and nothing says whose it is.
    #[error("storage location {0} is not empty: it holds a repository, but no owner marker ({OWNER_FILE})")]
    MarkerLost(String),
    /// It was used, and its repository is not there any more.
    #[error("storage location {name} had a repository, and there is none in {store} any more")]
    RepositoryLost {
        /// The location.
        name: String,
        /// Where it should be.
        store: String,
    },
    /// Another repository lies where its own was.
    #[error("in {store} lies another repository than storage location {name} was used with")]
    RepositoryReplaced {
        /// The location.
        name: String,
        /// Where it lies.
        store: String,
    },
    /// The repository's password is not to be had.
    #[error("the repository password of location {name} is missing: {cause}")]
    NoPassword {
        /// The location.
        name: String,
        /// Which Secret or key is missing.
        cause: String,
    },
    /// The vault granted nothing.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The repository has another password than the one that the vault granted.
    #[error("{source}; the password is the one that the vault granted for location {name}")]
    WrongGrantedPassword {
        /// The location.
        name: String,
        /// What was tried.
        source: EngineError,
    },
    /// The repository's password is another one.
    #[error("{source}; the password is that of Secret {secret}")]
    WrongPassword {
        /// The Secret that holds it.
        secret: String,
        /// What was tried.
        source: EngineError,
    },
    /// The credential is not to be had.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The API server failed.
    #[error("could not read {what}: {source}")]
    Cluster {
        /// Which object.
        what: String,
        /// What the API server said.
        source: kube::Error,
    },
}

impl LocationError {
    /// Whether the same call can succeed later without anyone changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Credential(error) => error.temporary,
            Self::Grant(error) => error.is_temporary(),
            Self::Store(error) => error.temporary,
            Self::Engine(error) => error.is_temporary(),
            Self::Cluster { source, .. } => crate::api::is_temporary(source),
            _ => false,
        }
    }

    /// The problem as a status and a person see it.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Engine(EngineError::Store(error)) | Self::Store(error) => store_problem(error),
            Self::Engine(error) => engine_problem(error),
            Self::Unknown(name) => Problem::error(code::LOCATION_NOT_FOUND, self.to_string())
                .fix(format!("List the locations with `cofferdam location list`, or add it with `cofferdam location add {name}`.")),
            Self::Bad(_) => Problem::error(code::LOCATION_NOT_READY, self.to_string())
                .fix("Correct the settings with `cofferdam location add`, which checks them first."),
            Self::ReadOnly(_) => Problem::error(code::LOCATION_READ_ONLY, self.to_string())
                .fix("Name an own location, for example `default`."),
            Self::OwnedByOther { name, .. } => Problem::error(code::LOCATION_OWNED_BY_OTHER_CLUSTER, self.to_string())
                .fix("Give each cluster a container or prefix of its own.")
                .fix(format!("To restore from it, add it for reading: `cofferdam location add {name} --role source`.")),
            Self::NotEmpty { .. } => Problem::error(code::LOCATION_NOT_EMPTY, self.to_string())
                .fix("Use an empty container or another prefix.")
                .fix("If the files may stay beside the backups, set `allowUnrelatedFiles=true`."),
            Self::MarkerLost(name) => Problem::error(code::LOCATION_NOT_EMPTY, self.to_string())
                .fix("Find out who removed the marker, and bring it back: another cluster may have been given the place.")
                .fix(format!("If the repository is this cluster's alone, say so: `cofferdam location add {name} --forget-repository --set allowUnrelatedFiles=true`, with its other settings.")),
            Self::RepositoryLost { name, .. } => Problem::error(code::REPOSITORY_DAMAGED, self.to_string())
                .fix("Find out who emptied the store, and bring back what was there from its versions or its soft delete: without it no recovery point can be restored.")
                .fix(begin_anew(name, "begin anew without the recovery points")),
            Self::RepositoryReplaced { name, .. } => Problem::error(code::REPOSITORY_DAMAGED, self.to_string())
                .fix("Find out who put it there, and bring back the repository that was there: without it none of its recovery points can be restored.")
                .fix(begin_anew(name, "go on with the one that lies there now")),
            Self::NoPassword { .. } => Problem::error(code::WRONG_REPOSITORY_KEY, self.to_string())
                .fix(format!("Store the password under the key {REPOSITORY_KEY} of that Secret; without it no recovery point can be read.")),
            Self::WrongPassword { secret, .. } => Problem::error(code::WRONG_REPOSITORY_KEY, self.to_string())
                .fix(format!("Put the repository's own password back into Secret {secret}; another password never opens it.")),
            Self::Grant(error) => error.problem(),
            Self::WrongGrantedPassword { .. } => Problem::error(code::WRONG_REPOSITORY_KEY, self.to_string())
                .fix("The repository was made with another password than the vault's. Use an empty container or prefix, or keep the old password: `repositorySecret` instead of `repositoryKey=vault`."),
            Self::Credential(error) => {
                Problem::error(code::LOCATION_NOT_READY, self.to_string()).fix(error.remedy.clone())
            }
            Self::Cluster { .. } => Problem::error(code::LOCATION_NOT_READY, self.to_string())
                .fix("Check that the API server is reachable and that the extension may read its namespace."),
        }
    }
}

/// How a person says that what was there does not matter any more.
fn begin_anew(name: &str, wish: &str) -> String {
    format!("To {wish}, say so: `cofferdam location add {name} --forget-repository`, with its settings.")
}

/// A failed store as a problem.
pub fn store_problem(error: &StoreError) -> Problem {
    let writing = matches!(error.tried, "create" | "replace" | "delete" | "write");
    let code = match error.kind {
        // A grant that ended in the midst of the work: the lease put its own code in front.
        StoreErrorKind::Denied if error.cause.starts_with(code::GRANT_DENIED) => code::GRANT_DENIED,
        StoreErrorKind::Denied if error.cause.starts_with(code::GRANT_UNKNOWN_JOB) => code::GRANT_UNKNOWN_JOB,
        StoreErrorKind::Denied if error.cause.starts_with(code::LOCATION_MISSING_PERMISSIONS) => {
            code::LOCATION_MISSING_PERMISSIONS
        }
        StoreErrorKind::Denied if writing && !error.lacks_role() => code::LOCATION_READ_ONLY,
        StoreErrorKind::Denied | StoreErrorKind::BadCredentials => code::LOCATION_MISSING_PERMISSIONS,
        StoreErrorKind::WrongClock => code::CLOCK_SKEW,
        StoreErrorKind::BucketMissing => code::LOCATION_NOT_FOUND,
        StoreErrorKind::Full => code::STORE_FULL,
        StoreErrorKind::Corrupt | StoreErrorKind::Exists | StoreErrorKind::NotFound => {
            code::REPOSITORY_DAMAGED
        }
        StoreErrorKind::Retained | StoreErrorKind::Unreachable | StoreErrorKind::Other => {
            code::LOCATION_NOT_READY
        }
    };
    let mut shown = error.clone();
    let remedy = std::mem::take(&mut shown.remedy);
    let problem = Problem::error(code, shown.to_string());
    if remedy.is_empty() { problem } else { problem.fix(remedy) }
}

/// A failed repository as a problem.
pub fn engine_problem(error: &EngineError) -> Problem {
    let (code, fix) = match error {
        EngineError::Store(error) => return store_problem(error),
        EngineError::WrongPassword { .. } => (
            code::WRONG_REPOSITORY_KEY,
            "Put the repository's own password back into the Secret that the location names; another password never opens it.",
        ),
        EngineError::Cancelled => (code::CANCELLED, "Start it again when it shall run to its end."),
        error if error.is_damage() => (
            code::REPOSITORY_DAMAGED,
            "See what is affected with `cofferdam repository check`; other recovery points may be whole.",
        ),
        EngineError::Locked { .. } => (code::LOCATION_NOT_READY, "Wait for the other work to end."),
        _ => (code::LOCATION_NOT_READY, "See the location with `cofferdam location show`, then start again."),
    };
    Problem::error(code, error.to_string()).fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::StoreErrorKind::*;

    #[test]
    fn every_refusal_has_its_code_and_a_next_step() {
        let cases = [
            (Denied, "create", code::LOCATION_READ_ONLY),
            (Denied, "read", code::LOCATION_MISSING_PERMISSIONS),
            (BadCredentials, "read", code::LOCATION_MISSING_PERMISSIONS),
            (WrongClock, "read", code::CLOCK_SKEW),
            (BucketMissing, "list", code::LOCATION_NOT_FOUND),
            (Full, "create", code::STORE_FULL),
            (NotFound, "read", code::REPOSITORY_DAMAGED),
            (Corrupt, "read", code::REPOSITORY_DAMAGED),
            (Unreachable, "read", code::LOCATION_NOT_READY),
        ];

        for (kind, tried, expected) in cases {
            let problem = engine_problem(&EngineError::Store(StoreError::new(tried, "x", kind, "y")));
            assert_eq!(problem.code, expected, "{kind:?}");
            assert!(!problem.recommended_action.is_empty(), "{kind:?}");
        }
        let mismatch =
            |target| StoreError::new("create", target, Denied, "403 AuthorizationPermissionMismatch: no");
        let role = store_problem(&mismatch("x (Azure workload identity 1)"));
        assert_eq!(role.code, code::LOCATION_MISSING_PERMISSIONS);
        assert_eq!(store_problem(&mismatch("x (Secret s)")).code, code::LOCATION_READ_ONLY);
        let lease = format!("{}: the role was taken away", code::LOCATION_MISSING_PERMISSIONS);
        let ended = store_problem(&StoreError::new("create", "x", Denied, lease));
        assert_eq!(
            ended.code,
            code::LOCATION_MISSING_PERMISSIONS,
            "a grant that ended in the midst of writing"
        );
        let wrong = engine_problem(&EngineError::WrongPassword { store: "s".into(), keys: 1 });
        assert_eq!((wrong.code.as_str(), wrong.recommended_action.len()), (code::WRONG_REPOSITORY_KEY, 1));
    }
}
