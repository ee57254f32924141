//! What is kept of a managed identity and of the outside tokens that it takes for itself.

use arm::ResourceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The type of a managed identity.
pub const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
/// The type of a federated credential.
pub const FEDERATED: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
/// The audience of tokens that are exchanged for one of an identity.
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";
/// More credentials an identity cannot have.
pub const MOST_CREDENTIALS: usize = 20;

/// What is kept of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRecord {
    /// Where.
    pub location: String,
    /// Labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Object id of its principal.
    pub principal_id: String,
    /// Client id of its principal.
    pub client_id: String,
}

/// Whose tokens are taken for an identity, and which of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FederatedRecord {
    /// The issuer's name. For a cluster's tokens the one that counts is what the cluster reported.
    pub issuer: String,
    /// For whom the issuer made the token.
    pub subject: String,
    /// One of these must be the token's.
    pub audiences: Vec<String>,
    /// The cluster whose reported keys verify the token. Only the vault itself writes this; without it the issuer must
    /// be one that the operator trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ResourceId>,
}
