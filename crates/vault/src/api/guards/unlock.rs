//! `unlockDelete`: consent to a deletion that follows, since a DELETE has no body that could name requests.

use super::{
    Critical, check,
    proxy::{ProxyRecord, Unlocked},
};
use crate::{
    api::{
        Call, Failure,
        resource::{Loaded, TRIES, load},
        vaults,
    },
    reply::Reply,
    store::StoreError,
};
use arm::{ArmError, ResourceId, dataprotection::UnlockDelete};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// How long it holds.
const HOLDS: SignedDuration = SignedDuration::from_mins(10);
const INSTANCE: &str = "Microsoft.DataProtection/backupVaults/backupInstances";

/// Unlocks the deletion of the mapping, or of one instance of the vault, for whoever calls.
pub async fn unlock(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = UnlockDelete::read(&call.json()?)?;
    for _ in 0..TRIES {
        let vault = vaults::of_path(call).await?;
        let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
        let id = vault.id.child("backupResourceGuardProxies", call.params.get("proxy")).map_err(wrong)?;
        let found = load::<ProxyRecord>(call.app.store.as_ref(), &id).await?;
        let mut proxy = found.ok_or_else(|| ArmError::not_found(&id))?;
        let (resource, operation) = asked(&given, &proxy, &vault.id)?;
        check::consent(call, &proxy.document.guard, operation, &given.requests).await?;
        let until = call.now.checked_add(HOLDS).unwrap_or(Timestamp::MAX);
        let principal = call.caller.object_id.clone();
        proxy
            .document
            .unlocked
            .retain(|one| one.until > call.now && !(one.resource == resource && one.principal == principal));
        proxy.document.unlocked.push(Unlocked { resource, principal, until });
        match call.commit(&[proxy.write()?]).await {
            Ok(()) => return Ok(Reply::json(200, json!({"unlockDeleteExpiryTime": until}))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// What is to be deleted, and which operation that is.
fn asked(
    given: &UnlockDelete,
    proxy: &Loaded<ProxyRecord>,
    vault: &ResourceId,
) -> Result<(ResourceId, Critical), ArmError> {
    let wrong = |reason: String| ArmError::invalid_field("resourceToBeDeleted", reason);
    let Some(text) = &given.resource else { return Ok((proxy.id.clone(), Critical::RemoveGuard)) };
    let resource: ResourceId = text.parse().map_err(|error: arm::IdError| wrong(error.to_string()))?;
    match () {
        () if resource == proxy.id => Ok((resource, Critical::RemoveGuard)),
        () if vault.covers(&resource) && resource.kind().is(INSTANCE) => {
            Ok((resource, Critical::DeleteInstance))
        }
        () => Err(wrong(format!(
            "is '{resource}', which is neither this mapping nor an instance of this vault"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v";

    #[test]
    fn only_the_mapping_and_instances_of_the_vault_can_be_unlocked() {
        let vault: ResourceId = VAULT.parse().unwrap();
        let proxy = Loaded {
            id: vault.child("backupResourceGuardProxies", "DppResourceGuardProxy").unwrap(),
            document: ProxyRecord {
                guard: VAULT.replace("backupVaults/v", "resourceGuards/g").parse().unwrap(),
                description: None,
                updated_at: Timestamp::UNIX_EPOCH,
                unlocked: Vec::new(),
            },
            version: 1,
        };
        let operation = |resource: Option<String>| {
            let given = UnlockDelete { requests: Vec::new(), resource };
            asked(&given, &proxy, &vault).map(|(_, operation)| operation).ok()
        };

        assert_eq!(operation(None), Some(Critical::RemoveGuard));
        assert_eq!(operation(Some(proxy.id.to_string())), Some(Critical::RemoveGuard));
        assert_eq!(operation(Some(format!("{VAULT}/backupInstances/i"))), Some(Critical::DeleteInstance));
        assert_eq!(operation(Some(format!("{VAULT}2/backupInstances/i"))), None);
        assert_eq!(operation(Some(format!("{VAULT}/backupPolicies/p"))), None);
        assert_eq!(operation(Some("x".to_owned())), None);
    }
}
