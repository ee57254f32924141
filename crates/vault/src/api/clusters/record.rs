//! What is kept of a managed cluster and of its Trusted Access bindings.

use crate::{
    api::resource::{Loaded, read},
    store::{Store, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The type of a cluster.
pub const KIND: &str = "Microsoft.ContainerService/managedClusters";
/// The type of a Trusted Access binding.
pub const BINDING: &str = "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings";
/// The one role that a Backup vault can have in a cluster.
pub const BACKUP_OPERATOR: &str = identity::required::BACKUP_OPERATOR;
/// More bindings a cluster cannot have.
pub const MOST_BINDINGS: usize = 8;

/// The identity with which a cluster acts on resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum ClusterIdentity {
    /// Its own.
    SystemAssigned {
        /// Object id.
        principal_id: String,
    },
    /// A resource's.
    UserAssigned {
        /// The resource.
        resource: ResourceId,
        /// Its object id.
        principal_id: String,
        /// Its client id.
        client_id: String,
    },
    /// A service principal: such clusters cannot be protected until they are given a managed identity.
    ServicePrincipal {
        /// Client id.
        client_id: String,
    },
}

impl ClusterIdentity {
    /// The object id of a managed identity.
    pub fn principal(&self) -> Option<&str> {
        match self {
            Self::SystemAssigned { principal_id } | Self::UserAssigned { principal_id, .. } => {
                Some(principal_id)
            }
            Self::ServicePrincipal { .. } => None,
        }
    }
}

/// What is kept of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRecord {
    /// Where.
    pub location: String,
    /// Labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// With which it acts.
    pub identity: ClusterIdentity,
    /// The group that holds what belongs to the cluster: its extensions' identities, for example.
    pub node_resource_group: String,
    /// The connection by which its parts reach the vault; none before `connect` and after disconnecting.
    #[serde(default)]
    pub connection: Option<String>,
    /// `properties` as a client gave them: network and access profiles, storage profile and so on.
    #[serde(default)]
    pub given: Value,
    /// What the agent reported last.
    #[serde(default)]
    pub observed: Option<Value>,
    /// When that was.
    #[serde(default)]
    pub observed_at: Option<Timestamp>,
}

/// What is kept of a Trusted Access binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BindingRecord {
    /// Whom it lets in: a Backup vault.
    pub source_resource_id: ResourceId,
    /// As what.
    pub roles: Vec<String>,
}

/// The binding by which a cluster lets a Backup vault in.
pub async fn binding_for(
    store: &dyn Store,
    cluster: &ResourceId,
    vault: &ResourceId,
) -> Result<Option<Loaded<BindingRecord>>, StoreError> {
    for stored in store.resources(BINDING, cluster, None, 100).await? {
        let binding: Loaded<BindingRecord> = read(stored)?;
        let operates = binding.document.roles.iter().any(|role| role.eq_ignore_ascii_case(BACKUP_OPERATOR));
        if binding.document.source_resource_id == *vault && operates {
            return Ok(Some(binding));
        }
    }
    Ok(None)
}
