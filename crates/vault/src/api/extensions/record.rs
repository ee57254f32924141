//! What is kept of an extension of a cluster.

use crate::{
    api::resource::{Loaded, read},
    store::{Store, StoreError},
};
use arm::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The type of an extension.
pub const KIND: &str = "Microsoft.KubernetesConfiguration/extensions";
/// The Backup Extension's type.
pub const BACKUP_TYPE: &str = "microsoft.dataprotection.kubernetes";
/// Where the Backup Extension lives unless it is told otherwise.
pub const BACKUP_NAMESPACE: &str = "dataprotection-microsoft";

/// How an extension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtensionState {
    /// It is as it was asked for.
    Succeeded,
    /// It could not be installed or changed.
    Failed,
    /// It is being installed.
    Creating,
    /// It is being changed.
    Updating,
    /// It is being removed.
    Deleting,
}

/// The managed identity of an extension, a `userAssignedIdentities` resource in the node resource group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionIdentity {
    /// The resource.
    pub resource: ResourceId,
    /// Object id.
    pub principal_id: String,
    /// Client id.
    pub client_id: String,
}

/// What is kept of an extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionRecord {
    /// In lower case.
    pub extension_type: String,
    /// Its namespace in the cluster.
    pub namespace: String,
    /// Settings that anyone who may read the extension may see.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Protected settings.
    #[serde(default)]
    pub protected: Option<super::protected::Protected>,
    /// Minor versions are taken by themselves.
    pub auto_upgrade: bool,
    /// From which train.
    pub release_train: String,
    /// A version that was asked for.
    #[serde(default)]
    pub pinned_version: Option<String>,
    /// The version that the agent is told to install.
    pub wanted_version: String,
    /// The version that the agent reported.
    #[serde(default)]
    pub current_version: Option<String>,
    /// Grows with each change that the agent has to carry out, from the second on in which it was made.
    pub generation: u64,
    /// How it stands.
    pub state: ExtensionState,
    /// What the agent said of it.
    #[serde(default)]
    pub statuses: Vec<Value>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<Value>,
    /// The operation that is under way.
    #[serde(default)]
    pub operation: Option<String>,
    /// Its identity.
    #[serde(default)]
    pub identity: Option<ExtensionIdentity>,
    /// How it takes newer versions.
    #[serde(default)]
    pub upgrades: super::upgrade::Upgrades,
}

/// The Backup Extension of a cluster.
pub async fn backup_extension(
    store: &dyn Store,
    cluster: &ResourceId,
) -> Result<Option<Loaded<ExtensionRecord>>, StoreError> {
    for stored in store.resources(KIND, cluster, None, 100).await? {
        let extension: Loaded<ExtensionRecord> = read(stored)?;
        if extension.document.extension_type == BACKUP_TYPE {
            return Ok(Some(extension));
        }
    }
    Ok(None)
}
