//! Names of files in a store: relative, slash-separated, and unable to leave the store.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest path in bytes that every supported store accepts.
const MAX_PATH: usize = 1024;
/// The longest single component in bytes that a local file system accepts.
const MAX_COMPONENT: usize = 255;
/// Names that begin so are unfinished files of the local store and never visible.
pub(crate) const UNFINISHED: &str = ".tmp-";

/// A validated path inside a store. Empty means the root; only listings accept that.
///
/// Components are separated by `/`, are neither empty nor `.` nor `..`, and hold no control characters
/// and no backslash. Ordering is the byte order of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

/// A text that cannot name a file in a store, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} cannot name a file in a store: {reason}")]
pub struct BadStorePath {
    /// The refused text.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl StorePath {
    /// The root of a store: every file lies under it.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Checks `text`; a trailing slash is refused like any other empty component.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadStorePath> {
        let path = text.into();
        match problem(&path) {
            None => Ok(Self(path)),
            Some(reason) => Err(BadStorePath { path, reason }),
        }
    }

    /// This path followed by `rest`.
    pub fn join(&self, rest: &str) -> Result<Self, BadStorePath> {
        if self.is_root() { Self::parse(rest) } else { Self::parse(format!("{}/{rest}", self.0)) }
    }

    /// This path followed by `rest`, both already checked. Fails only when the result is too long.
    pub fn join_path(&self, rest: &StorePath) -> Result<Self, BadStorePath> {
        match (self.is_root(), rest.is_root()) {
            (true, _) => Ok(rest.clone()),
            (_, true) => Ok(self.clone()),
            _ => self.join(&rest.0),
        }
    }

    /// What remains of this path below `prefix`; `None` when it lies elsewhere.
    pub fn strip(&self, prefix: &StorePath) -> Option<Self> {
        if prefix.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&prefix.0)?;
        rest.strip_prefix('/').map(|rest| Self(rest.to_owned()))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The components from first to last.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }
}

fn problem(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > MAX_PATH {
        return Some("it is longer than 1024 bytes");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("a component is empty"),
        "." | ".." => Some("a component is . or .."),
        part if part.len() > MAX_COMPONENT => Some("a component is longer than 255 bytes"),
        part if part.starts_with(UNFINISHED) => Some("a component begins with .tmp-"),
        part if part.contains('\\') => Some("a component holds a backslash"),
        part if part.chars().any(char::is_control) => Some("a component holds a control character"),
        _ => None,
    })
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePath({:?})", self.0)
    }
}

impl TryFrom<String> for StorePath {
    type Error = BadStorePath;

    fn try_from(text: String) -> Result<Self, BadStorePath> {
        if text.is_empty() { Ok(Self::root()) } else { Self::parse(text) }
    }
}

impl TryFrom<&str> for StorePath {
    type Error = BadStorePath;

    fn try_from(text: &str) -> Result<Self, BadStorePath> {
        Self::try_from(text.to_owned())
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_never_leave_its_store() {
        let hostile = [
            "",
            "/etc/passwd",
            "a/../b",
            "..",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "a\nb",
            "a/\0",
            ".tmp-1",
            "x/.tmp-2",
        ];

        for text in hostile {
            assert!(StorePath::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(StorePath::parse("x".repeat(256)).is_err());
        assert!(StorePath::parse(vec!["abcdefgh"; 120].join("/")).is_err());
    }

    #[test]
    fn joining_and_stripping_are_inverse() {
        let base = StorePath::parse("cofferdam").unwrap();
        let file = StorePath::parse("data/00/0011").unwrap();

        let joined = base.join_path(&file).unwrap();

        assert_eq!(joined.as_str(), "cofferdam/data/00/0011");
        assert_eq!(joined.strip(&base), Some(file.clone()));
        assert_eq!(joined.strip(&StorePath::parse("coffer").unwrap()), None);
        assert_eq!(joined.strip(&StorePath::root()), Some(joined.clone()));
        assert_eq!(file.name(), "0011");
    }

    #[test]
    fn serde_applies_the_same_rules() {
        assert!(serde_json::from_str::<StorePath>("\"a/../b\"").is_err());
        assert_eq!(serde_json::from_str::<StorePath>("\"\"").unwrap(), StorePath::root());
    }
}
