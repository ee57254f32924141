//! Seals the repository keys of what a Backup vault protects with the customer's key that the vault names: at once when that
//! changes, and whenever a cluster asks for a repository key.

use super::{expire, start::location_settings};
use crate::api::Each;
use crate::{
    api::{
        Loaded, extensions,
        instances::{self, InstanceRecord},
        load, read,
        vaults::{VaultRecord, kek_principal},
    },
    app::App,
    keys::{RepositoryKeyError, location_key, seal_for_customer},
    seal::{KeyUri, SealError},
    store::{Change, StoreError, Work},
    work::{Answered, Step},
};
use arm::{
    ResourceId,
    dataprotection::{EncryptionState, VaultSettings},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// The kind of this work.
pub const KIND: &str = "rekey";
const REST: SignedDuration = SignedDuration::from_mins(5);

/// The changes that have the repository keys of a vault sealed anew, from the beginning.
pub fn changes(vault: &ResourceId, now: Timestamp) -> [Change; 2] {
    let id = format!("{KIND} {}", vault.folded());
    [Change::Drop(id.clone()), Change::AddWork(Work::new(id, KIND, vault.clone(), now, Value::Null))]
}

/// The customer's key that a vault names; none where it does not encrypt with one.
pub fn named(vault: &VaultRecord) -> Result<Option<KeyUri>, StoreError> {
    named_by(&vault.settings)
}

/// The same of its settings.
pub fn named_by(settings: &VaultSettings) -> Result<Option<KeyUri>, StoreError> {
    let settings = settings.security_settings.encryption_settings.as_ref();
    let enabled = settings.filter(|settings| settings.state == EncryptionState::Enabled);
    let Some(key) = enabled.and_then(|settings| settings.key_vault_properties.as_ref()) else {
        return Ok(None);
    };
    key.key_uri.parse().map(Some).map_err(|error| StoreError::Damaged(format!("{}: {error}", key.key_uri)))
}

/// Whether the identity by which a vault reaches a customer's key is there, and one that may; else why not.
pub async fn reaches(
    app: &App,
    uri: &KeyUri,
    principal: Option<&str>,
) -> Result<Result<(), String>, StoreError> {
    let Some(principal) = principal else {
        return Ok(Err("the vault does not have the identity that kekIdentity names any more".to_owned()));
    };
    if app.store.principal(principal).await?.is_none() {
        return Ok(Err(format!("the identity {principal} that kekIdentity names does not exist any more")));
    }
    Ok(permitted(app, uri, principal))
}

/// Whether the operator gives a key to an identity; else why not.
pub fn permitted(app: &App, uri: &KeyUri, principal: &str) -> Result<(), String> {
    if app.wrapping.customers().permits(uri, principal) {
        return Ok(());
    }
    Err(format!(
        "the operator gives it to other identities than {principal}; have this one added: --customer-key-user {}={principal}",
        uri.base()
    ))
}

/// Sees to it that a repository key is sealed with the customer's key that a vault names, if it names one.
pub async fn seal(app: &App, key: &str, vault: &Loaded<VaultRecord>) -> Result<(), RepositoryKeyError> {
    let Some(uri) = named(&vault.document)? else { return Ok(()) };
    let principal = kek_principal(&vault.document.settings, &vault.document.identity);
    match reaches(app, &uri, principal).await? {
        Ok(()) => seal_for_customer(app, key, &vault.id, &uri).await,
        Err(why) => Err(SealError::Customer { uri: uri.to_string(), why }.into()),
    }
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let found: Option<Loaded<VaultRecord>> = load(app.store.as_ref(), &work.target).await?;
    let Some(vault) = found else { return Ok(Step::Done(Vec::new())) };
    let mut waits = None;
    for key in keys_of(app, &vault.id).await? {
        match seal(app, &key, &vault).await {
            Ok(()) => {}
            Err(RepositoryKeyError::Store(error)) => return Err(error),
            // The others need not wait for this one.
            Err(error) => waits = Some((key, error)),
        }
    }
    let Some((key, error)) = waits else { return Ok(Step::Done(Vec::new())) };
    tracing::warn!(vault = %vault.id, key, %error, "a repository key could not be sealed with the customer's key; trying again");
    let now = app.clock.now();
    Ok(Step::Later {
        due_at: now.saturating_add(REST).unwrap_or(now),
        advanced: true,
        document: Value::Null,
        changes: Vec::new(),
    })
}

/// The repository keys of all that a vault protects: where it is written to now, and where recovery points lie.
async fn keys_of(app: &App, vault: &ResourceId) -> Result<BTreeSet<String>, StoreError> {
    let mut keys = BTreeSet::new();
    let mut each = Each::of(app.store.as_ref(), instances::KIND, vault);
    while let Some(stored) = each.next().await? {
        let instance: Loaded<InstanceRecord> = read(stored)?;
        let cluster = &instance.document.instance.source.resource;
        if let Some(extension) = extensions::backup_extension(app.store.as_ref(), cluster).await? {
            keys.insert(location_key(&location_settings(&extension.document.settings)));
        }
        let points = expire::all(app, &instance.id).await?;
        keys.extend(points.into_iter().map(|point| point.document.key));
    }
    Ok(keys)
}
