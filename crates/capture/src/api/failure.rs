//! How a request to the API server can end badly.

use http::StatusCode;
use serde::Deserialize;
use std::error::Error;

/// A request that got no usable answer, after all tries.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// The server answered with an error.
    #[error("the API server answered {0}")]
    Status(Status),
    /// No connection, or no answer on it.
    #[error("the API server did not answer: {0}")]
    Unreachable(String),
    /// The answer stopped before its end.
    #[error("the answer was cut off: {0}")]
    Cut(String),
    /// The answer is not what was asked for.
    #[error("the answer makes no sense: {0}")]
    Nonsense(String),
    /// Somebody asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Failure {
    pub(super) fn unreachable(error: &kube::Error) -> Self {
        Self::Unreachable(chain(error))
    }

    pub(super) fn cut(error: &kube::Error) -> Self {
        Self::Cut(chain(error))
    }

    pub(super) fn silence(what: &str) -> Self {
        Self::Cut(format!("{what} for {} seconds", super::SILENCE.as_secs()))
    }

    /// The status code, when the server answered at all.
    pub(crate) fn code(&self) -> Option<StatusCode> {
        match self {
            Self::Status(status) => Some(status.code),
            _ => None,
        }
    }
}

/// An error that the API server reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {}: {message}", code.as_u16(), if reason.is_empty() { code.canonical_reason().unwrap_or("error") } else { reason })]
pub(crate) struct Status {
    /// HTTP status.
    pub code: StatusCode,
    /// `reason` of the Status object, like `Expired`.
    pub reason: String,
    /// `message` of the Status object, or the body's first line.
    pub message: String,
}

impl Status {
    pub(super) fn read(code: StatusCode, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            reason: Option<String>,
            #[serde(default)]
            message: Option<String>,
        }

        match serde_json::from_slice::<Body>(body) {
            Ok(Body { reason, message }) => {
                Self { code, reason: reason.unwrap_or_default(), message: message.unwrap_or_default() }
            }
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
                Self { code, reason: String::new(), message: line }
            }
        }
    }
}

/// The error and its causes, each once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_the_server_said() {
        let expired = Status::read(
            StatusCode::GONE,
            br#"{"kind":"Status","reason":"Expired","message":"too old","code":410}"#,
        );
        let plain = Status::read(StatusCode::SERVICE_UNAVAILABLE, b"service unavailable\nmore");

        assert_eq!(expired.to_string(), "410 Expired: too old");
        assert_eq!(plain.to_string(), "503 Service Unavailable: service unavailable");
    }
}
