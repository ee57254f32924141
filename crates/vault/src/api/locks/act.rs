//! The calls on locks.

use super::{
    KIND,
    decide::{Lock, listed, shown, wanted},
};
use crate::{
    api::{
        Call, Failure,
        resource::{self, Loaded, TRIES, check_conditions, load, put as write},
        role_assignments::{given_scope, real_scope},
    },
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId};
use http::header;

/// Those above, at and below a scope, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let (scope, filter) = (real_scope(call).await?, call.filter()?);
    resource::page(call, KIND, &call.subscription()?.id, |stored| {
        let lock: Loaded<Lock> = resource::read(stored)?;
        Ok(listed(&filter, &scope, &lock.document)?.then(|| shown(&lock.id, &lock.document)))
    })
    .await
}

/// One, also of what is gone.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let found = existing(call, &given_scope(call)?).await?;
    let lock = found.ok_or_else(|| {
        let message = format!("The lock '{}' could not be found.", call.params.get("name"));
        ArmError::new(404, "LockNotFound", message)
    })?;
    Ok(Reply::json(200, shown(&lock.id, &lock.document)).with(header::ETAG, lock.etag()))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let scope = real_scope(call).await?;
        let lock = wanted(call.params.get("name"), scope.clone(), &call.json()?)?;
        let found = existing(call, &scope).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let (id, expected, status) = match found {
            Some(found) => (found.id, Expected::Version(found.version), 200),
            None => (id(&scope, &lock.name)?, Expected::Absent, 201),
        };
        let mut changes = touched(call, &scope).await?;
        changes.push(write(&id, &lock, expected)?);
        match call.commit(&changes).await {
            Ok(()) => return Ok(Reply::json(status, shown(&id, &lock))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Takes it away, also of what is gone. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call, &given_scope(call)?).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        match call.commit(&[Change::Remove(found.id, Expected::Version(found.version))]).await {
            Ok(()) => return Ok(Reply::empty(200)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Whoever deletes what is to be locked, or something above it, at this moment meets a conflict and asks for locks again.
async fn touched(call: &Call<'_>, scope: &ResourceId) -> Result<Vec<Change>, Failure> {
    let mut changes = resource::touched_above(call.app.store.as_ref(), scope).await?;
    // A subscription always stays. Anything else must still be there, even if it went since it was looked for.
    let is_subscription = *scope == call.subscription()?.id;
    changes.extend((!is_subscription).then(|| Change::Touch(scope.clone())));
    Ok(changes)
}

async fn existing(call: &Call<'_>, scope: &ResourceId) -> Result<Option<Loaded<Lock>>, Failure> {
    Ok(load(call.app.store.as_ref(), &id(scope, call.params.get("name"))?).await?)
}

fn id(scope: &ResourceId, name: &str) -> Result<ResourceId, ArmError> {
    scope.with(KIND, name).map_err(|error| ArmError::new(400, "InvalidLockName", error.to_string()))
}
