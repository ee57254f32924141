//! The wrapping key of a database: which one it is, and how it is exchanged for another. Everything that is sealed is
//! sealed anew in one transaction, so that a kill leaves the old key or the new one in force, never a mixture.

use crate::{
    directory::{DataDirectory, Readers},
    seal::{KEY_FILE, KeySource, SETTING, SealError, Wrapping, make_key},
    store::{AuditEntry, AuditOutcome, Change, Store, StoreError},
};
use jiff::Timestamp;
use zeroize::Zeroizing;

const ATTEMPTS: u32 = 8;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The operator gave one key alone.
    #[error(
        "{0} holds one key; add the new one (64 hexadecimal digits) as a second line, give both to every replica, restart them, and run this again"
    )]
    OneKey(String),
}

/// What an exchange did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrapped {
    /// How much was sealed anew.
    pub resealed: usize,
    /// The fingerprint of the key that seals from now on.
    pub key: String,
}

/// Seals with the key that the database names; one that names none gets the first key, if that opens all it holds.
pub async fn settle(store: &dyn Store, wrapping: &mut Wrapping, now: Timestamp) -> Result<(), RewrapError> {
    for _ in 0..ATTEMPTS {
        if let Some(named) = store.setting(SETTING).await? {
            return Ok(wrapping.seal_with(&named)?);
        }
        for one in store.sealed().await? {
            wrapping.open_secret(&one.name(), &one.sealed)?;
        }
        let value = wrapping.fingerprint().to_owned();
        let first = Change::SetIf { name: SETTING.to_owned(), before: None, value };
        match store.commit(&[first], &audit("name the wrapping key", now)).await {
            // Another replica was faster.
            Err(StoreError::Conflict(_)) => {}
            other => return Ok(other?),
        }
    }
    Err(StoreError::Conflict(SETTING.to_owned()).into())
}

/// Seals everything with the key that was given last.
pub async fn reseal(
    store: &dyn Store,
    wrapping: &mut Wrapping,
    now: Timestamp,
) -> Result<Rewrapped, RewrapError> {
    for _ in 0..ATTEMPTS {
        settle(store, wrapping, now).await?;
        let before = wrapping.fingerprint().to_owned();
        let sealed = store.sealed().await?;
        wrapping.seal_with_newest();
        let key = wrapping.fingerprint().to_owned();
        let mut changes = Vec::new();
        for one in sealed {
            let name = one.name();
            if !wrapping.is_current(&name, &one.sealed) {
                let content = wrapping.open_secret(&name, &one.sealed)?;
                let sealed = wrapping.seal(&name, &content)?;
                changes.push(Change::Reseal { place: one.place, id: one.id, before: one.sealed, sealed });
            }
        }
        let resealed = changes.len();
        if resealed == 0 && before == key {
            return Ok(Rewrapped { resealed, key });
        }
        // From here on nobody commits what the old key sealed: see `Wrapping::guard`.
        changes.push(Change::SetIf { name: SETTING.to_owned(), before: Some(before), value: key.clone() });
        match store.commit(&changes, &audit("exchange the wrapping key", now)).await {
            // Something was sealed meanwhile; it is read again.
            Err(StoreError::Conflict(_)) => {}
            other => return Ok(other.map(|()| Rewrapped { resealed, key })?),
        }
    }
    Err(StoreError::Conflict(SETTING.to_owned()).into())
}

/// Exchanges the key: one in the data directory for a new one that is made here; of keys that the operator gave, for the
/// last one. Killed anywhere, it goes on where it was when it is run again: while both keys are in the file, both open.
pub async fn exchange(
    store: &dyn Store,
    source: &KeySource,
    directory: &DataDirectory,
    now: Timestamp,
) -> Result<Rewrapped, RewrapError> {
    let mut wrapping = source.open(directory)?;
    if wrapping.count() == 1 {
        let (KeySource::Directory, Some(old)) = (source, source.read(directory)?) else {
            return Err(RewrapError::OneKey(source.to_string()));
        };
        let both = Zeroizing::new(format!("{}\n{}\n", old.trim(), make_key().as_str()));
        // Only a key that opens what is there may be followed by another one.
        settle(store, &mut wrapping, now).await?;
        directory.write(KEY_FILE, &both, Readers::Owner).map_err(SealError::from)?;
        wrapping = source.open(directory)?;
    }
    let done = reseal(store, &mut wrapping, now).await?;
    if let (KeySource::Directory, Some(text)) = (source, source.read(directory)?)
        && let Some(newest) = text.split_whitespace().last()
    {
        directory
            .write(KEY_FILE, &Zeroizing::new(format!("{newest}\n")), Readers::Owner)
            .map_err(SealError::from)?;
    }
    Ok(done)
}

fn audit(action: &str, at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "vault".to_owned(),
        action: action.to_owned(),
        scope: "/".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}
