//! The calls on clusters.

use super::{
    ClusterIdentity, ClusterRecord, KIND, READ,
    decide::{self, Given, Wanted},
    leave,
    shown::shown,
};
use crate::{
    api::{
        Administrators, Call, Failure, administrators_below, finished,
        identities::ensure_node_group,
        last_administrator, locks,
        operation::{accepted, followed},
        resource::{
            self, Loaded, TRIES, check_conditions, check_group, check_registered, etag, load, put as write,
            read,
        },
        storage, tracked, vaults,
    },
    reply::Reply,
    store::{Change, Expected, StoreError, Stored},
};
use arm::{ArmError, Fields, ResourceId};
use http::header;
use serde_json::{Value, json};

pub(super) type Cluster = Loaded<ClusterRecord>;
const NAMESPACE: &str = "Microsoft.ContainerService";

/// Those that the caller may see, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let held = call.app.clusters.known();
    resource::page(call, KIND, call.scope()?, |stored| {
        if !call.may(READ, &stored.id) {
            return Ok(None);
        }
        Ok(Some(document(call, &read(stored)?, &held)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let cluster = existing(call).await?.ok_or_else(|| missing(call))?;
    Ok(answer(call, 200, &cluster))
}

/// Creates or replaces.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("cluster");
    decide::check_name(name)?;
    let given = decide::given(&call.json()?)?;
    check_registered(call, NAMESPACE).await?;
    for _ in 0..TRIES {
        let group = check_group(call, call.scope()?).await?;
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.document.revision()))?;
        let (id, expected, status) = match &found {
            Some(found) => (found.id.clone(), Expected::Version(found.version), 200),
            None => {
                let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
                (group.with(KIND, name).map_err(wrong)?, Expected::Absent, 201)
            }
        };
        let before = found.as_ref().map(|found| &found.document);
        let (record, mut changes) = changed(call, &id, before, &given).await?;
        let version = found.as_ref().map_or(1, |found| found.version + 1);
        let cluster = Loaded { id, document: record, version };
        ensure_node_group(call.app.store.as_ref(), &cluster, &mut changes).await?;
        changes.insert(0, write(&cluster.id, &cluster.document, expected)?);
        let operation = finished(call, "Microsoft.ContainerService/managedClusters/write", &cluster.id);
        changes.push(Change::Begin(operation.clone()));
        match call.commit(&changes).await {
            Ok(()) => return Ok(followed(call, answer(call, status, &cluster), &operation, false)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// The record that a PUT leads to, and what changes beside it.
async fn changed(
    call: &Call<'_>,
    id: &ResourceId,
    before: Option<&ClusterRecord>,
    given: &Given,
) -> Result<(ClusterRecord, Vec<Change>), Failure> {
    let is = before.map(|before| &before.identity);
    let wanted = decide::identity(is, given.identity.as_ref(), given.client_id.as_deref())?;
    let location = tracked::location_of(
        id.name(),
        before.map(|before| before.location.as_str()),
        given.location.as_deref(),
    )?;
    let node_resource_group = decide::node_resource_group(
        id,
        &location,
        before.map(|before| before.node_resource_group.as_str()),
        given.node_resource_group.as_deref(),
    )?;
    let (identity, changes) = identity(call, id, is, wanted).await?;
    let record = ClusterRecord {
        location,
        tags: given.tags.clone().unwrap_or_default(),
        identity,
        node_resource_group,
        connection: before.and_then(|before| before.connection.clone()),
        given: decide::settings(before, given.kept.clone()),
        observed: before.and_then(|before| before.observed.clone()),
        observed_at: before.and_then(|before| before.observed_at),
    };
    Ok((record, changes))
}

async fn identity(
    call: &Call<'_>,
    id: &ResourceId,
    is: Option<&ClusterIdentity>,
    wanted: Wanted,
) -> Result<(ClusterIdentity, Vec<Change>), Failure> {
    let mut changes = Vec::new();
    let identity = match wanted {
        Wanted::Kept(kept) => return Ok((kept, changes)),
        Wanted::System => {
            let made = vaults::own_principal(call, id);
            let principal_id = made.object_id.clone();
            changes.push(Change::AddPrincipal(made));
            ClusterIdentity::SystemAssigned { principal_id }
        }
        Wanted::User(resource) => {
            let one = vaults::user_identity(call, &resource).await?;
            ClusterIdentity::UserAssigned {
                resource,
                principal_id: one.principal_id,
                client_id: one.client_id,
            }
        }
        Wanted::ServicePrincipal(client_id) => ClusterIdentity::ServicePrincipal { client_id },
    };
    if let Some(ClusterIdentity::SystemAssigned { principal_id }) = is {
        changes.push(Change::RemovePrincipal(principal_id.clone()));
    }
    Ok((identity, changes))
}

/// Changes its tags.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let tags = Fields::of(&body)?.texts("tags")?;
    tags.as_ref().map_or(Ok(()), tracked::check_tags)?;
    for _ in 0..TRIES {
        let mut cluster = existing(call).await?.ok_or_else(|| missing(call))?;
        check_conditions(call, Some(cluster.document.revision()))?;
        if let Some(tags) = &tags {
            cluster.document.tags = tags.clone();
        }
        match call.commit(&[cluster.write()?]).await {
            Ok(()) => return Ok(answer(call, 200, &cluster)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Deletes it, with bindings, extensions, identities and its connection: what runs in the cluster is left alone there, and
/// reaches the vault no more.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.document.revision()))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        let store = call.app.store.as_ref();
        // Read before it is asked what must stay.
        let no_more_locks = locks::no_more(store, &found.id).await?;
        let leaving = leave::leaving_with(store, &found).await?;
        if let Some(refusal) = leave::keeps(store, &found).await? {
            return Err(refusal.into());
        }
        let mut changes = vec![no_more_locks];
        changes.extend(leaving.changes.iter().cloned());
        changes.extend(storage::gone(call.app, &leaving.groups, &call.caller.object_id, call.now).await?);
        changes.push(Change::Remove(found.id.clone(), Expected::Version(found.version)));
        changes.extend(leaving.removals.iter().cloned());
        match administrators_below(call.app, &leaving.scopes).await? {
            Administrators::Elsewhere => {}
            Administrators::Both(keep) => changes.push(keep),
            Administrators::Below => return Err(last_administrator().into()),
        }
        let mut operation = finished(call, "Microsoft.ContainerService/managedClusters/delete", &found.id);
        if let Some(told) = leaving.told() {
            tracing::warn!(cluster = %found.id, "{told}");
            operation.result = Some(json!({"objectType": "OperationJobExtendedInfo", "message": told}));
        }
        changes.push(Change::Begin(operation.clone()));
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                if let Some(connection) = &found.document.connection {
                    call.app.clusters.disconnected(connection);
                }
                return Ok(accepted(call, &operation));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// The cluster of a path that may go on behind it.
pub async fn of_path(call: &Call<'_>) -> Result<Cluster, Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let group =
        ResourceId::group(call.params.get("subscription"), call.params.get("group")).map_err(wrong)?;
    let id = group.with(KIND, call.params.get("cluster")).map_err(wrong)?;
    let found = load(call.app.store.as_ref(), &id).await?;
    Ok(found.ok_or_else(|| ArmError::not_found(&id))?)
}

async fn existing(call: &Call<'_>) -> Result<Option<Cluster>, Failure> {
    Ok(load(call.app.store.as_ref(), call.scope()?).await?)
}

fn missing(call: &Call<'_>) -> ArmError {
    call.scope().map_or_else(|error| error, ArmError::not_found)
}

/// A cluster as clients read it.
pub fn answer(call: &Call<'_>, status: u16, cluster: &Cluster) -> Reply {
    let body = document(call, cluster, &call.app.clusters.known());
    Reply::json(status, body).with(header::ETAG, etag(cluster.document.revision()))
}

fn document(call: &Call<'_>, cluster: &Cluster, held: &[String]) -> Value {
    let contact = cluster.document.contact(held, call.now);
    shown(&cluster.id, &cluster.document, call.app.issuer.tenant(), contact)
}

/// A cluster as a row of Resource Graph.
pub fn row(call: &Call<'_>, stored: Stored) -> Result<Value, StoreError> {
    Ok(document(call, &read(stored)?, &call.app.clusters.known()))
}
