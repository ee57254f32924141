//! Keys as people keep them: `age1…` may be seen by everyone, `AGE-SECRET-KEY-1…` by its owner alone.

use super::{Result, SealedFileError, bech32, derive};
use aws_lc_rs::agreement::{PrivateKey, X25519};
use rand::Rng;
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

const PUBLIC: &str = "age";
const SECRET: &str = "age-secret-key-";

/// To whom a file is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

/// Who opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(Zeroizing<[u8; 32]>);

impl Recipient {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Identity {
    /// A new one.
    pub fn make() -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rand::rng().fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    /// The one that belongs to another secret and a purpose: whoever has that secret needs no second one.
    pub fn derived(secret: &[u8], purpose: &[u8]) -> Result<Self> {
        derive(secret, &[], purpose).map(Self)
    }

    /// Its public half.
    pub fn recipient(&self) -> Result<Recipient> {
        let key =
            PrivateKey::from_private_key(&X25519, self.bytes()).map_err(|_| SealedFileError::Library)?;
        let public = key.compute_public_key().map_err(|_| SealedFileError::Library)?;
        Recipient::from_bytes(public.as_ref()).ok_or(SealedFileError::Library)
    }

    /// As it is written into a file.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32::encode(SECRET, self.bytes()).to_uppercase())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

/// The first line that is neither empty nor a comment.
fn line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().unwrap_or_default()
}

impl FromStr for Recipient {
    type Err = SealedFileError;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = bech32::decode(PUBLIC, line(text)).and_then(|bytes| Self::from_bytes(&bytes));
        bytes.ok_or(SealedFileError::Key("recipient", "age1…"))
    }
}

impl FromStr for Identity {
    type Err = SealedFileError;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = bech32::decode(SECRET, line(text)).map(Zeroizing::new);
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        bytes
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or(SealedFileError::Key("identity", "AGE-SECRET-KEY-1…"))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::encode(PUBLIC, &self.0))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let identity = Identity::make();
        let file = format!("# created: today\n\n{}\n", identity.reveal().as_str());

        let read: Identity = file.parse().unwrap();
        let recipient: Recipient = format!("{}\n", identity.recipient().unwrap()).parse().unwrap();

        assert!(read == identity);
        assert_eq!(recipient, identity.recipient().unwrap());
        assert!(identity.reveal().starts_with("AGE-SECRET-KEY-1"));
        assert!(recipient.to_string().starts_with("age1"));
    }

    #[test]
    fn what_is_no_key_says_so() {
        for wrong in ["", "age1", "ssh-ed25519 AAAA", &Identity::make().reveal()] {
            assert!(wrong.parse::<Recipient>().is_err());
        }
        assert!(Identity::make().recipient().unwrap().to_string().parse::<Identity>().is_err());
    }
}
