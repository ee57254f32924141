//! Why a step did not succeed: for now, for good, or because the process ends.

use packages::{
    PackageError,
    wire::{ErrorInfo, Status},
};
use serde::{Deserialize, Serialize};

/// Codes of failures beside those of packages.
#[allow(missing_docs)] // docs/formats/extension-package.md explains each
pub mod code {
    pub const REGISTRY: &str = "PackageRegistryNotAllowed";
    pub const NOT_FOUND: &str = "PackageNotFound";
    pub const UNREACHABLE: &str = "PackageUnreachable";
    pub const PREREQUISITES: &str = "PrerequisitesNotMet";
    pub const EXISTS: &str = "ObjectExists";
    pub const NAMESPACE: &str = "NamespaceCannotChange";
    pub const TYPE_CHANGED: &str = "ExtensionTypeCannotChange";
    pub const ADMISSION: &str = "AdmissionDenied";
    pub const NOT_PERMITTED: &str = "AgentNotPermitted";
    pub const APPLY: &str = "ApplyFailed";
    pub const API_SERVER: &str = "ApiServerUnavailable";
    pub const IMAGE: &str = "ImagePullFailed";
    pub const CRASH: &str = "PodsCrash";
    pub const UNSCHEDULABLE: &str = "PodsUnschedulable";
    pub const REFUSED: &str = "PodsRefused";
    pub const CONTAINER: &str = "ContainerConfigInvalid";
    pub const TIMED_OUT: &str = "InstallationTimedOut";
    pub const REMOVAL: &str = "RemovalBlocked";
    pub const NAMESPACE_LEFT: &str = "NamespaceLeft";
    pub const NOT_SEEN: &str = "PrerequisiteNotObservable";
    pub const STATE_LARGE: &str = "AgentStateTooLarge";
}

/// A failure for good: what the vault is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Code, message and details.
    pub error: ErrorInfo,
    /// What was noticed, beside.
    #[serde(default)]
    pub statuses: Vec<Status>,
}

impl Failure {
    /// A failure without anything beside it.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { error: ErrorInfo::new(code, message), statuses: Vec::new() }
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        Self::new(error.code, format!("{} {}", error.what, error.next))
    }
}

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// Trying again later can help.
    #[error("{code}: {message}")]
    Temporary {
        /// What it is reported as.
        code: &'static str,
        /// What was tried and what happened.
        message: String,
    },
    /// It cannot.
    #[error("{}: {}", .0.error.code, .0.error.message)]
    Permanent(Failure),
    /// Somebody else has written the inventory since it was read: read it again.
    #[error("the inventory was changed by somebody else")]
    Stale,
    /// A test ends the agent here.
    #[error("ended at {0}, as the test asked")]
    Ended(String),
}

impl From<PackageError> for ActError {
    fn from(error: PackageError) -> Self {
        Self::Permanent(error.into())
    }
}

impl ActError {
    /// An answer of the API server while `what` was tried.
    pub fn api(what: &str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let said =
                    format!("Could not {what}: {} ({}).", status.message.trim_end_matches('.'), status.code);
                match status.code {
                    // A definition or a namespace that is only just coming or going.
                    404 | 408 | 409 | 410 | 429 | 500..=599 => {
                        Self::Temporary { code: code::API_SERVER, message: said }
                    }
                    403 if status.message.contains("being terminated") => {
                        Self::Temporary { code: code::API_SERVER, message: said }
                    }
                    403 if is_rbac(&status.message) => Self::Permanent(Failure::new(
                        code::NOT_PERMITTED,
                        format!(
                            "{said} Whoever owns the cluster grants the rights with `cofferdam cluster connect`, with a trusted package of this version."
                        ),
                    )),
                    400 | 403 | 422 if is_admission(&status.message) => Self::Permanent(Failure::new(
                        code::ADMISSION,
                        format!("{said} Exclude the extension's namespace from the policy that refused it."),
                    )),
                    _ => Self::Permanent(Failure::new(code::APPLY, said)),
                }
            }
            other => Self::Temporary {
                code: code::API_SERVER,
                message: format!("Could not {what}: the API server could not be reached: {other}."),
            },
        }
    }
}

/// The API server says `User "…" cannot patch resource …`, or that a role would grant more than its writer has.
fn is_rbac(message: &str) -> bool {
    message.contains(" cannot ") && message.contains("resource \"")
        || message.contains("attempting to grant RBAC permissions")
}

fn is_admission(message: &str) -> bool {
    ["admission", "denied the request", "denied request", "forbidden: exceeded quota", "violates PodSecurity"]
        .iter()
        .any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn answered(code: u16, message: &str) -> String {
        let status = Status { code, message: message.into(), ..Status::success() };
        match ActError::api("apply Deployment a", &kube::Error::Api(Box::new(status))) {
            ActError::Temporary { .. } => "temporary".to_owned(),
            ActError::Permanent(failure) => failure.error.code,
            other => other.to_string(),
        }
    }

    #[test]
    fn answers_of_the_api_server_are_told_apart() {
        let cases = [
            (500, "failed calling webhook \"x\": connection refused", "temporary"),
            (409, "the object has been modified", "temporary"),
            (404, "the server could not find the requested resource", "temporary"),
            (
                403,
                "namespaces \"x\" is forbidden: unable to create new content in namespace x because it is being terminated",
                "temporary",
            ),
            (
                403,
                "roles \"x\" is forbidden: User \"a\" cannot patch resource \"roles\" in API group",
                code::NOT_PERMITTED,
            ),
            (
                403,
                "clusterroles \"x\" is forbidden: user \"a\" is attempting to grant RBAC permissions not currently held",
                code::NOT_PERMITTED,
            ),
            (400, "admission webhook \"deny.example\" denied the request: no", code::ADMISSION),
            (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", code::ADMISSION),
            (422, "Deployment.apps \"x\" is invalid: spec.replicas", code::APPLY),
        ];

        for (status, message, expected) in cases {
            assert_eq!(answered(status, message), expected, "{message}");
        }
    }
}
