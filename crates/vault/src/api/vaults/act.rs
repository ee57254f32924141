//! The calls on vaults.

use super::{
    INSTANCES, KIND, MAY_DELETE, NAMESPACE, READ, WRITE, decide, deleted,
    identity::{self, Says},
    record::{VaultIdentity, VaultRecord, shown},
};
use crate::{
    alerts,
    api::{
        Call, Failure, finished, guards,
        operation::{accepted, followed},
        points,
        resource::{
            self, Loaded, TRIES, check_conditions, check_group, check_registered, etag, load, put as write,
            read,
        },
        tracked,
    },
    protect::rekey,
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{
    ArmError, ResourceId,
    dataprotection::{VaultGiven, VaultSettings},
};
use http::header;

type Vault = Loaded<VaultRecord>;

/// Those that the caller may see, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let tenant = call.app.issuer.tenant();
    resource::page(call, KIND, call.scope()?, |stored| {
        if !call.may(READ, &stored.id) {
            return Ok(None);
        }
        let vault: Vault = read(stored)?;
        Ok(Some(shown(&vault.id, &vault.document, vault.version, tenant)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let vault = existing(call).await?.ok_or_else(|| missing(call.scope()))?;
    Ok(answer(call, 200, &vault))
}

/// The vault of a path that goes on behind it.
pub async fn of_path(call: &Call<'_>) -> Result<Vault, Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let group =
        ResourceId::group(call.params.get("subscription"), call.params.get("group")).map_err(wrong)?;
    let id = group.with(KIND, call.params.get("vault")).map_err(wrong)?;
    let found = load(call.app.store.as_ref(), &id).await?;
    Ok(found.ok_or_else(|| ArmError::not_found(&id))?)
}

/// Creates, replaces, or brings a deleted one back.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = checked(call)?;
    let name = call.params.get("vault");
    decide::check_name(name)?;
    check_registered(call, NAMESPACE).await?;
    for _ in 0..TRIES {
        let group = check_group(call, call.scope()?).await?;
        let found = existing(call).await?;
        check_version(call, &given, found.as_ref())?;
        let back = deleted::asked_for(call, found.is_some()).await?;
        let mut changes = Vec::new();
        let (id, expected, status) = match &found {
            Some(found) => (found.id.clone(), Expected::Version(found.version), 200),
            None => {
                let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
                (group.with(KIND, name).map_err(wrong)?, Expected::Absent, 201)
            }
        };
        let before =
            found.as_ref().map(|found| &found.document).or(back.as_ref().map(|back| &back.document.vault));
        let location =
            tracked::location_of(name, before.map(|one| one.location.as_str()), given.location.as_deref())?;
        let mut record = changed(call, &id, before, location, &given, Says::All, &mut changes).await?;
        if let Some(back) = &back {
            if given.tags.is_none() {
                record.tags.clone_from(&back.document.vault.tags);
            }
            changes.extend(deleted::come_back(back, &id)?);
        }
        changes.insert(0, write(&id, &record, expected)?);
        let version = found.as_ref().map_or(1, |found| found.version + 1);
        let operation = finished(call, "Microsoft.DataProtection/backupVaults/write", &id);
        changes.push(Change::Begin(operation.clone()));
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                let vault = Loaded { id, document: record, version };
                return Ok(followed(call, answer(call, status, &vault), &operation, false));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Changes some of it.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = checked(call)?;
    for _ in 0..TRIES {
        let found = existing(call).await?.ok_or_else(|| missing(call.scope()))?;
        check_version(call, &given, Some(&found))?;
        let is = &found.document;
        let mut changes = Vec::new();
        let record =
            changed(call, &found.id, Some(is), is.location.clone(), &given, Says::Changes, &mut changes)
                .await?;
        let vault = Loaded { id: found.id.clone(), document: record, version: found.version + 1 };
        changes.insert(0, write(&vault.id, &vault.document, Expected::Version(found.version))?);
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(answer(call, 200, &vault));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

fn checked(call: &Call<'_>) -> Result<VaultGiven, ArmError> {
    let given = VaultGiven::read(&call.json()?)?;
    given.tags.as_ref().map_or(Ok(()), tracked::check_tags)?;
    Ok(given)
}

/// `If-Match` and its like, and the version that clients send back in the body.
fn check_version(call: &Call<'_>, given: &VaultGiven, found: Option<&Vault>) -> Result<(), ArmError> {
    check_conditions(call, found.map(|found| found.version))?;
    let stale =
        |found: &&Vault| given.etag.as_deref().is_some_and(|tag| !tag.is_empty() && tag != found.etag());
    match found.filter(stale) {
        None => Ok(()),
        Some(found) => {
            let message =
                format!("eTag is not that of the vault, which is {}. Read the vault again.", found.etag());
            Err(ArmError::new(412, "PreconditionFailed", message).about("eTag"))
        }
    }
}

/// The record that a request leads to; what changes beside it is added to `changes`.
async fn changed(
    call: &Call<'_>,
    id: &ResourceId,
    before: Option<&VaultRecord>,
    location: String,
    given: &VaultGiven,
    says: Says,
    changes: &mut Vec<Change>,
) -> Result<VaultRecord, Failure> {
    let has_instances = protects(call, id).await?;
    let settings = decide::settings(before.map(|one| &one.settings), &given.settings, has_instances)?;
    if let Some(before) = before {
        for operation in decide::critical(&before.settings, &settings) {
            guards::check(call, id, operation, &given.settings.guard_requests).await?;
        }
        changes.extend(alerts::vault_weakened(call, id, &before.settings, &settings).await?);
    }
    let none = Default::default();
    let is = before.map_or(&none, |one| &one.identity);
    let steps = identity::decide(is, given.identity.as_ref(), says)?;
    let (identity, more) = identity::apply(call, id, is, steps).await?;
    changes.extend(more);
    let encryption = &settings.security_settings.encryption_settings;
    // The identity can go without the settings being touched.
    decide::check_kek_identity(&settings, &identity)?;
    if before.map(|one| &one.settings.security_settings.encryption_settings) != Some(encryption) {
        changes.extend(rekeyed(call, id, &settings, &identity, changes).await?);
    }
    let kept = || before.filter(|_| says == Says::Changes).map(|one| one.tags.clone());
    let tags = given.tags.clone().or_else(kept).unwrap_or_default();
    Ok(VaultRecord { location, tags, identity, settings, guard: before.and_then(|one| one.guard.clone()) })
}

/// The changes by which the repository keys of a vault are sealed with the customer's key that it names now. That key must be
/// there, and the identity must be one that reaches it: else the vault would lock itself out.
async fn rekeyed(
    call: &Call<'_>,
    id: &ResourceId,
    settings: &VaultSettings,
    identity: &VaultIdentity,
    changes: &[Change],
) -> Result<Vec<Change>, Failure> {
    const AT: &str = "properties.securitySettings.encryptionSettings";
    let Some(uri) = rekey::named_by(settings)? else { return Ok(Vec::new()) };
    call.app.wrapping.customers().usable(&uri).map_err(|error| {
        let message = format!("The customer's key '{uri}' cannot be used: {error}.");
        ArmError::new(400, "UserErrorEncryptionKeyNotAvailable", message)
            .about(format!("{AT}.keyVaultProperties.keyUri"))
    })?;
    let principal = decide::kek_principal(settings, identity);
    // An identity of the vault's own may be made by this very call.
    let is_new = |principal: &str| {
        changes.iter().any(|change| matches!(change, Change::AddPrincipal(new) if new.object_id == principal))
    };
    let principal = match principal {
        Some(principal) if is_new(principal) => rekey::permitted(call.app, &uri, principal),
        _ => rekey::reaches(call.app, &uri, principal).await?,
    };
    principal.map_err(|why| {
        let message = format!("The vault does not reach the customer's key '{uri}': {why}.");
        ArmError::new(400, "UserErrorEncryptionKeyAccessDenied", message).about(format!("{AT}.kekIdentity"))
    })?;
    Ok(rekey::changes(id, call.now).into())
}

/// Deletes an empty vault. Where soft delete is on, it can come back for a while.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        if protects(call, &found.id).await? {
            let message = format!(
                "The vault '{}' holds backup instances, or deleted ones that can come back. Delete them, and wait until \
                 their time is over.",
                found.id.name()
            );
            return Err(ArmError::new(409, "UserErrorBackupVaultContainsBackupInstances", message).into());
        }
        if let Some(point) = points::first_of(call.app.store.as_ref(), &found.id).await? {
            // Of an instance that is gone: a backup ended behind its deletion. With the vault nobody would delete it.
            let message = format!(
                "The vault '{}' still deletes the recovery point '{}'. Wait until it is gone.",
                found.id.name(),
                point.name()
            );
            return Err(ArmError::new(409, "UserErrorBackupVaultContainsBackupInstances", message).into());
        }
        if let Some(guard) = &found.document.guard {
            let message = format!(
                "The vault '{}' is guarded by '{guard}'. Remove that mapping first, which needs the guard's consent.",
                found.id.name()
            );
            return Err(ArmError::new(409, "UserErrorBackupVaultGuarded", message).into());
        }
        let mut changes = deleted::kept(call, &found).await?;
        // An instance that was made since then stays, and so does its vault.
        changes.extend(INSTANCES.map(|kind| Change::AtMost { under: found.id.clone(), kind, most: 0 }));
        changes.push(Change::Remove(found.id.clone(), Expected::Version(found.version)));
        if let Some(system) = &found.document.identity.system {
            changes.push(Change::RemovePrincipal(system.principal_id.clone()));
        }
        let operation = finished(call, &MAY_DELETE.action(""), &found.id);
        changes.push(Change::Begin(operation.clone()));
        match call.commit(&changes).await {
            Ok(()) => return Ok(accepted(call, &operation)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Whether a vault has instances, deleted ones that can come back included.
async fn protects(call: &Call<'_>, vault: &ResourceId) -> Result<bool, StoreError> {
    for kind in INSTANCES {
        if call.app.store.count(kind, vault).await? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the caller may make vaults there.
pub fn may_write(call: &Call<'_>, id: &ResourceId) -> bool {
    call.may(WRITE, id)
}

async fn existing(call: &Call<'_>) -> Result<Option<Vault>, Failure> {
    Ok(load(call.app.store.as_ref(), call.scope()?).await?)
}

fn missing(id: Result<&ResourceId, ArmError>) -> ArmError {
    id.map_or_else(|error| error, ArmError::not_found)
}

fn answer(call: &Call<'_>, status: u16, vault: &Vault) -> Reply {
    let body = shown(&vault.id, &vault.document, vault.version, call.app.issuer.tenant());
    Reply::json(status, body).with(header::ETAG, etag(vault.version))
}
