//! The password of a repository.

use zeroize::Zeroizing;

/// The password of a repository; wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct RepositorySecret(Zeroizing<Vec<u8>>);

impl RepositorySecret {
    /// A secret from the bytes that a Secret or a file holds. Trailing line feeds are cut, as stock restic
    /// does with a password file.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = Zeroizing::new(bytes.into());
        while bytes.last().is_some_and(|last| matches!(last, b'\n' | b'\r')) {
            bytes.pop();
        }
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes themselves, for the Secret of a mover. Nothing else may ask for them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for RepositorySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RepositorySecret(…)")
    }
}
