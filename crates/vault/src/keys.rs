//! Repository keys: one per location, made and kept by the vault, sealed. A cluster gets one as a grant for a job, in
//! memory only; the operator can export all of them, sealed to a key of their own.

use crate::api::Each;
use crate::{
    api::{Loaded, TRIES, load, put, read},
    app::App,
    protect::checks::container_of,
    seal::{KeyUri, SealError, Wrapping},
    sealed_file::{self, Recipient, SealedFileError},
    store::{AuditEntry, AuditOutcome, Change, Expected, Place, Store, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use zeroize::{ZeroizeOnDrop, Zeroizing};

const PREFIX: &str = "repository key ";
const LENGTH: usize = 32;
/// No subscription can have this id; what each key is for is kept there.
pub(crate) const EVERYWHERE: &str = "/subscriptions/00000000-0000-0000-0000-000000000000";
const KIND: &str = "Cofferdam.Vault/repositoryKeys";

/// What a key is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyRecord {
    settings: BTreeMap<String, String>,
    created_at: Timestamp,
    /// The cluster that writes there. Others read it for a restore alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<ResourceId>,
    /// The Backup vault whose customer's key seals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<ResourceId>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryKeyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The export.
    #[error("the keys could not be sealed: {0}")]
    Export(#[from] SealedFileError),
    /// Another cluster writes there.
    #[error(
        "the cluster '{0}' writes to this location; give each cluster a container or a prefix of its own"
    )]
    OfAnother(ResourceId),
    /// What is kept cannot be read.
    #[error("the repository key {0} cannot be read; restore the vault's database from its last backup")]
    Damaged(String),
}

/// The id of a location's key: the same place has the same key, however its settings are spelt. The URI of a storage account
/// says how the account is reached and not which one it is, so it counts only where no account is named.
pub fn location_key(settings: &BTreeMap<String, String>) -> String {
    let get = |name: &str| {
        let value = setting(settings, name).unwrap_or_default();
        // Of a prefix the case counts, for it is a folder.
        if name == ".prefix" { value.trim_matches('/').to_owned() } else { value.to_lowercase() }
    };
    let has_account = setting(settings, ".config.storageAccount").is_some();
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
            (".config.storageAccountURI", _) if has_account => String::new(),
            (_, value) => value,
        };
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value.as_bytes());
    }
    hash.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect()
}

/// A setting of a location, by the end of its name; empty ones are none. Names are taken whole: a longer one that ends
/// alike must not speak for the location.
pub fn setting<'s>(settings: &'s BTreeMap<String, String>, end: &str) -> Option<&'s str> {
    let name = format!("configuration.backupStorageLocation{end}");
    let found = settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name));
    found.map(|(_, value)| value.trim().trim_end_matches('/')).filter(|value| !value.is_empty())
}

/// The key of the location that a cluster writes to, made if there is none yet. Of two replicas that make one at once, one
/// wins. A location belongs to the cluster that had its key first; in an account with roles to another one once that cluster
/// is no more.
pub async fn own_key(
    app: &App,
    id: &str,
    settings: &BTreeMap<String, String>,
    cluster: &ResourceId,
) -> Result<Zeroizing<String>, RepositoryKeyError> {
    let store = app.store.as_ref();
    if store.secret(&secret_name(id)).await?.is_none() {
        match of_same_place(store, id).await? {
            Some(same) => take_over(app, id, &same).await?,
            None => make(app, id, settings, cluster).await?,
        }
    }
    let record = record_id(id)?;
    let found: Option<Loaded<KeyRecord>> = load(store, &record).await?;
    let mut found = found.ok_or_else(|| RepositoryKeyError::Damaged(id.to_owned()))?;
    if found.document.owner.as_ref() != Some(cluster) {
        if let Some(owner) = &found.document.owner {
            // Whether somebody else may have what a cluster left behind, its account's roles have said before. A store outside
            // has no roles here.
            let has_roles = container_of(settings).is_some();
            if !has_roles || store.resource(owner).await?.is_some() {
                return Err(RepositoryKeyError::OfAnother(owner.clone()));
            }
        }
        found.document.owner = Some(cluster.clone());
        let audit = audit(app, &format!("give repository key to {cluster}"), id);
        store.commit(&[found.write()?], &audit).await?;
    }
    opened(store, &app.wrapping, id).await
}

/// The key of a location that is only read.
pub async fn source_key(app: &App, id: &str) -> Result<Zeroizing<String>, RepositoryKeyError> {
    opened(app.store.as_ref(), &app.wrapping, id).await
}

/// The oldest key of the same place that is kept under another id: ids were once made of how a place is reached, too.
async fn of_same_place(store: &dyn Store, id: &str) -> Result<Option<String>, StoreError> {
    let mut oldest: Option<(Timestamp, String)> = None;
    for KeyedLocation { id: other, settings, .. } in locations(store).await? {
        if other == id || location_key(&settings) != id {
            continue;
        }
        let found: Option<Loaded<KeyRecord>> = load(store, &record_id(&other)?).await?;
        let Some(found) = found else { continue };
        let created_at = found.document.created_at;
        if oldest.as_ref().is_none_or(|(at, _)| created_at < *at) {
            oldest = Some((created_at, other));
        }
    }
    Ok(oldest.map(|(_, other)| other))
}

/// Keeps the key of a place under its present id, too. Recovery points name the id that it had.
async fn take_over(app: &App, id: &str, other: &str) -> Result<(), RepositoryKeyError> {
    let store = app.store.as_ref();
    let found: Option<Loaded<KeyRecord>> = load(store, &record_id(other)?).await?;
    let found = found.ok_or_else(|| RepositoryKeyError::Damaged(other.to_owned()))?;
    let key = opened(store, &app.wrapping, other).await?;
    let name = secret_name(id);
    let keep = Change::Keep(name.clone(), app.wrapping.seal(&name, key.as_bytes())?);
    // It is sealed with the key of a customer again before it is granted.
    let record = KeyRecord { customer: None, ..found.document };
    let record = put(&record_id(id)?, &record, Expected::Absent)?;
    let audit = audit(app, &format!("keep repository key of {other} under its present id"), id);
    match app.store.commit(&[app.wrapping.guard(), keep, record], &audit).await {
        Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn make(
    app: &App,
    id: &str,
    settings: &BTreeMap<String, String>,
    cluster: &ResourceId,
) -> Result<(), RepositoryKeyError> {
    let mut bytes = Zeroizing::new([0_u8; LENGTH]);
    rand::rng().fill_bytes(bytes.as_mut());
    let key = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let name = secret_name(id);
    let keep = Change::Keep(name.clone(), app.wrapping.seal(&name, key.as_bytes())?);
    let audit = audit(app, "make repository key", id);
    let owner = Some(cluster.clone());
    let record = KeyRecord { settings: settings.clone(), created_at: audit.at, owner, customer: None };
    let record = put(&record_id(id)?, &record, Expected::Absent)?;
    match app.store.commit(&[app.wrapping.guard(), keep, record], &audit).await {
        Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn audit(app: &App, action: &str, id: &str) -> AuditEntry {
    AuditEntry {
        at: app.clock.now(),
        principal: "vault".to_owned(),
        action: action.to_owned(),
        scope: format!("/repositoryKeys/{id}"),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}

fn secret_name(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// What opens the repository of a location.
pub async fn opened(
    store: &dyn Store,
    wrapping: &Wrapping,
    id: &str,
) -> Result<Zeroizing<String>, RepositoryKeyError> {
    let name = secret_name(id);
    let damaged = || RepositoryKeyError::Damaged(id.to_owned());
    let sealed = store.secret(&name).await?.ok_or_else(damaged)?;
    let opened = wrapping.open_through(&name, &sealed)?;
    std::str::from_utf8(&opened).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| damaged())
}

/// Sees to it that a repository key is sealed with the customer's key that a Backup vault names, in its newest version where
/// the vault names none. Of several such vaults the first one's key seals it; the others' must be there all the same, so that
/// each can take its own away.
pub async fn seal_for_customer(
    app: &App,
    id: &str,
    vault: &ResourceId,
    uri: &KeyUri,
) -> Result<(), RepositoryKeyError> {
    let (store, name) = (app.store.as_ref(), secret_name(id));
    let wanted = app.wrapping.customers().usable(uri)?;
    for _ in 0..TRIES {
        // There is none before the first grant.
        let Some(sealed) = store.secret(&name).await? else { return Ok(()) };
        let is = app.wrapping.customer_of(&name, &sealed)?;
        let record: Option<Loaded<KeyRecord>> = load(store, &record_id(id)?).await?;
        let mut record = record.ok_or_else(|| RepositoryKeyError::Damaged(id.to_owned()))?;
        if is.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if let (Some(_), Some(other)) = (&is, &record.document.customer)
            && other != vault
            && store.resource(other).await?.is_some()
        {
            return Ok(());
        }
        let secret = app.wrapping.open_through(&name, &sealed)?;
        let anew = app.wrapping.seal_for_customer(&wanted, &name, &secret)?;
        record.document.customer = Some(vault.clone());
        let reseal = Change::Reseal { place: Place::Secret, id: name.clone(), before: sealed, sealed: anew };
        let audit = audit(app, &format!("seal repository key with the customer's key {wanted}"), id);
        match store.commit(&[app.wrapping.guard(), reseal, record.write()?], &audit).await {
            // Somebody else sealed it meanwhile.
            Err(StoreError::Conflict(_)) => {}
            other => return Ok(other?),
        }
    }
    Err(StoreError::Conflict(name).into())
}

/// The resource under which a key is kept; no call shows it.
pub(crate) fn record_id(id: &str) -> Result<ResourceId, StoreError> {
    let made = EVERYWHERE.parse::<ResourceId>().and_then(|above| above.with(KIND, id));
    made.map_err(|error| StoreError::Damaged(error.to_string()))
}

/// All keys, sealed to the operator.
#[derive(Debug)]
pub struct Exported {
    /// The file, in the format of `age`.
    pub file: Vec<u8>,
    /// How many keys it holds.
    pub keys: usize,
    /// Those that it does not, and why.
    pub left_out: Vec<(String, String)>,
}

/// One key of an export.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct ExportedKey {
    /// The location's id.
    #[zeroize(skip)]
    pub id: String,
    /// Where it is.
    #[zeroize(skip)]
    pub settings: BTreeMap<String, String>,
    /// The cluster that writes there.
    #[zeroize(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ResourceId>,
    /// What opens the repository there.
    pub repository_password: String,
}

impl std::fmt::Debug for ExportedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    exported_at: Timestamp,
    keys: Vec<ExportedKey>,
}

/// Seals all keys to a recipient. For the operator of the machine, whether or not a server runs; it is audited before the
/// file exists.
pub async fn export(
    store: &dyn Store,
    wrapping: &Wrapping,
    recipient: &Recipient,
    now: Timestamp,
) -> Result<Exported, RepositoryKeyError> {
    let (mut keys, mut left_out) = (Vec::new(), Vec::new());
    for KeyedLocation { id, settings, owner } in locations(store).await? {
        let repository_password = match opened(store, wrapping, &id).await {
            Ok(password) => password.to_string(),
            // One customer's key that is away must not keep the others' repositories from being exported.
            Err(RepositoryKeyError::Seal(error @ SealError::Customer { .. })) => {
                left_out.push((id, error.to_string()));
                continue;
            }
            Err(error) => return Err(error),
        };
        keys.push(ExportedKey { id, settings, owner, repository_password });
    }
    let audit = AuditEntry {
        at: now,
        principal: "operator".to_owned(),
        action: format!("export {} repository keys to {recipient}", keys.len()),
        scope: "/repositoryKeys".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    store.note(&audit).await?;
    let export = Export { exported_at: now, keys };
    let text = serde_json::to_vec(&export).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let text = Zeroizing::new(text);
    Ok(Exported { file: sealed_file::seal(recipient, &text)?, keys: export.keys.len(), left_out })
}

/// A location that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedLocation {
    /// Id of the key.
    pub id: String,
    /// The settings that it was made for.
    pub settings: BTreeMap<String, String>,
    /// The cluster that writes there.
    pub owner: Option<ResourceId>,
}

/// The location of a key.
pub async fn location(store: &dyn Store, id: &str) -> Result<Option<KeyedLocation>, StoreError> {
    let found: Option<Loaded<KeyRecord>> = load(store, &record_id(id)?).await?;
    Ok(found.map(|record| {
        let KeyRecord { settings, owner, .. } = record.document;
        KeyedLocation { id: id.to_owned(), settings, owner }
    }))
}

/// All locations that have a key.
pub async fn locations(store: &dyn Store) -> Result<Vec<KeyedLocation>, StoreError> {
    let above: ResourceId =
        EVERYWHERE.parse().map_err(|error: arm::IdError| StoreError::Damaged(error.to_string()))?;
    let mut found = Vec::new();
    let mut each = Each::of(store, KIND, &above);
    while let Some(stored) = each.next().await? {
        let record: Loaded<KeyRecord> = read(stored)?;
        let KeyRecord { settings, owner, .. } = record.document;
        found.push(KeyedLocation { id: record.id.name().to_owned(), settings, owner });
    }
    Ok(found)
}

/// Takes keys of an export over that the database does not have; how many. One that it has stays as it is.
pub async fn import(
    store: &dyn Store,
    wrapping: &Wrapping,
    keys: &[ExportedKey],
    now: Timestamp,
) -> Result<usize, RepositoryKeyError> {
    let mut changes = vec![wrapping.guard()];
    let mut added = 0;
    for key in keys {
        let name = format!("{PREFIX}{}", key.id);
        if store.secret(&name).await?.is_some() {
            continue;
        }
        let (settings, owner) = (key.settings.clone(), key.owner.clone());
        let record = KeyRecord { settings, created_at: now, owner, customer: None };
        let sealed = wrapping.seal(&name, key.repository_password.as_bytes())?;
        changes.push(Change::Keep(name, sealed));
        changes.push(put(&record_id(&key.id)?, &record, Expected::Absent)?);
        added += 1;
    }
    if added == 0 {
        return Ok(0);
    }
    let audit = AuditEntry {
        at: now,
        principal: "operator".to_owned(),
        action: format!("import {added} repository keys"),
        scope: "/repositoryKeys".to_owned(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    store.commit(&changes, &audit).await?;
    Ok(added)
}

/// Reads an export that was opened.
pub fn read_export(content: &[u8]) -> Result<Vec<ExportedKey>, serde_json::Error> {
    serde_json::from_slice::<Export>(content).map(|export| export.keys)
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
        let reached = |uri: &str| {
            let account = ("config.storageAccount", "acct");
            location_key(&settings(&[("bucket", "b"), account, ("config.storageAccountURI", uri)]))
        };
        for uri in ["https://vault.example:8443/acct", "https://acct.blob.core.windows.net/", ""] {
            assert_eq!(reached(uri), location_key(&one), "{uri}");
        }
        let nameless =
            |uri: &str| location_key(&settings(&[("bucket", "b"), ("config.storageAccountURI", uri)]));
        assert_ne!(
            nameless("https://a.example"),
            nameless("https://b.example"),
            "nothing else names the account"
        );
        let folders = ["Prod", "prod", "/prod/"].map(|prefix| location_key(&settings(&[("prefix", prefix)])));
        assert_ne!(folders[0], folders[1], "folders differ by case");
        assert_eq!(folders[1], folders[2]);
    }

    #[test]
    fn a_setting_that_only_ends_like_one_of_the_location_says_nothing() {
        let decoy = settings(&[("bucket", "b"), ("x.config.storageAccount", "acct")]);

        assert_eq!(setting(&decoy, ".config.storageAccount"), None);
        assert_eq!(location_key(&decoy), location_key(&settings(&[("bucket", "b")])));
    }
}
