//! The calls on federated credentials. Each write touches the identity too, so that two at once are decided one after
//! the other.

use super::{
    FEDERATED, FederatedRecord, IdentityRecord, MOST_CREDENTIALS,
    decide::{credential, shown_credential},
};
use crate::{
    api::{
        Call, Failure,
        resource::{self, Loaded, TRIES, load, read},
    },
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId};

/// All of an identity.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let identity = parent(call, call.scope()?).await?;
    resource::page(call, FEDERATED, &identity.id, |stored| {
        let one: Loaded<FederatedRecord> = read(stored)?;
        Ok(Some(shown_credential(&one.id, &one.document)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let found: Option<Loaded<FederatedRecord>> = load(call.app.store.as_ref(), id).await?;
    let found = found.ok_or_else(|| ArmError::not_found(id))?;
    Ok(Reply::json(200, shown_credential(&found.id, &found.document)))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("credential");
    let wanted = credential(name, &call.json()?)?;
    for _ in 0..TRIES {
        let identity = parent_of(call).await?;
        let all = all(call, &identity.id).await?;
        let is_same = |one: &&Loaded<FederatedRecord>| one.id.name().eq_ignore_ascii_case(name);
        let existing = all.iter().find(is_same);
        let others: Vec<_> = all.iter().filter(|one| !is_same(one)).collect();
        refuse_managed(existing)?;
        if existing.is_none() && all.len() >= MOST_CREDENTIALS {
            let message =
                format!("The identity has {MOST_CREDENTIALS} federated credentials, and can have no more.");
            return Err(ArmError::new(400, "TooManyFederatedIdentityCredentials", message).into());
        }
        let twin = |one: &&&Loaded<FederatedRecord>| {
            one.document.issuer == wanted.issuer && one.document.subject == wanted.subject
        };
        if let Some(twin) = others.iter().find(twin) {
            let message = format!(
                "Issuer and subject are already those of the federated credential '{}'. Change that one.",
                twin.id.name()
            );
            return Err(ArmError::new(409, "FederatedIdentityCredentialExists", message).into());
        }
        let (id, status, change) = match existing {
            Some(existing) => {
                let changed = Loaded { document: wanted.clone(), ..existing.clone() };
                (existing.id.clone(), 200, changed.write()?)
            }
            None => {
                let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
                let id = identity.id.child("federatedIdentityCredentials", name).map_err(wrong)?;
                let put = resource::put(&id, &wanted, Expected::Absent)?;
                (id, 201, put)
            }
        };
        match call.commit(&[identity.write()?, change]).await {
            Ok(()) => return Ok(Reply::json(status, shown_credential(&id, &wanted))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Deletes one. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found: Option<Loaded<FederatedRecord>> = load(call.app.store.as_ref(), call.scope()?).await?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        refuse_managed(Some(&found))?;
        let remove = Change::Remove(found.id.clone(), Expected::Version(found.version));
        match call.commit(&[parent_of(call).await?.write()?, remove]).await {
            Ok(()) => return Ok(Reply::empty(200)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

fn refuse_managed(existing: Option<&Loaded<FederatedRecord>>) -> Result<(), ArmError> {
    match existing.and_then(|one| one.document.cluster.as_ref()) {
        None => Ok(()),
        Some(cluster) => {
            let message = format!(
                "This federated credential belongs to an extension of '{cluster}' and cannot be changed. Make another one."
            );
            Err(ArmError::new(409, "FederatedIdentityCredentialInUse", message))
        }
    }
}

async fn all(call: &Call<'_>, identity: &ResourceId) -> Result<Vec<Loaded<FederatedRecord>>, StoreError> {
    let stored = call.app.store.resources(FEDERATED, identity, None, resource::PAGE).await?;
    stored.into_iter().map(read).collect()
}

async fn parent_of(call: &Call<'_>) -> Result<Loaded<IdentityRecord>, Failure> {
    let id = call.scope()?;
    let above = id.parent().ok_or_else(|| ArmError::not_found(id))?;
    parent(call, &above).await
}

async fn parent(call: &Call<'_>, id: &ResourceId) -> Result<Loaded<IdentityRecord>, Failure> {
    let missing = || {
        let message = format!("The parent resource '{id}' could not be found. Create the identity first.");
        ArmError::new(404, "ParentResourceNotFound", message)
    };
    Ok(load(call.app.store.as_ref(), id).await?.ok_or_else(missing)?)
}
