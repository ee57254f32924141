//! The managed identity of an extension: a resource in the cluster's node resource group, which lives as long as the
//! extension does.

use super::{EXCHANGE_AUDIENCE, FederatedRecord, IdentityRecord, KIND, ensure_node_group, node_group};
use crate::{
    api::{
        Failure,
        clusters::ClusterRecord,
        extensions::ExtensionIdentity,
        resource::{Loaded, load, put, read},
    },
    refused_looks::forgotten,
    store::{Change, Expected, Principal, PrincipalKind, Store, StoreError, Stores},
};
use arm::{ArmError, ResourceId};
use jiff::Timestamp;
use uuid::Uuid;

/// The name of the federated credential.
const CREDENTIAL: &str = "cofferdam-extension";

/// The identity of an extension, and the changes that make it, its credential and the node resource group where they are
/// not there yet. They belong into one commit with what is kept of the extension; a conflict means: read and ask again.
pub async fn ensure_extension_identity(
    store: &dyn Store,
    cluster: &Loaded<ClusterRecord>,
    extension: &str,
    namespace: &str,
    now: Timestamp,
) -> Result<(ExtensionIdentity, Vec<Change>), Failure> {
    let mut changes = Vec::new();
    let group = ensure_node_group(store, cluster, &mut changes).await?;
    let resource = group.with(KIND, &name(extension, cluster)).map_err(damaged)?;
    let credential = resource.child("federatedIdentityCredentials", CREDENTIAL).map_err(damaged)?;
    let known: Option<Loaded<FederatedRecord>> = load(store, &credential).await?;
    let found: Option<Loaded<IdentityRecord>> = load(store, &resource).await?;
    let (resource, record) = match found {
        Some(found) if is_for(known.as_ref(), cluster) => (found.id, found.document),
        Some(found) => return Err(occupied(&found.id, extension).into()),
        None => {
            let (record, principal) = new(&resource, &cluster.document.location, now);
            changes.push(put(&resource, &record, Expected::Absent)?);
            changes.push(Change::AddPrincipal(principal));
            (resource, record)
        }
    };
    let issuer =
        cluster.document.observed.as_ref().and_then(|observed| observed.get("tokenIssuer")?.as_str());
    let wanted = FederatedRecord {
        issuer: issuer.unwrap_or("https://kubernetes.default.svc").to_owned(),
        subject: format!("system:serviceaccount:{namespace}:cofferdam-extension"),
        audiences: vec![EXCHANGE_AUDIENCE.to_owned()],
        cluster: Some(cluster.id.clone()),
    };
    match known {
        Some(found) if found.document == wanted => {}
        Some(found) => changes.push(Loaded { document: wanted, ..found }.write()?),
        None => changes.push(put(&credential, &wanted, Expected::Absent)?),
    }
    let identity =
        ExtensionIdentity { resource, principal_id: record.principal_id, client_id: record.client_id };
    Ok((identity, changes))
}

/// Only the vault itself writes the cluster into a credential: it made the identity for an extension of that cluster.
fn is_for(credential: Option<&Loaded<FederatedRecord>>, cluster: &Loaded<ClusterRecord>) -> bool {
    credential.is_some_and(|one| one.document.cluster.as_ref() == Some(&cluster.id))
}

/// An identity that somebody else made is never taken: whoever made it may hold credentials for it.
fn occupied(identity: &ResourceId, extension: &str) -> ArmError {
    let message = format!(
        "The identity '{}' exists and was not made for the extension '{extension}'. Delete it, or give the extension another \
         name.",
        identity.name()
    );
    ArmError::new(409, "ExtensionIdentityAlreadyExists", message).about(identity.as_str())
}

/// Whether the identity of an extension is there, with its principal.
pub async fn has_extension_identity(store: &dyn Store, identity: Option<&ExtensionIdentity>) -> Stores<bool> {
    let Some(identity) = identity else { return Ok(false) };
    let principal = store.principal(&identity.principal_id).await?;
    Ok(principal.is_some_and(|principal| principal.resource.as_ref() == Some(&identity.resource)))
}

/// The changes by which the identity of an extension goes, with its credential, principal and role assignments; none
/// when it is gone already.
pub async fn remove_extension_identity(
    store: &dyn Store,
    cluster: &Loaded<ClusterRecord>,
    extension: &str,
) -> Stores<Vec<Change>> {
    let resource = node_group(cluster)?.with(KIND, &name(extension, cluster)).map_err(damaged)?;
    let Some(stored) = store.resource(&resource).await? else { return Ok(Vec::new()) };
    let identity: Loaded<IdentityRecord> = read(stored)?;
    let mut changes = Vec::from(forgotten(&identity.document.principal_id));
    changes.push(Change::Remove(identity.id, Expected::Version(identity.version)));
    Ok(changes)
}

/// A new identity and its principal.
pub fn new(resource: &ResourceId, location: &str, now: Timestamp) -> (IdentityRecord, Principal) {
    let principal = Principal {
        object_id: Uuid::new_v4().to_string(),
        client_id: Uuid::new_v4().to_string(),
        name: resource.name().to_owned(),
        kind: PrincipalKind::ManagedIdentity,
        resource: Some(resource.clone()),
        created_at: now,
    };
    let record = IdentityRecord {
        location: location.to_owned(),
        tags: Default::default(),
        principal_id: principal.object_id.clone(),
        client_id: principal.client_id.clone(),
    };
    (record, principal)
}

fn name(extension: &str, cluster: &Loaded<ClusterRecord>) -> String {
    format!("ext-{extension}-{}", cluster.id.name())
}

fn damaged(error: arm::IdError) -> StoreError {
    StoreError::Damaged(error.to_string())
}
