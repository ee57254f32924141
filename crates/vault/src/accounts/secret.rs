//! Client secrets: made here, shown once, kept as argon2 hashes.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::Rng;
use std::fmt;
use zeroize::Zeroizing;

/// A new secret. It is shown to a person once and never stored.
pub struct NewSecret {
    plain: Zeroizing<String>,
    hash: String,
}

/// The library could not hash; the machine lacks memory.
#[derive(Debug, thiserror::Error)]
#[error("could not hash a secret: {0}; free some memory and try again")]
pub struct HashError(String);

impl HashError {
    pub(super) fn new(error: &dyn fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl NewSecret {
    /// 256 random bits. The first character is a letter or a digit: command lines take a dash for an option.
    pub fn make() -> Result<Self, HashError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        let plain = loop {
            rand::rng().fill_bytes(bytes.as_mut());
            let plain = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()));
            if plain.starts_with(|first: char| first.is_ascii_alphanumeric()) {
                break plain;
            }
        };
        let hash = Argon2::default().hash_password(plain.as_bytes());
        let hash = hash.map_err(|error| HashError(error.to_string()))?.to_string();
        Ok(Self { plain, hash })
    }

    /// What is kept.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What is shown.
    pub fn reveal(&self) -> &str {
        &self.plain
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecret(…)")
    }
}

/// Whether a text is the secret of a hash; takes the same time either way.
pub fn matches(given: &str, hash: &str) -> bool {
    Argon2::default().verify_password(given.as_bytes(), hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_its_hash_alone_and_is_not_shown_by_accident() {
        let (one, other) = (NewSecret::make().unwrap(), NewSecret::make().unwrap());

        assert!(matches(one.reveal(), one.hash()));
        assert!(!matches(one.reveal(), other.hash()));
        assert!(!matches("", one.hash()) && !matches(one.reveal(), "no hash"));
        assert!(one.hash().starts_with("$argon2id$"));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
