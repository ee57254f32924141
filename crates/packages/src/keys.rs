//! The keys that packages are signed with, and which of them an agent trusts for what.

use crate::error::{PackageError, code};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What stands before the 32 bytes of an Ed25519 key in its public PEM form.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Names a key: the first 16 hexadecimal digits of its sha256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

/// A key that packages are signed with.
pub struct SigningKey(Ed25519KeyPair);

/// A key, and the types that may be signed with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedKey {
    /// The key, in its PEM form.
    pub public_key: PublicKey,
    /// Types of extensions.
    pub types: Vec<String>,
}

/// Whom an agent trusts. It comes from whoever owns the cluster, never from a vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    /// The keys.
    pub keys: Vec<TrustedKey>,
}

impl PublicKey {
    /// Reads the form that `openssl pkey -pubout` writes.
    pub fn from_pem(text: &str) -> Result<Self, PackageError> {
        let bytes = unwrapped(text, "PUBLIC KEY")?;
        let raw = bytes.strip_prefix(&SPKI).and_then(|raw| <[u8; 32]>::try_from(raw).ok());
        raw.map(Self).ok_or_else(|| bad("it is not an Ed25519 public key"))
    }

    /// The form that [`PublicKey::from_pem`] reads.
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode([&SPKI[..], &self.0].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        let digits = hex::encode(Sha256::digest(self.0));
        KeyId(digits.chars().take(16).collect())
    }

    /// Whether `signature` is this key's under `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl SigningKey {
    /// Reads the form that `openssl genpkey -algorithm ed25519` writes.
    pub fn from_pem(text: &str) -> Result<Self, PackageError> {
        let bytes = unwrapped(text, "PRIVATE KEY")?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes)
            .map(Self)
            .map_err(|_| bad("it is not an Ed25519 private key"))
    }

    /// A new key, and its PEM form.
    pub fn generate() -> Result<(Self, String), PackageError> {
        let failed = |_| bad("no random numbers were to be had");
        let document =
            Ed25519KeyPair::generate_pkcs8v1(&aws_lc_rs::rand::SystemRandom::new()).map_err(failed)?;
        let text = STANDARD.encode(document.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        Ok((Self::from_pem(&pem)?, pem))
    }

    /// What others check its signatures with.
    pub fn public(&self) -> Result<PublicKey, PackageError> {
        let raw = <[u8; 32]>::try_from(self.0.public_key().as_ref());
        raw.map(PublicKey).map_err(|_| bad("its public half has not 32 bytes"))
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl Trust {
    /// Reads the file that an agent is started with.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        serde_json::from_slice(bytes)
            .map_err(|error| bad(&format!("the list of trusted keys cannot be read: {error}")))
    }

    /// The key that is called `id`.
    pub fn key(&self, id: &str) -> Option<&TrustedKey> {
        self.keys.iter().find(|key| key.public_key.id().0 == id)
    }
}

fn unwrapped(text: &str, what: &str) -> Result<Vec<u8>, PackageError> {
    let (begin, end) = (format!("-----BEGIN {what}-----"), format!("-----END {what}-----"));
    let inside =
        text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|(inside, _)| inside);
    let inside: String = inside.unwrap_or_default().split_whitespace().collect();
    if inside.is_empty() {
        return Err(bad(&format!("there is no {what} block in it")));
    }
    STANDARD.decode(inside).map_err(|_| bad("its text is not base64"))
}

fn bad(why: &str) -> PackageError {
    PackageError::new(
        code::KEY,
        format!("The key cannot be used: {why}."),
        "Make one with `cofferdam extension-package key`, or with `openssl genpkey -algorithm ed25519`.",
    )
}

impl TryFrom<String> for PublicKey {
    type Error = PackageError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_pem(&text)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_pem()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem_form_and_checks_only_its_own_signatures() {
        let (key, pem) = SigningKey::generate().unwrap();
        let (other, _) = SigningKey::generate().unwrap();

        let again = SigningKey::from_pem(&pem).unwrap().public().unwrap();
        let public = PublicKey::from_pem(&again.to_pem()).unwrap();

        assert_eq!(public, key.public().unwrap());
        assert!(public.verifies(b"m", &key.sign(b"m")));
        assert!(!public.verifies(b"n", &key.sign(b"m")));
        assert!(!public.verifies(b"m", &other.sign(b"m")));
    }

    #[test]
    fn other_keys_and_plain_text_are_no_keys() {
        let rsa =
            "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL==\n-----END PUBLIC KEY-----";

        for text in ["", "hello", rsa, "-----BEGIN PUBLIC KEY-----\n%%\n-----END PUBLIC KEY-----"] {
            assert_eq!(PublicKey::from_pem(text).unwrap_err().code, code::KEY, "{text}");
        }
    }
}
