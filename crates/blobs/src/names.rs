//! Names of accounts, containers and blobs, checked before anything is done with them.

use crate::BlobError;
use http::StatusCode;
use std::fmt;

/// Names that begin so are the server's own.
pub(crate) const RESERVED: &str = ".cofferdam-";
/// The longest blob name in characters.
const LONGEST: usize = 1024;
/// The longest component in bytes that a file system takes.
const LONGEST_COMPONENT: usize = 255;

/// Where something is kept in a backing: the name of a blob, or of something of the server's own. It cannot leave the
/// backing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key of a blob. Fails for a name that cannot be kept.
    pub fn blob(name: &str) -> Result<Self, BlobError> {
        match problem(name) {
            None => Ok(Self(name.to_owned())),
            Some(why) if why.starts_with("it has more than") => {
                let message = format!("The specified blob name is out of range: {why}.");
                Err(BlobError::new(StatusCode::BAD_REQUEST, "OutOfRangeInput", message))
            }
            Some(why) => Err(BlobError::name("blob", why)),
        }
    }

    /// A key of the server's own; the parts are made by this crate.
    pub(crate) fn own(text: String) -> Self {
        Self(text)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?})", self.0)
    }
}

fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.chars().count() > LONGEST {
        return Some("it has more than 1024 characters");
    }
    if name.starts_with(RESERVED) {
        return Some("names that begin with .cofferdam- are reserved");
    }
    name.split('/').find_map(|part| match part {
        "" => Some("a part between slashes is empty"),
        "." | ".." => Some("a part between slashes is . or .."),
        part if part.len() > LONGEST_COMPONENT => Some("a part between slashes is longer than 255 bytes"),
        part if part.contains('\\') => Some("it holds a backslash"),
        part if part.chars().any(unprintable) => Some("it holds a character that cannot be written in XML"),
        _ => None,
    })
}

/// What an XML document cannot hold, and a list of blobs is one.
pub(crate) fn unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Whether a name, as a store has it, can be a blob's.
pub(crate) fn is_blob(name: &str) -> bool {
    problem(name).is_none()
}

/// Checks an account's name: 3 to 24 small letters and digits.
pub fn check_account(name: &str) -> Result<(), BlobError> {
    let fits = (3..=24).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits { Ok(()) } else { Err(BlobError::name("account", "it must be 3 to 24 small letters and digits")) }
}

/// Checks a container's name.
pub fn check_container(name: &str) -> Result<(), BlobError> {
    let fits = (3..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    let why = "it must be 3 to 63 small letters, digits and single hyphens, and begin and end with a letter or digit";
    if fits { Ok(()) } else { Err(BlobError::name("container", why)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_container_or_are_ours_are_refused() {
        let long = "x".repeat(256);
        let many = "x/".repeat(600) + "x";
        let refused = [
            "",
            "/",
            "a//b",
            "/a",
            "a/",
            "..",
            "a/../b",
            "a/.",
            "a\\b",
            "a\0",
            "a\nb",
            "\u{ffff}",
            ".cofferdam-x",
            ".cofferdam-blocks/b",
            &long,
            &many,
        ];

        for name in refused {
            assert!(Key::blob(name).is_err(), "{name:?}");
        }
        for name in
            ["a", "a/b", ".hidden", "..x", "a b", "ünïcode-猫", "#?&~'()", "a/.cofferdam-x", &"y".repeat(255)]
        {
            assert_eq!(Key::blob(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn accounts_and_containers_are_named_as_azure_allows() {
        for name in ["abc", "a1b2", &"a".repeat(24)] {
            check_account(name).unwrap();
        }
        for name in ["ab", "Abc", "a-b", "a.b", &"a".repeat(25), ""] {
            assert!(check_account(name).is_err(), "{name}");
        }
        for name in ["abc", "a-b", "1a2", &"a".repeat(63)] {
            check_container(name).unwrap();
        }
        for name in ["ab", "-abc", "abc-", "a--b", "$root", "A-b", &"a".repeat(64)] {
            assert!(check_container(name).is_err(), "{name}");
        }
    }
}
