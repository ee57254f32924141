//! Secrets at rest are sealed with the wrapping key, a file that the operator can keep elsewhere.

use crate::directory::{DataDirectory, DirectoryError, Readers};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use rand::Rng;
use std::fmt;
use zeroize::Zeroizing;

/// Where the key lies in the data directory.
pub const KEY_FILE: &str = "secrets/wrapping.key";
const NONCE: usize = 12;

/// Seals and opens secrets.
pub struct Wrapping(RandomizedNonceKey);

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The file is no key.
    #[error(
        "{KEY_FILE} holds no wrapping key (64 hexadecimal digits); put the right file back, nothing sealed can be opened without it"
    )]
    Key,
    /// The content was changed, or another key sealed it.
    #[error(
        "{0} cannot be opened with {KEY_FILE}: another key sealed it, or it was altered; put the right file back"
    )]
    Altered(String),
    /// The library refused.
    #[error("{0} could not be sealed; try again")]
    Seal(String),
    /// The file could not be read or written.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Wrapping {
    /// The key in the directory, made at the first start.
    pub fn open(directory: &DataDirectory) -> Result<Self, SealError> {
        let text = match directory.read(KEY_FILE)? {
            Some(text) => Zeroizing::new(text),
            None => {
                let mut bytes = Zeroizing::new([0_u8; 32]);
                rand::rng().fill_bytes(bytes.as_mut());
                let text = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
                directory.write(KEY_FILE, &text, Readers::Owner)?;
                text
            }
        };
        Self::from_hex(text.trim())
    }

    fn from_hex(text: &str) -> Result<Self, SealError> {
        let digit = |at: usize| text.get(at * 2..at * 2 + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Zeroizing<Vec<u8>>> =
            (0..32).map(digit).collect::<Option<Vec<_>>>().map(Zeroizing::new);
        let bytes = bytes.filter(|_| text.len() == 64).ok_or(SealError::Key)?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).map(Self).map_err(|_| SealError::Key)
    }

    /// Seals a secret. Only the same name opens it again.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .map_err(|_| SealError::Seal(name.to_owned()))?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what was sealed under this name.
    pub fn open_secret(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let altered = || SealError::Altered(name.to_owned());
        let (nonce, rest) = sealed.split_at_checked(NONCE).ok_or_else(altered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| altered())?;
        let mut content = Zeroizing::new(rest.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut content)
            .map_err(|_| altered())?
            .len();
        content.truncate(length);
        Ok(content)
    }
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapping(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_name_alone() {
        let key = Wrapping::from_hex(&"0f".repeat(32)).unwrap();

        let sealed = key.seal("signing key a", b"secret").unwrap();

        assert_eq!(key.open_secret("signing key a", &sealed).unwrap().as_slice(), b"secret");
        assert!(key.open_secret("signing key b", &sealed).is_err());
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
    }

    #[test]
    fn no_altered_byte_goes_unnoticed() {
        let key = Wrapping::from_hex(&"0f".repeat(32)).unwrap();
        let sealed = key.seal("x", b"secret").unwrap();

        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(key.open_secret("x", &altered).is_err(), "byte {at}");
        }
        assert!(key.open_secret("x", &sealed[..5]).is_err());
    }

    #[test]
    fn what_is_no_key_says_so() {
        for wrong in ["", "0f", &"zz".repeat(32), &"0f".repeat(33), &"é".repeat(32)] {
            assert!(matches!(Wrapping::from_hex(wrong), Err(SealError::Key)), "{wrong}");
        }
    }
}
