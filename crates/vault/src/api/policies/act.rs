//! The calls on policies.

use super::{KIND, decide, shown, used};
use crate::{
    alerts::{self, Event, Rule},
    api::{
        Call, Failure, guards,
        resource::{self, Loaded, TRIES, check_conditions, load, put as write},
        vaults,
    },
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId};
use http::header;

type Policy = Loaded<decide::Kept>;

/// Those of a vault, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let vault = vaults::of_path(call).await?;
    resource::page(call, KIND, &vault.id, |stored| Ok(Some(shown(&stored.id, &stored.document)))).await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    vaults::of_path(call).await?;
    let policy: Policy =
        load(call.app.store.as_ref(), call.scope()?).await?.ok_or_else(|| not_found(call))?;
    Ok(Reply::json(200, shown(&policy.id, &policy.document)).with(header::ETAG, policy.etag()))
}

/// Creates or replaces, at once.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let wanted = decide::wanted(call.params.get("policy"), &call.json()?, &call.app.quotas)?;
    for _ in 0..TRIES {
        let vault = vaults::of_path(call).await?;
        let found: Option<Policy> = load(call.app.store.as_ref(), call.scope()?).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let mut changes = Vec::new();
        let (id, expected) = match &found {
            Some(found) => {
                let immutability = vault.document.settings.security_settings.immutability_settings.state;
                if decide::shortens(&found.document, &wanted.plan, immutability)? {
                    guards::check(call, &vault.id, guards::Critical::UpdatePolicy, &wanted.guard_requests)
                        .await?;
                    let text = format!(
                        "The policy '{}' keeps later recovery points for a shorter time.",
                        found.id.name()
                    );
                    let event = Event::of_call(call, Rule::PolicyShortened, &vault.id, &found.id, text);
                    changes = alerts::fire(call.app, event, call.now).await?;
                }
                (found.id.clone(), Expected::Version(found.version))
            }
            None => (new_id(call, &vault.id).await?, Expected::Absent),
        };
        changes.push(write(&id, &wanted.properties, expected)?);
        if found.is_none() {
            changes.push(Change::AtMost { under: vault.id, kind: KIND, most: call.app.quotas.policies });
        }
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(Reply::json(200, shown(&id, &wanted.properties)));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn new_id(call: &Call<'_>, vault: &ResourceId) -> Result<ResourceId, Failure> {
    let quota = call.app.quotas.policies;
    let there = call.app.store.count(KIND, vault).await?;
    if there >= quota {
        let message = format!("The vault has {there} policies, and {quota} is the limit. Delete one.");
        return Err(ArmError::new(400, "UserErrorMaxBackupPoliciesReached", message).into());
    }
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    Ok(vault.child("backupPolicies", call.params.get("policy")).map_err(wrong)?)
}

/// Deletes what no instance uses. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let store = call.app.store.as_ref();
    for _ in 0..TRIES {
        let found: Option<Policy> = load(store, call.scope()?).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        let vault = vaults::of_path(call).await?;
        if let Some(instance) = used::user_of(store, &vault.id, &found.id).await? {
            return Err(decide::in_use(&found.id, &instance).into());
        }
        match call.commit(&[Change::Remove(found.id, Expected::Version(found.version))]).await {
            Ok(()) => return Ok(Reply::empty(200)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

fn not_found(call: &Call<'_>) -> ArmError {
    let name = call.params.get("policy");
    let message = format!(
        "The backup policy '{name}' is not in this vault. List those that are: GET …/backupPolicies."
    );
    ArmError::new(404, "ResourceNotFound", message).about(name)
}
