//! The keys that sign tokens: one signs, those before it still verify for as long as their tokens live.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, Jwk},
};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const DAY: i64 = 24 * 60 * 60;
const SIGNS: SignedDuration = SignedDuration::from_secs(30 * DAY);
/// Longer than any token lives, and than clients keep the list of keys.
const VERIFIES_AFTER: SignedDuration = SignedDuration::from_secs(2 * DAY);

/// A key in memory.
pub struct SigningKey {
    /// As tokens name it.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
    modulus: String,
    exponent: String,
}

/// What a rotation does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// A new key is made.
    pub add: bool,
    /// These go.
    pub remove: Vec<String>,
}

/// What is to be done with the keys, given as id and birth, oldest first.
pub fn rotation(keys: &[(String, Timestamp)], now: Timestamp) -> Rotation {
    let add = keys.last().is_none_or(|(_, made)| now.duration_since(*made) >= SIGNS);
    let replaced = keys.windows(2).filter_map(|pair| match pair {
        [(id, _), (_, successor)] if now.duration_since(*successor) >= VERIFIES_AFTER => Some(id.clone()),
        _ => None,
    });
    Rotation { add, remove: replaced.collect() }
}

impl SigningKey {
    /// A new private key, as PEM.
    pub fn make() -> Result<Zeroizing<String>, String> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
        pair.map(|pair| Zeroizing::new(pair.serialize_pem())).map_err(|error| error.to_string())
    }

    /// Reads a private key.
    pub fn from_pem(pem: &[u8], created_at: Timestamp) -> Result<Self, String> {
        let encoding = EncodingKey::from_rsa_pem(pem).map_err(|error| error.to_string())?;
        let public =
            Jwk::from_encoding_key(&encoding, Algorithm::RS256).map_err(|error| error.to_string())?;
        let decoding = DecodingKey::from_jwk(&public).map_err(|error| error.to_string())?;
        let AlgorithmParameters::RSA(parts) = public.algorithm else {
            return Err("it is no RSA key".to_owned());
        };
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(parts.n.as_bytes()));
        Ok(Self { id, created_at, encoding, decoding, modulus: parts.n, exponent: parts.e })
    }

    /// The public half, as others verify with it.
    pub fn public(&self) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": self.modulus, "e": self.exponent})
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_for_a_month_and_verifies_two_days_longer() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let old = ("old".to_owned(), at("2026-01-01T00:00:00Z"));
        let new = ("new".to_owned(), at("2026-01-31T00:00:00Z"));
        let nothing = Rotation { add: false, remove: vec![] };

        assert!(rotation(&[], at("2026-01-01T00:00:00Z")).add);
        assert_eq!(rotation(std::slice::from_ref(&old), at("2026-01-30T23:00:00Z")), nothing);
        assert!(rotation(std::slice::from_ref(&old), at("2026-01-31T00:00:00Z")).add);
        let both = [old, new];
        assert_eq!(rotation(&both, at("2026-02-01T00:00:00Z")), nothing);
        let later = rotation(&both, at("2026-02-02T00:00:00Z"));
        assert_eq!(later, Rotation { add: false, remove: vec!["old".to_owned()] });
    }

    #[test]
    fn the_public_half_holds_no_secret() {
        let pem = SigningKey::make().unwrap();
        let key = SigningKey::from_pem(pem.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();

        let names: Vec<_> = key.public().as_object().unwrap().keys().cloned().collect();

        assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
    }
}
