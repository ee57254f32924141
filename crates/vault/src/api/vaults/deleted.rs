//! Deleted vaults: where soft delete was on, a vault can come back until its retention is over, with its settings, tags
//! and policies. It never held instances when it was deleted. Roles that were assigned on it, and its own identity, are
//! gone: it gets a new identity.

use super::{NAMESPACE, act, record::VaultRecord};
use crate::api::Each;
use crate::{
    api::{
        Call, Failure, policies,
        resource::{self, Loaded, load, put as write, read},
    },
    app::App,
    reply::Reply,
    store::{Change, Expected, StoreError, Work},
    work::Step,
};
use arm::{ArmError, ResourceId, dataprotection::SoftDeleteState};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};
use uuid::Uuid;

/// The type of a deleted vault.
const DELETED: &str = "Microsoft.DataProtection/locations/deletedVaults";
/// The work that ends the time of a deleted vault.
pub const PURGE: &str = "purge-deleted-vault";

/// What is kept of a deleted vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedVault {
    /// What it was called.
    pub original: ResourceId,
    /// What it was, without identity.
    pub vault: VaultRecord,
    /// Its policies, by name.
    pub policies: BTreeMap<String, Value>,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// When its time is over.
    pub purge_at: Timestamp,
    /// By which call.
    pub activity: String,
}

/// Those of a location, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let subscription = &call.subscription()?.id;
    let under = location(subscription, call.params.get("location"))?;
    resource::page(call, DELETED, &under, |stored| {
        let deleted: Loaded<DeletedVault> = read(stored)?;
        Ok((deleted.document.purge_at > call.now).then(|| shown(&deleted)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let found = load::<DeletedVault>(call.app.store.as_ref(), id).await?;
    let found = found.filter(|found| found.document.purge_at > call.now).ok_or_else(|| unknown(id.name()))?;
    Ok(Reply::json(200, shown(&found)))
}

/// The changes that keep a vault that is deleted; none where soft delete is off.
pub async fn kept(call: &Call<'_>, vault: &Loaded<VaultRecord>) -> Result<Vec<Change>, Failure> {
    let soft = &vault.document.settings.security_settings.soft_delete_settings;
    if soft.state == SoftDeleteState::Off {
        return Ok(Vec::new());
    }
    let mut kept = BTreeMap::new();
    let mut each = Each::of(call.app.store.as_ref(), policies::KIND, &vault.id);
    while let Some(one) = each.next().await? {
        kept.insert(one.id.name().to_owned(), one.document);
    }
    // Days were found to be 14 to 180 when they were set.
    let stays =
        SignedDuration::try_from_secs_f64(soft.retention_duration_in_days * 86_400.0).unwrap_or_default();
    let purge_at = call.now.checked_add(stays).unwrap_or(Timestamp::MAX);
    let name = Uuid::new_v4().to_string();
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let place = location(&call.subscription()?.id, &vault.document.location)?;
    let id = place.child("deletedVaults", &name).map_err(wrong)?;
    let record = DeletedVault {
        original: vault.id.clone(),
        vault: VaultRecord { identity: Default::default(), guard: None, ..vault.document.clone() },
        policies: kept,
        deleted_at: call.now,
        purge_at,
        activity: call.correlation.clone(),
    };
    let work = Work::new(format!("{PURGE}/{name}"), PURGE, id.clone(), purge_at, Value::Null);
    Ok(vec![write(&id, &record, Expected::Absent)?, Change::AddWork(work)])
}

/// The deleted vault that a PUT asks back by `x-ms-deleted-vault-id`.
pub async fn asked_for(call: &Call<'_>, exists: bool) -> Result<Option<Loaded<DeletedVault>>, Failure> {
    let Some(given) = call.header("x-ms-deleted-vault-id").filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    if exists {
        let message = "A vault of this name exists; a deleted one comes back under a name that is free.";
        return Err(ArmError::new(409, "UserErrorBackupVaultAlreadyExists", message).into());
    }
    let id: ResourceId = given.parse().map_err(|_| unknown(given))?;
    let is_here = id.kind().is(DELETED) && call.subscription()?.id.covers(&id);
    let found = if is_here { load::<DeletedVault>(call.app.store.as_ref(), &id).await? } else { None };
    let found = found.filter(|found| found.document.purge_at > call.now).ok_or_else(|| unknown(given))?;
    if !act::may_write(call, &found.document.original) {
        let message = format!(
            "The client with object id '{}' may not write '{}', which is the vault that it asks back. Have Backup \
             Contributor assigned in that resource group.",
            call.caller.object_id, found.document.original
        );
        return Err(ArmError::new(403, "LinkedAuthorizationFailed", message).about(given).into());
    }
    Ok(Some(found))
}

/// What else changes when a deleted vault comes back.
pub fn come_back(back: &Loaded<DeletedVault>, id: &ResourceId) -> Result<Vec<Change>, Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let mut changes = vec![
        Change::Remove(back.id.clone(), Expected::Version(back.version)),
        Change::Drop(format!("{PURGE}/{}", back.id.name())),
    ];
    for (name, policy) in &back.document.policies {
        changes.push(write(&id.child("backupPolicies", name).map_err(wrong)?, policy, Expected::Absent)?);
    }
    Ok(changes)
}

/// Its time is over.
pub fn purge<'c>(
    app: &'c Arc<App>,
    work: &'c Work,
) -> Pin<Box<dyn Future<Output = Result<Step, StoreError>> + Send + 'c>> {
    Box::pin(async move {
        let found = load::<DeletedVault>(app.store.as_ref(), &work.target).await?;
        Ok(Step::Done(
            found
                .map(|found| Change::Remove(found.id, Expected::Version(found.version)))
                .into_iter()
                .collect(),
        ))
    })
}

fn location(subscription: &ResourceId, name: &str) -> Result<ResourceId, ArmError> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    subscription.with(&format!("{NAMESPACE}/locations"), name).map_err(wrong)
}

fn unknown(given: &str) -> ArmError {
    let message =
        format!("There is no deleted vault '{given}' that could come back. List them: GET …/deletedVaults.");
    ArmError::new(404, "UserErrorDeletedBackupVaultNotFound", message)
}

fn shown(deleted: &Loaded<DeletedVault>) -> Value {
    let record = &deleted.document;
    let mut properties = super::record::properties(&record.vault);
    if let Some(object) = properties.as_object_mut() {
        object.insert("originalBackupVaultId".to_owned(), json!(record.original));
        object.insert("originalBackupVaultName".to_owned(), json!(record.original.name()));
        object.insert("originalBackupVaultResourcePath".to_owned(), json!(record.original));
        object.insert(
            "resourceDeletionInfo".to_owned(),
            json!({
                "deletionTime": record.deleted_at,
                "scheduledPurgeTime": record.purge_at,
                "deleteActivityId": record.activity,
            }),
        );
    }
    json!({"id": deleted.id, "name": deleted.id.name(), "type": DELETED, "properties": properties})
}
