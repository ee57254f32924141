//! The node resource group of a cluster: the vault makes it, and takes it away with the cluster. Only the vault writes down
//! whose it is: what clients say in `managedBy` makes no group a cluster's, for it would go with that cluster.

use super::{FEDERATED, FederatedRecord, KIND};
use crate::api::Each;
use crate::{
    api::{
        Failure, Group,
        clusters::ClusterRecord,
        kinds_in_groups, read_group,
        resource::{Loaded, put, read},
    },
    store::{Change, Expected, Store, StoreError, Stored, Stores},
};
use arm::{ArmError, ResourceId};

/// Id of a cluster's node resource group.
pub fn node_group(cluster: &Loaded<ClusterRecord>) -> Stores<ResourceId> {
    ResourceId::group(cluster.id.subscription_id(), &cluster.document.node_resource_group)
        .map_err(|error| StoreError::Damaged(error.to_string()))
}

/// The node resource group of a cluster; the change that makes it is added where it is not there. A group of someone
/// else's is never taken: what the vault puts there, and takes away with the cluster, would be theirs.
pub async fn ensure_node_group(
    store: &dyn Store,
    cluster: &Loaded<ClusterRecord>,
    changes: &mut Vec<Change>,
) -> Result<ResourceId, Failure> {
    let group = node_group(cluster)?;
    let Some(stored) = store.resource(&group).await? else {
        let record = Group {
            location: cluster.document.location.clone(),
            managed_by: Some(cluster.id.to_string()),
            node_group_of: Some(cluster.id.clone()),
            ..Group::default()
        };
        changes.push(put(&group, &record, Expected::Absent)?);
        return Ok(group);
    };
    let is = read_group(&stored)?;
    if is.deleting {
        let message = format!(
            "The node resource group '{}' is being deleted. Wait until it is gone.",
            stored.id.name()
        );
        return Err(ArmError::new(409, "ResourceGroupBeingDeleted", message)
            .about(stored.id.as_str())
            .into());
    }
    // Earlier vaults did not write down whose it is. A cluster that is there goes on with such a group, but a new one
    // never begins with it.
    let is_known = says(&is, cluster) && store.resource(&cluster.id).await?.is_some();
    if is_own(&is, cluster) || is_known {
        return Ok(stored.id);
    }
    let message = format!(
        "The node resource group '{}' exists and does not belong to the cluster '{}'. Name another one in \
         properties.nodeResourceGroup, or delete that one first.",
        stored.id.name(),
        cluster.id.name()
    );
    Err(ArmError::new(409, "NodeResourceGroupAlreadyExists", message)
        .about("properties.nodeResourceGroup")
        .into())
}

fn is_own(group: &Group, cluster: &Loaded<ClusterRecord>) -> bool {
    group.node_group_of.as_ref() == Some(&cluster.id)
}

/// Whether a group of which the vault wrote nothing down is said to be the cluster's.
fn says(group: &Group, cluster: &Loaded<ClusterRecord>) -> bool {
    let said = group.managed_by.as_ref().and_then(|id| id.parse::<ResourceId>().ok());
    group.node_group_of.is_none() && said.as_ref() == Some(&cluster.id)
}

/// What of a node resource group goes with its cluster.
#[derive(Debug, Default)]
pub struct NodeGroup {
    /// The whole group.
    pub group: Option<Stored>,
    /// Of a group that stays: the identities of the cluster's extensions.
    pub identities: Vec<Stored>,
    /// A group that is said to be the cluster's, and stays.
    pub stays: Option<ResourceId>,
}

/// What of its node resource group goes with a cluster: the group that the vault made for it. A group of an earlier vault,
/// of which nothing was written down, goes where nothing but the identities of this cluster's extensions is in it; else
/// somebody may have put there what is theirs, and the group stays.
pub async fn going_with(store: &dyn Store, cluster: &Loaded<ClusterRecord>) -> Stores<NodeGroup> {
    let Some(stored) = store.resource(&node_group(cluster)?).await? else { return Ok(NodeGroup::default()) };
    let group = read_group(&stored)?;
    if is_own(&group, cluster) {
        return Ok(NodeGroup { group: Some(stored), ..NodeGroup::default() });
    }
    let identities = identities(store, &stored.id, cluster).await?;
    if !says(&group, cluster) {
        return Ok(NodeGroup { identities, ..NodeGroup::default() });
    }
    let mut all = 0;
    for kind in kinds_in_groups() {
        all += store.count(kind, &stored.id).await?;
    }
    if !identities.is_empty() && all == identities.len() {
        return Ok(NodeGroup { group: Some(stored), ..NodeGroup::default() });
    }
    Ok(NodeGroup { group: None, identities, stays: Some(stored.id) })
}

/// The identities that the vault made for extensions of a cluster: only the vault writes the cluster into a credential.
async fn identities(
    store: &dyn Store,
    group: &ResourceId,
    cluster: &Loaded<ClusterRecord>,
) -> Stores<Vec<Stored>> {
    let mut found = Vec::new();
    let mut each = Each::of(store, FEDERATED, group);
    while let Some(stored) = each.next().await? {
        let credential: Loaded<FederatedRecord> = read(stored)?;
        if credential.document.cluster.as_ref() != Some(&cluster.id) {
            continue;
        }
        let Some(identity) = credential.id.parent().filter(|id| id.kind().is(KIND)) else { continue };
        found.extend(store.resource(&identity).await?);
    }
    Ok(found)
}
