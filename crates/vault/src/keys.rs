//! Repository keys: one per location, made and kept by the vault, sealed. A cluster gets one as a grant for a job, in
//! memory only; the operator can export all of them, sealed to a key of their own.

use crate::{
    app::App,
    seal::SealError,
    store::{AuditEntry, AuditOutcome, Change, StoreError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const PREFIX: &str = "repository key ";
const LENGTH: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryKeyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What is kept cannot be read.
    #[error("the repository key {0} cannot be read; restore the vault's database from its last backup")]
    Damaged(String),
}

/// The id of a location's key: the same place has the same key, however its settings are spelt.
pub fn location_key(settings: &BTreeMap<String, String>) -> String {
    let get = |name: &str| {
        let found = settings.iter().find(|(key, _)| key.to_lowercase().ends_with(&name.to_lowercase()));
        found.map(|(_, value)| value.trim().trim_end_matches('/').to_lowercase()).unwrap_or_default()
    };
    let mut hash = Sha256::new();
    for name in [
        ".provider",
        ".bucket",
        ".prefix",
        ".config.storageAccount",
        ".config.storageAccountURI",
        ".config.s3Url",
    ] {
        let value = match (name, get(name)) {
            (".provider", value) if value.is_empty() => "azure".to_owned(),
            (_, value) => value,
        };
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value.as_bytes());
    }
    hash.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

/// The key of a location, made if there is none yet. Of two replicas that make one at once, one wins.
pub async fn repository_key(app: &App, id: &str) -> Result<Zeroizing<String>, RepositoryKeyError> {
    let name = format!("{PREFIX}{id}");
    if app.store.setting(&name).await?.is_none() {
        let mut bytes = Zeroizing::new([0_u8; LENGTH]);
        rand::rng().fill_bytes(bytes.as_mut());
        let key = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let sealed = STANDARD.encode(app.wrapping.seal(&name, key.as_bytes())?);
        let audit = AuditEntry {
            at: app.clock.now(),
            principal: "vault".to_owned(),
            action: "make repository key".to_owned(),
            scope: format!("/repositoryKeys/{id}"),
            outcome: AuditOutcome::Changed,
            correlation: uuid::Uuid::new_v4().to_string(),
        };
        match app.store.commit(&[Change::SetOnce(name.clone(), sealed)], &audit).await {
            Ok(()) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let damaged = || RepositoryKeyError::Damaged(id.to_owned());
    let sealed = app.store.setting(&name).await?.ok_or_else(damaged)?;
    let sealed = STANDARD.decode(sealed).map_err(|_| damaged())?;
    let opened = app.wrapping.open_secret(&name, &sealed)?;
    std::str::from_utf8(&opened).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let prefix = "configuration.backupStorageLocation.";
        pairs.iter().map(|(key, value)| (format!("{prefix}{key}"), (*value).to_owned())).collect()
    }

    #[test]
    fn one_place_has_one_key_however_it_is_spelt() {
        let one = settings(&[("bucket", "b"), ("config.storageAccount", "acct"), ("config.useAAD", "true")]);
        let same = settings(&[("provider", "azure"), ("bucket", "B "), ("config.storageAccount", "Acct")]);
        let other = settings(&[("bucket", "b"), ("config.storageAccount", "acct"), ("prefix", "p")]);

        assert_eq!(location_key(&one), location_key(&same));
        assert_ne!(location_key(&one), location_key(&other));
    }
}
