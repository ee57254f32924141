//! What goes wrong when this crate talks to a cluster: what was tried, whether it is temporary, what to do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::core::{ObjectList, TypeMeta};
use protection::{Problem, code};
use std::time::Duration;

/// A call that failed as a whole. What goes wrong with one volume is a [`Problem`], not an error.
#[derive(Debug, thiserror::Error)]
pub enum VolumesError {
    /// The API server refused or could not be reached.
    #[error("could not {tried}: {}", readable(source))]
    Cluster {
        /// What was tried, as `list snapshot classes`.
        tried: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// The caller stopped the work.
    #[error("stopped on request while trying to {tried}")]
    Cancelled {
        /// What was under way.
        tried: String,
    },
    /// The cluster does not offer what is needed.
    #[error("{what}")]
    Unsupported {
        /// What is missing, as a sentence with the remedy.
        what: String,
    },
}

impl VolumesError {
    /// Whether the same call may succeed later, unchanged.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Cluster { source, .. } => is_temporary(source),
            Self::Cancelled { .. } | Self::Unsupported { .. } => false,
        }
    }

    /// The failure as the user sees it.
    pub fn problem(&self, code: &str) -> Problem {
        match self {
            Self::Cancelled { .. } => Problem::error(code::CANCELLED, self.to_string()),
            Self::Cluster { source, .. } if is_forbidden(source) => Problem::error(code, self.to_string())
                .fix(
                    "Grant the extension's service account this right: `cofferdam install` renders the role.",
                ),
            Self::Cluster { .. } if self.is_temporary() => Problem::error(code, self.to_string())
                .fix("Check that the API server is reachable and try again."),
            Self::Cluster { .. } | Self::Unsupported { .. } => Problem::error(code, self.to_string()),
        }
    }
}

/// Adds what was tried to a failed call.
pub(crate) trait Tried<T> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, VolumesError>;
}

impl<T> Tried<T> for Result<T, kube::Error> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T, VolumesError> {
        self.map_err(|source| VolumesError::Cluster { tried: what(), source: Box::new(source) })
    }
}

/// HTTP status of an answer of the API server.
pub(crate) fn status(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

pub(crate) fn is_absent(error: &kube::Error) -> bool {
    status(error) == Some(404)
}

/// The page of a list; empty where the cluster does not serve the type at all, and so has none of it.
pub(crate) fn if_served<K: Clone>(
    listed: Result<ObjectList<K>, kube::Error>,
) -> Result<ObjectList<K>, kube::Error> {
    match listed {
        Err(error) if is_absent(&error) => {
            Ok(ObjectList { types: TypeMeta::default(), metadata: ListMeta::default(), items: Vec::new() })
        }
        other => other,
    }
}

pub(crate) fn is_conflict(error: &kube::Error) -> bool {
    status(error) == Some(409)
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(status(error), Some(401 | 403))
}

pub(crate) fn is_temporary(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 408 | 409 | 410 | 429 | 500..=599),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// The API server's own sentence, or the transport's.
pub(crate) fn readable(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Service(source) => format!("the API server could not be reached: {source}"),
        other => other.to_string(),
    }
}

/// Calls again while the failure is temporary, at most four times, a little later each time.
pub(crate) async fn persistently<T, F, Fut>(mut call: F) -> Result<T, kube::Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, kube::Error>>,
{
    let mut pause = Duration::from_millis(200);
    for _ in 0..3 {
        match call().await {
            Err(error) if is_temporary(&error) && !is_conflict(&error) => {
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
            done => return done,
        }
    }
    call().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn answer(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, message: format!("answer {code}"), ..Status::success() }))
    }

    #[test]
    fn an_error_says_what_was_tried_and_whether_it_passes() {
        let cases = [(404, false), (403, false), (422, false), (429, true), (500, true), (503, true)];

        for (code, temporary) in cases {
            let error = Err::<(), _>(answer(code)).tried(|| "list claims".into()).unwrap_err();

            assert_eq!(error.to_string(), format!("could not list claims: answer {code}"));
            assert_eq!(error.is_temporary(), temporary, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_temporary_failure_is_tried_again_and_a_lasting_one_is_not() {
        let mut calls = (0, 0);

        let passing = persistently(|| {
            calls.0 += 1;
            let first = calls.0 < 3;
            async move { if first { Err(answer(503)) } else { Ok(()) } }
        })
        .await;
        let lasting = persistently(|| {
            calls.1 += 1;
            async { Err::<(), _>(answer(403)) }
        })
        .await;

        assert!(passing.is_ok() && lasting.is_err());
        assert_eq!(calls, (3, 1));
    }
}
