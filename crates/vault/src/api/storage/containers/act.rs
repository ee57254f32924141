//! The calls on containers.

use super::record::{ContainerRecord, container_id, fresh, gone, metadata, shown};
use crate::{
    alerts,
    api::{
        Call, Failure,
        resource::{self, Loaded, TRIES, check_conditions, load, put as write, read},
        storage::{AccountRecord, CONTAINER, READ_CONTAINER, accounts},
    },
    protect::hold::{self, Place},
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, Fields, ResourceId};

type Container = Loaded<ContainerRecord>;

/// Those of an account, in pages. `$filter` is the beginning of their names, as clients send it.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let account = accounts::of_path(call).await?;
    let prefix = call.address.parameter("$filter").unwrap_or_default().to_lowercase();
    resource::page(call, CONTAINER, &account.id, |stored| {
        if !call.may(READ_CONTAINER, &stored.id) || !stored.id.name().starts_with(&prefix) {
            return Ok(None);
        }
        Ok(Some(shown(&read(stored)?)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let account = accounts::of_path(call).await?;
    let container = existing(call, &account.id).await?.ok_or_else(missing)?;
    Ok(answer(200, &container))
}

/// Creates one; of one that is there, changes what is given.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("container");
    blobs::check_container(name).map_err(|error| ArmError::new(400, "InvalidResourceName", error.message))?;
    let body = call.optional_json()?;
    let given = given(body.as_ref())?;
    for _ in 0..TRIES {
        let account = accounts::of_path(call).await?;
        if let Some(found) = existing(call, &account.id).await? {
            match change(call, found, given.clone()).await {
                Err(Failure::Store(StoreError::Conflict(_))) => continue,
                ended => return ended,
            }
        }
        let AccountRecord { store, .. } = &account.document;
        let document = fresh(&account.document, name, given.clone().unwrap_or_default(), call.now);
        call.app.stored.stores.make(store, &document.folder).await.map_err(of_blobs)?;
        let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
        let id = container_id(&account.id, name).map_err(wrong)?;
        // Written back unchanged, so that no container is made in an account that goes at the same time.
        match call.commit(&[account.write()?, write(&id, &document, Expected::Absent)?]).await {
            Ok(()) => return Ok(answer(201, &Loaded { id, document, version: 1 })),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Changes its metadata.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.optional_json()?;
    let given = given(body.as_ref())?;
    for _ in 0..TRIES {
        let account = accounts::of_path(call).await?;
        let found = existing(call, &account.id).await?.ok_or_else(missing)?;
        match change(call, found, given.clone()).await {
            Err(Failure::Store(StoreError::Conflict(_))) => {}
            ended => return ended,
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

type Metadata = std::collections::BTreeMap<String, String>;

fn given(body: Option<&serde_json::Value>) -> Result<Option<Metadata>, ArmError> {
    let properties =
        body.map(Fields::of).transpose()?.map(|fields| fields.object("properties")).transpose()?;
    metadata(properties.flatten().as_ref())
}

async fn change(call: &Call<'_>, mut found: Container, given: Option<Metadata>) -> Result<Reply, Failure> {
    check_conditions(call, Some(found.version))?;
    let Some(metadata) = given.filter(|given| *given != found.document.metadata) else {
        return Ok(answer(200, &found));
    };
    found.document.metadata = metadata;
    found.document.modified = call.now;
    call.commit(&[found.write()?]).await?;
    found.version += 1;
    Ok(answer(200, &found))
}

/// Deletes it; its blobs go in the background. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let account = accounts::of_path(call).await?;
        let Some(found) = existing(call, &account.id).await? else { return Ok(Reply::empty(204)) };
        let place = Place { accounts: &[account.id.name()], container: Some(found.id.name()) };
        if let Some(refusal) =
            hold::keeps(call.app.store.as_ref(), place, "ContainerProtectedFromDeletion").await?
        {
            return Err(refusal.into());
        }
        let mut changes: Vec<Change> = gone(&account.document, &found, call.now).into_iter().collect();
        let (name, caller) = (found.id.name(), &call.caller.object_id);
        changes.extend(
            alerts::place_deleted(call.app, &[account.id.name()], Some(name), caller, call.now).await?,
        );
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(Reply::empty(200));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn existing(call: &Call<'_>, account: &ResourceId) -> Result<Option<Container>, Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let id = container_id(account, call.params.get("container")).map_err(wrong)?;
    Ok(load(call.app.store.as_ref(), &id).await?)
}

fn missing() -> ArmError {
    ArmError::new(404, "ContainerNotFound", "The specified container does not exist.")
}

fn of_blobs(error: blobs::BlobError) -> ArmError {
    ArmError::new(error.status.as_u16(), error.code, error.message)
}

fn answer(status: u16, container: &Container) -> Reply {
    Reply::json(status, shown(container))
}
