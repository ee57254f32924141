//! The calls on Resource Guards.

use super::{
    KIND, READ,
    decide::{self, GuardRecord, shown},
    proxy,
};
use crate::{
    api::{
        Call, Failure,
        resource::{
            self, Loaded, TRIES, check_conditions, check_group, check_registered, load, put as write, read,
        },
        tracked, vaults,
    },
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId, dataprotection::GuardGiven};
use http::header;

type Guard = Loaded<GuardRecord>;

/// Those that the caller may see, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    resource::page(call, KIND, call.scope()?, |stored| {
        if !call.may(READ, &stored.id) {
            return Ok(None);
        }
        let guard: Guard = read(stored)?;
        Ok(Some(shown(&guard.id, &guard.document, guard.version)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let guard = existing(call).await?.ok_or_else(|| ArmError::not_found(id))?;
    Ok(answer(200, &guard))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = checked(call)?;
    let name = call.params.get("guard");
    decide::check_name(name)?;
    check_registered(call, vaults::NAMESPACE).await?;
    for _ in 0..TRIES {
        let group = check_group(call, call.scope()?).await?;
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let is = found.as_ref().map(|found| found.document.location.as_str());
        let document = GuardRecord {
            location: tracked::location_of(name, is, given.location.as_deref())?,
            tags: given.tags.clone().unwrap_or_default(),
            description: given.description.clone(),
            exclusions: given.exclusions.clone().unwrap_or_default(),
        };
        let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
        let (id, expected, version) = match found {
            Some(found) => (found.id, Expected::Version(found.version), found.version + 1),
            None => (group.with(KIND, name).map_err(wrong)?, Expected::Absent, 1),
        };
        let status = if version == 1 { 201 } else { 200 };
        match call.commit(&[write(&id, &document, expected)?]).await {
            Ok(()) => return Ok(answer(status, &Loaded { id, document, version })),
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
        let id = call.scope()?;
        let found = existing(call).await?.ok_or_else(|| ArmError::not_found(id))?;
        check_conditions(call, Some(found.version))?;
        let is = found.document;
        let document = GuardRecord {
            location: is.location,
            tags: given.tags.clone().unwrap_or(is.tags),
            description: given.description.clone().or(is.description),
            exclusions: given.exclusions.clone().unwrap_or(is.exclusions),
        };
        match call.commit(&[write(&found.id, &document, Expected::Version(found.version))?]).await {
            Ok(()) => return Ok(answer(200, &Loaded { id: found.id, document, version: found.version + 1 })),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Deletes a guard that guards no vault. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        if let Some(vault) = proxy::guarded_by(call.app.store.as_ref(), &found.id).await? {
            let message = format!(
                "The Resource Guard guards the vault '{vault}'. Remove that vault's backupResourceGuardProxies mapping first."
            );
            return Err(ArmError::new(409, "UserErrorResourceGuardInUse", message).into());
        }
        match call.commit(&[Change::Remove(found.id, Expected::Version(found.version))]).await {
            Ok(()) => return Ok(Reply::empty(200)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

fn checked(call: &Call<'_>) -> Result<GuardGiven, ArmError> {
    let given = GuardGiven::read(&call.json()?)?;
    given.tags.as_ref().map_or(Ok(()), tracked::check_tags)?;
    decide::checked(&given)?;
    Ok(given)
}

async fn existing(call: &Call<'_>) -> Result<Option<Guard>, Failure> {
    let id: &ResourceId = call.scope()?;
    Ok(load(call.app.store.as_ref(), id).await?)
}

fn answer(status: u16, guard: &Guard) -> Reply {
    Reply::json(status, shown(&guard.id, &guard.document, guard.version)).with(header::ETAG, guard.etag())
}
