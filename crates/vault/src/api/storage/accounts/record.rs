//! What is kept of an account, and how clients read it.

use super::NetworkRules;
use crate::{api::storage::ACCOUNT, public_url::PublicUrl};
use arm::ResourceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is kept of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountRecord {
    /// Where.
    pub location: String,
    /// Labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// `Standard_LRS` and the like; says nothing about how the store keeps it.
    pub sku: String,
    /// `StorageV2` and the like.
    pub kind: String,
    /// What the client said about encryption; whether the store encrypts is the operator's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Value>,
    /// Hot or cool; kept and without effect.
    pub access_tier: String,
    /// Who reaches its data.
    #[serde(default)]
    pub network: NetworkRules,
    /// In which of the operator's stores.
    pub store: String,
    /// In which folder there; no other account ever had it.
    pub folder: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// As clients read it.
pub fn shown(id: &ResourceId, record: &AccountRecord, public: &PublicUrl) -> Value {
    let tier = record.sku.split('_').next().unwrap_or_default();
    let encryption = record.encryption.clone().unwrap_or_else(|| {
        let service = json!({"enabled": true, "keyType": "Account", "lastEnabledTime": record.created_at});
        json!({"keySource": "Microsoft.Storage", "services": {"blob": service}})
    });
    json!({
        "id": id,
        "name": id.name(),
        "type": ACCOUNT,
        "location": record.location,
        "tags": record.tags,
        "sku": {"name": record.sku, "tier": tier},
        "kind": record.kind,
        "properties": {
            "provisioningState": "Succeeded",
            "creationTime": record.created_at,
            "primaryLocation": record.location,
            "statusOfPrimary": "available",
            "primaryEndpoints": {"blob": public.at(&format!("/{}/", id.name()))},
            "accessTier": record.access_tier,
            "encryption": encryption,
            "networkAcls": record.network.shown(),
            "publicNetworkAccess": if record.network.private { "Disabled" } else { "Enabled" },
            "allowSharedKeyAccess": false,
            "allowBlobPublicAccess": false,
            "allowCrossTenantReplication": false,
            "defaultToOAuthAuthentication": true,
            "isHnsEnabled": false,
            "supportsHttpsTrafficOnly": true,
            "minimumTlsVersion": "TLS1_2",
            "cofferdamStore": record.store,
        },
    })
}
