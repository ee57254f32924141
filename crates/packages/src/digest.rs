//! A sha256 digest as registries write it: `sha256:<64 hexadecimal digits>`.

use crate::error::{PackageError, code};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The digest of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(Sha256::digest(bytes))))
    }

    /// With the algorithm in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits alone.
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches("sha256:")
    }

    /// Refuses bytes that have another digest; `what` names them.
    pub fn check(&self, what: &str, bytes: &[u8]) -> Result<(), PackageError> {
        let found = Self::of(bytes);
        if found == *self {
            return Ok(());
        }
        Err(PackageError::new(
            code::DIGEST,
            format!("The {what} has the digest {found}, and not {self}."),
            "It was altered on its way or in the registry: publish it again, or pin the digest that was published.",
        ))
    }
}

impl TryFrom<String> for Digest {
    type Error = PackageError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if digits.len() == 64 && plain {
            return Ok(Self(text));
        }
        Err(PackageError::new(
            code::REFERENCE,
            format!("{text:?} is not a digest."),
            "Pin packages by sha256:<64 lower-case hexadecimal digits>.",
        ))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_lower_case_sha256_is_a_digest() {
        let good = Digest::of(b"a").to_string();
        let cases = [
            (good.clone(), true),
            (good.to_uppercase(), false),
            (good.replace("sha256", "sha512"), false),
            (good.chars().take(70).collect(), false),
            (format!("{good}0"), false),
            (format!("sha256:../../{}", "a".repeat(58)), false),
            (String::new(), false),
        ];

        for (text, accepted) in cases {
            assert_eq!(Digest::try_from(text.clone()).is_ok(), accepted, "{text}");
        }
    }
}
