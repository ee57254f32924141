//! What can go wrong while a cluster is built or run, said so that a person knows what to do next.

use std::path::{Path, PathBuf};

/// A failure of the testbed. None of them is temporary unless its text says so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("could not {tried} {}: {source}", path.display())]
    File {
        /// The operation, as a verb.
        tried: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A program could not be started or ended with a failure.
    #[error("{program} failed ({outcome}): {detail}")]
    Program {
        /// The command line.
        program: String,
        /// Exit code or start failure.
        outcome: String,
        /// The last lines it wrote to standard error.
        detail: String,
    },
    /// Something did not become ready in time.
    #[error("{what} was not ready after {seconds} s; look into {}", logs.display())]
    NotReady {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        seconds: u64,
        /// Where the logs are.
        logs: PathBuf,
    },
    /// The Kubernetes API refused a request.
    #[error("the Kubernetes API refused to {tried}: {source}")]
    Api {
        /// The request.
        tried: String,
        /// Its answer.
        source: Box<kube::Error>,
    },
    /// A certificate could not be made.
    #[error("could not make the certificate of {subject}: {source}")]
    Certificate {
        /// Whose certificate.
        subject: String,
        /// The library's reason.
        source: rcgen::Error,
    },
    /// A file of the testbed does not hold what it should.
    #[error("{} cannot be understood: {reason}; `testbed down` removes it", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(tried: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::File { tried, path, source }
    }

    /// For `map_err` on API requests.
    pub(crate) fn api(tried: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
        let tried = tried.into();
        move |source| Error::Api { tried, source: Box::new(source) }
    }
}
