//! What can be wrong with bytes that claim to be part of a repository.

/// Why a piece of a repository was refused. Always permanent: the same bytes fail again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The tag does not match: the bytes were altered, or another key sealed them.
    #[error("{what} is damaged or was sealed with another key; run `check` to see what else is affected")]
    Authentication {
        /// The piece that was opened.
        what: &'static str,
    },
    /// The password does not open this key file.
    #[error("the password does not open this key; use the password the repository was created with")]
    WrongPassword,
    /// The piece ends before it can be complete.
    #[error("{what} is cut off: {length} bytes, at least {least} needed")]
    Truncated {
        /// The piece that was decoded.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The fewest bytes that could be valid.
        least: usize,
    },
    /// The piece is larger than any valid one that we handle.
    #[error("{what} is too large: {length} exceeds the limit of {limit}")]
    TooLarge {
        /// The piece that was decoded.
        what: &'static str,
        /// Its size, in the unit of the limit.
        length: u64,
        /// The limit (see [`crate::limits`]).
        limit: u64,
    },
    /// The JSON of the piece does not have the expected shape.
    #[error("{what} is not valid: {source}")]
    Json {
        /// The piece that was decoded.
        what: &'static str,
        /// The parser's complaint.
        source: serde_json::Error,
    },
    /// The piece was written by something newer than this program, or by something else.
    #[error("{what} has {found}, which this version does not support; use a newer version")]
    Unsupported {
        /// The piece that was decoded.
        what: &'static str,
        /// What it has.
        found: String,
    },
    /// The piece contradicts itself.
    #[error("{what} contradicts itself: {detail}")]
    Inconsistent {
        /// The piece that was decoded.
        what: &'static str,
        /// The contradiction.
        detail: String,
    },
    /// Compression or decompression failed.
    #[error("{what} cannot be (de)compressed: {detail}")]
    Compression {
        /// The piece that was handled.
        what: &'static str,
        /// The library's complaint.
        detail: String,
    },
}

impl FormatError {
    pub(crate) fn inconsistent(what: &'static str, detail: impl Into<String>) -> Self {
        Self::Inconsistent { what, detail: detail.into() }
    }

    pub(crate) fn too_large(what: &'static str, length: usize, limit: usize) -> Self {
        Self::TooLarge { what, length: length as u64, limit: limit as u64 }
    }
}
