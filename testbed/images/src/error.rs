//! What can go wrong while an image is built.

use std::io;
use std::path::PathBuf;

/// An image that could not be built, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as "writing".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tool of the system failed or is missing.
    #[error("{command} failed: {message}")]
    Tool {
        /// The command line.
        command: String,
        /// What it wrote to standard error.
        message: String,
    },
    /// apt does not know a package.
    #[error(
        "apt cannot find the packages {packages}; run `apt-get update` as root, then try again: {message}"
    )]
    NoPackage {
        /// What was asked for.
        packages: String,
        /// What apt said.
        message: String,
    },
    /// A package lacks a file that a recipe counts on.
    #[error("{path} is in none of the packages; the recipe does not fit this Debian release")]
    NoFile {
        /// The missing file, as it would be in the image.
        path: String,
    },
    /// A program needs a library that no package of its closure has.
    #[error("{program} needs {library}, which is in none of its packages")]
    NoLibrary {
        /// The program or library that needs it.
        program: String,
        /// What it needs.
        library: String,
    },
    /// A program is not an ELF file that can be read.
    #[error("{program} is not a readable program: {source}")]
    NotAProgram {
        /// Its path.
        program: String,
        /// What the parser said.
        source: object::Error,
    },
    /// A file has a name that an image cannot hold.
    #[error("{path:?} cannot be a path in an image: it is absolute, leaves the root or is not UTF-8")]
    BadPath {
        /// The offending path.
        path: String,
    },
    /// The image's name is not of the form `registry/name:tag`.
    #[error("{0:?} is not an image name of the form registry/name:tag")]
    BadReference(String),
}

impl Error {
    /// An adapter for `map_err` on file operations.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
