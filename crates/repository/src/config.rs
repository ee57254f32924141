//! The `config` file: which repository this is and which version of the format it has.

use crate::{FormatError, MasterKey, Nonce, Polynomial, limits};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fmt;

const WHAT: &str = "the repository's config";

/// The id of a repository: 64 hex digits, random.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepositoryId(String);

impl RepositoryId {
    /// A fresh id.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(hex::encode(bytes))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The content of `config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Version of the format; always 2 here.
    version: u32,
    /// Which repository this is.
    pub id: RepositoryId,
    /// For stock clients, which cut files with it.
    pub chunker_polynomial: Polynomial,
}

impl Config {
    /// The configuration of a new repository.
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self { version: 2, id: RepositoryId::random(rng), chunker_polynomial: Polynomial::random(rng) }
    }

    /// The stored bytes of the file.
    pub fn encode(&self, key: &MasterKey, nonce: Nonce) -> Result<Vec<u8>, FormatError> {
        let json = crate::gojson::to_vec(self).map_err(|source| FormatError::Json { what: WHAT, source })?;
        let mut sealed = Vec::new();
        key.seal(nonce, &json, &mut sealed);
        Ok(sealed)
    }

    /// The configuration from the stored bytes of the file. Versions other than 2 are refused.
    pub fn decode(key: &MasterKey, sealed: &[u8]) -> Result<Self, FormatError> {
        if sealed.len() > limits::CONFIG {
            return Err(FormatError::too_large(WHAT, sealed.len(), limits::CONFIG));
        }
        Self::from_json(&key.open(sealed, WHAT)?)
    }

    /// The configuration from the plain JSON inside the file.
    pub fn from_json(json: &[u8]) -> Result<Self, FormatError> {
        let config: Self =
            serde_json::from_slice(json).map_err(|source| FormatError::Json { what: WHAT, source })?;
        if config.version != 2 {
            let found = format!("format version {}", config.version);
            return Err(FormatError::Unsupported { what: WHAT, found });
        }
        if !config.chunker_polynomial.is_irreducible() {
            return Err(FormatError::inconsistent(WHAT, "its chunker polynomial is not irreducible"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_survives_its_file_and_another_key_does_not_open_it() {
        let key = MasterKey::random(&mut rand::rng());
        let config = Config::new(&mut rand::rng());

        let sealed = config.encode(&key, Nonce::random(&mut rand::rng())).unwrap();

        assert_eq!(Config::decode(&key, &sealed).unwrap(), config);
        let other = MasterKey::random(&mut rand::rng());
        assert!(matches!(Config::decode(&other, &sealed), Err(FormatError::Authentication { .. })));
    }

    #[test]
    fn versions_that_are_not_2_are_refused_by_name() {
        let json = br#"{"version":3,"id":"00","chunker_polynomial":"25b468838dcb75"}"#;

        let refused = Config::from_json(json).unwrap_err();

        assert!(refused.to_string().contains("format version 3"), "{refused}");
    }
}
