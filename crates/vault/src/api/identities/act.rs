//! The calls on identities.

use super::{FEDERATED, FederatedRecord, IdentityRecord, KIND, READ, decide, extension};
use crate::{
    api::{
        Call, Failure,
        resource::{self, Loaded, TRIES, check_group, check_registered, load, read},
        role_assignments::{keep_administrator, last_administrator},
    },
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId};

const NAMESPACE: &str = "Microsoft.ManagedIdentity";

/// Those of a subscription or a group that the caller may see, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let tenant = call.app.issuer.tenant();
    resource::page(call, KIND, call.scope()?, |stored| {
        let one: Loaded<IdentityRecord> = read(stored)?;
        Ok(call.may(READ, &one.id).then(|| decide::shown(tenant, &one.id, &one.document)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let one = existing(call).await?.ok_or_else(|| not_found(call))?;
    Ok(Reply::json(200, shown(call, &one.id, &one.document)))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let (location, tags) = decide::wanted(call.params.get("identity"), &call.json()?)?;
    let group = check_group(call, call.scope()?).await?;
    check_registered(call, NAMESPACE).await?;
    for _ in 0..TRIES {
        let (id, record, status, changes) = match existing(call).await? {
            Some(found) => {
                let record = decide::again(&found.document, &location, tags.clone())?;
                let changed = Loaded { document: record.clone(), ..found };
                (changed.id.clone(), record, 200, vec![changed.write()?])
            }
            None => {
                let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
                let id = group.with(KIND, call.params.get("identity")).map_err(wrong)?;
                let (record, principal) = extension::new(&id, &location, call.now);
                let record = IdentityRecord { tags: tags.clone(), ..record };
                let put = resource::put(&id, &record, Expected::Absent)?;
                (id, record, 201, vec![put, Change::AddPrincipal(principal)])
            }
        };
        match call.commit(&changes).await {
            Ok(()) => return Ok(Reply::json(status, shown(call, &id, &record))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Changes its tags.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    for _ in 0..TRIES {
        let found = existing(call).await?.ok_or_else(|| not_found(call))?;
        let changed = Loaded { document: decide::patched(&found.document, &body)?, ..found };
        match call.commit(&[changed.write()?]).await {
            Ok(()) => return Ok(Reply::json(200, shown(call, &changed.id, &changed.document))),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Deletes it, with its principal and all that the principal was assigned. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let Some(found) = existing(call).await? else { return Ok(Reply::empty(204)) };
        for stored in call.app.store.resources(FEDERATED, &found.id, None, resource::PAGE).await? {
            let credential: Loaded<FederatedRecord> = read(stored)?;
            if let Some(cluster) = credential.document.cluster {
                let message = format!(
                    "The identity '{}' belongs to an extension of '{cluster}' and goes with it. Delete the extension.",
                    found.id.name()
                );
                return Err(ArmError::new(409, "IdentityInUse", message).into());
            }
        }
        let subscription = &call.subscription()?.id;
        let mut changes = vec![Change::Remove(found.id.clone(), Expected::Version(found.version))];
        let assigned = call.app.store.assignments_of(&found.document.principal_id).await?;
        if let Some(kept) = keep_administrator(&assigned, subscription, &call.app.roles) {
            let all = call.app.store.assignments_in(subscription).await?;
            let others: Vec<_> = all
                .into_iter()
                .filter(|one| one.assignment.principal != found.document.principal_id)
                .collect();
            if keep_administrator(&others, subscription, &call.app.roles).is_none() {
                return Err(last_administrator().into());
            }
            changes.push(kept);
        }
        match call.commit(&changes).await {
            Ok(()) => return Ok(Reply::empty(200)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

pub async fn existing(call: &Call<'_>) -> Result<Option<Loaded<IdentityRecord>>, StoreError> {
    match call.scope.as_ref() {
        Some(id) => load(call.app.store.as_ref(), id).await,
        None => Ok(None),
    }
}

fn shown(call: &Call<'_>, id: &ResourceId, record: &IdentityRecord) -> serde_json::Value {
    decide::shown(call.app.issuer.tenant(), id, record)
}

fn not_found(call: &Call<'_>) -> ArmError {
    match &call.scope {
        Some(id) => ArmError::not_found(id),
        None => ArmError::new(404, "ResourceNotFound", "The path names no identity."),
    }
}
