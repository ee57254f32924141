//! Secrets at rest are sealed with the wrapping key, which the operator controls: a file in the data directory, a file
//! elsewhere, or a variable of the environment. While keys are exchanged there are several.

mod customer;
mod source;

pub use customer::{CustomerKey, CustomerKeyError, CustomerKeys, KeyUri, KeyUser};
pub use source::{KeySource, make as make_key};

use crate::{
    directory::{DataDirectory, DirectoryError},
    sealed_file::{Identity, SealedFileError},
    store::Change,
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// Where the key lies in the data directory.
pub const KEY_FILE: &str = "secrets/wrapping.key";
/// The setting of the database that names the key with which new secrets are sealed.
pub const SETTING: &str = "wrapping key";
/// What keys of self-backups are derived for.
const BACKUP: &[u8] = b"cofferdam self-backup v1";
const NONCE: usize = 12;

/// Seals and opens secrets.
pub struct Wrapping {
    // Never empty.
    keys: Vec<Key>,
    seals: usize,
    customers: CustomerKeys,
}

struct Key {
    fingerprint: String,
    key: RandomizedNonceKey,
    bytes: Zeroizing<Vec<u8>>,
}

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The text is no key.
    #[error(
        "{0} holds no wrapping key (64 hexadecimal digits; while keys are exchanged one on each line); put the right one back, nothing sealed can be opened without it"
    )]
    Key(String),
    /// The content was changed, or another key sealed it.
    #[error(
        "{0} cannot be opened with the wrapping key: another key sealed it, or it was altered; put the right key back"
    )]
    Altered(String),
    /// The database names another key.
    #[error(
        "what the database holds is sealed with the wrapping key {wanted}, and here is {given}; give every replica the same key: COFFERDAM_WRAPPING_KEY_FILE, or {KEY_FILE} in its data directory"
    )]
    Other {
        /// The fingerprint that the database names.
        wanted: String,
        /// The fingerprints of the keys here.
        given: String,
    },
    /// The customer's key is not there.
    #[error(
        "it is sealed with the customer's key {uri}, which cannot be used: {why}; it is given with --customer-key-file {uri}=FILE"
    )]
    Customer {
        /// Which.
        uri: String,
        /// Why not.
        why: String,
    },
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
        KeySource::Directory.open(directory)
    }

    /// The keys of a text, one on each line; the first one seals until [`Wrapping::seal_with`] says otherwise.
    pub fn from_text(text: &str, place: &str) -> Result<Self, SealError> {
        let keys =
            text.split_whitespace().map(|line| Key::from_hex(line, place)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(SealError::Key(place.to_owned()));
        }
        Ok(Self { keys, seals: 0, customers: CustomerKeys::default() })
    }

    /// With the keys of customers.
    pub fn with_customers(self, customers: CustomerKeys) -> Self {
        Self { customers, ..self }
    }

    /// The keys of customers.
    pub fn customers(&self) -> &CustomerKeys {
        &self.customers
    }

    /// Seals a secret with a customer's key, and that with the wrapping key.
    pub fn seal_for_customer(&self, uri: &KeyUri, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal(name, &self.customers.seal(uri, name, secret)?)
    }

    /// Opens what was sealed under this name by the wrapping key, and by a customer's key where one did.
    pub fn open_through(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.customers.open(name, self.open_secret(name, sealed)?)
    }

    /// The customer's key with which this is sealed.
    pub fn customer_of(&self, name: &str, sealed: &[u8]) -> Result<Option<KeyUri>, SealError> {
        Ok(customer::sealed_with(&self.open_secret(name, sealed)?))
    }

    /// Seals with the key of this fingerprint from now on.
    pub fn seal_with(&mut self, fingerprint: &str) -> Result<(), SealError> {
        let found = self.keys.iter().position(|key| key.fingerprint == fingerprint);
        self.seals = found
            .ok_or_else(|| SealError::Other { wanted: fingerprint.to_owned(), given: self.fingerprints() })?;
        Ok(())
    }

    /// The fingerprint of the key that seals.
    pub fn fingerprint(&self) -> &str {
        self.sealing().map_or("", |key| &key.fingerprint)
    }

    /// The fingerprints of all keys.
    pub fn fingerprints(&self) -> String {
        self.keys.iter().map(|key| key.fingerprint.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Seals with the key that was given last from now on: the one to change to.
    pub fn seal_with_newest(&mut self) {
        self.seals = self.keys.len().saturating_sub(1);
    }

    /// How many keys were given.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// A commit with this change happens only while the database is sealed with the key that seals here: what is sealed
    /// while another process exchanges the key is then never left behind.
    pub fn guard(&self) -> Change {
        let now = self.fingerprint().to_owned();
        Change::SetIf { name: SETTING.to_owned(), before: Some(now.clone()), value: now }
    }

    /// Whether the key of this fingerprint is here.
    pub fn has(&self, fingerprint: &str) -> bool {
        self.find(fingerprint).is_some()
    }

    /// What opens the self-backups that were made with these keys.
    pub fn backup_identities(&self) -> Result<Vec<Identity>, SealedFileError> {
        self.keys.iter().map(|key| Identity::derived(&key.bytes, BACKUP)).collect()
    }

    /// What opens and seals the self-backups that are made with one of the keys.
    pub fn backup_identity(&self, fingerprint: &str) -> Option<Result<Identity, SealedFileError>> {
        self.find(fingerprint).map(|key| Identity::derived(&key.bytes, BACKUP))
    }

    /// One of the keys as it is written into a file, for a self-backup that the operator opens with a key of their own.
    pub fn reveal(&self, fingerprint: &str) -> Option<Zeroizing<String>> {
        let key = self.find(fingerprint)?;
        Some(Zeroizing::new(key.bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn find(&self, fingerprint: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint)
    }

    fn sealing(&self) -> Option<&Key> {
        self.keys.get(self.seals)
    }

    /// Seals a secret. Only the same name opens it again.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let failed = || SealError::Seal(name.to_owned());
        let mut sealed = secret.to_vec();
        let key = &self.sealing().ok_or_else(failed)?.key;
        let nonce =
            key.seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed).map_err(|_| failed())?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what was sealed under this name, with whichever key did it.
    pub fn open_secret(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let opened = self.keys.iter().find_map(|key| key.open(name, sealed));
        opened.ok_or_else(|| SealError::Altered(name.to_owned()))
    }

    /// Whether the key that seals now sealed this.
    pub fn is_current(&self, name: &str, sealed: &[u8]) -> bool {
        self.sealing().is_some_and(|key| key.open(name, sealed).is_some())
    }
}

impl Key {
    fn from_hex(text: &str, place: &str) -> Result<Self, SealError> {
        let wrong = || SealError::Key(place.to_owned());
        let digit = |at: usize| text.get(at * 2..at * 2 + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
        let bytes: Option<Zeroizing<Vec<u8>>> =
            (0..32).map(digit).collect::<Option<Vec<_>>>().map(Zeroizing::new);
        let bytes = bytes.filter(|_| text.len() == 64).ok_or_else(wrong)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| wrong())?;
        Ok(Self { fingerprint: fingerprint(&bytes), key, bytes })
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut content = Zeroizing::new(rest.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

/// Names a key without telling it.
fn fingerprint(key: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"cofferdam wrapping key");
    hash.update(key);
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapping({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Wrapping {
        Wrapping::from_text(text, "the test").unwrap()
    }

    #[test]
    fn a_secret_opens_under_its_name_alone() {
        let key = key(&"0f".repeat(32));

        let sealed = key.seal("signing key a", b"secret").unwrap();

        assert_eq!(key.open_secret("signing key a", &sealed).unwrap().as_slice(), b"secret");
        assert!(key.open_secret("signing key b", &sealed).is_err());
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
    }

    #[test]
    fn no_altered_byte_goes_unnoticed() {
        let key = key(&"0f".repeat(32));
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
            assert!(matches!(Wrapping::from_text(wrong, "x"), Err(SealError::Key(_))), "{wrong}");
        }
    }

    #[test]
    fn of_two_keys_one_seals_and_both_open() {
        let (old, new) = ("0f".repeat(32), "a1".repeat(32));
        let mut both = key(&format!("{old}\n{new}\n"));

        let before = both.seal("x", b"1").unwrap();
        both.seal_with_newest();
        let after = both.seal("x", b"2").unwrap();
        let unknown = both.seal_with("0123").unwrap_err();

        assert!(!both.is_current("x", &before) && both.is_current("x", &after));
        assert_eq!(both.open_secret("x", &before).unwrap().as_slice(), b"1");
        assert_eq!(key(&new).open_secret("x", &after).unwrap().as_slice(), b"2");
        assert!(key(&new).open_secret("x", &before).is_err());
        assert!(matches!(unknown, SealError::Other { .. }));
        assert!(!format!("{both:?} {unknown}").contains(&old[..16]));
    }
}
