//! What is kept of a vault, and how clients read it.

use super::KIND;
use crate::api::resource::etag;
use arm::{
    ResourceId,
    dataprotection::{IdentityKind, ImmutabilityState, Redundancy, SoftDeleteState, VaultSettings},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A managed identity of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemIdentity {
    /// Object id.
    pub principal_id: String,
}

/// A managed identity that is a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity {
    /// Object id.
    pub principal_id: String,
    /// Client id.
    pub client_id: String,
}

/// With which identities a vault acts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultIdentity {
    /// Its own.
    pub system: Option<SystemIdentity>,
    /// Those of other resources, by id as the client wrote it.
    #[serde(default)]
    pub user: BTreeMap<String, UserIdentity>,
}

/// What is kept of a vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultRecord {
    /// Where.
    pub location: String,
    /// Labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// With which it acts.
    #[serde(default)]
    pub identity: VaultIdentity,
    /// What clients set.
    pub settings: VaultSettings,
    /// The Resource Guard that guards it; written together with the mapping.
    #[serde(default)]
    pub guard: Option<ResourceId>,
}

impl VaultIdentity {
    /// Which kinds it has.
    pub fn kind(&self) -> IdentityKind {
        IdentityKind { system: self.system.is_some(), user: !self.user.is_empty() }
    }

    fn shown(&self, tenant: &str) -> Value {
        let mut shown = Map::from_iter([("type".to_owned(), json!(self.kind().word()))]);
        if let Some(system) = &self.system {
            shown.insert("principalId".to_owned(), json!(system.principal_id));
        }
        if self.kind() != IdentityKind::default() {
            shown.insert("tenantId".to_owned(), json!(tenant));
        }
        if !self.user.is_empty() {
            shown.insert("userAssignedIdentities".to_owned(), json!(self.user));
        }
        Value::Object(shown)
    }
}

/// As clients read it.
pub fn shown(id: &ResourceId, record: &VaultRecord, version: i64, tenant: &str) -> Value {
    json!({
        "id": id,
        "name": id.name(),
        "type": KIND,
        "location": record.location,
        "tags": record.tags,
        "identity": record.identity.shown(tenant),
        "eTag": etag(version),
        "properties": properties(record),
    })
}

/// `properties` as clients read them.
pub fn properties(record: &VaultRecord) -> Value {
    let mut shown = serde_json::to_value(&record.settings).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        object.insert("provisioningState".to_owned(), json!("Succeeded"));
        object.insert("resourceMoveState".to_owned(), json!("Unknown"));
        object.insert("isVaultProtectedByResourceGuard".to_owned(), json!(record.guard.is_some()));
        object.insert("secureScore".to_owned(), json!(secure_score(record)));
        object.insert("bcdrSecurityLevel".to_owned(), json!(disaster_level(record)));
    }
    shown
}

/// How well the vault is protected against its own administrators.
fn secure_score(record: &VaultRecord) -> &'static str {
    let security = &record.settings.security_settings;
    let immutable = security.immutability_settings.state;
    match security.soft_delete_settings.state {
        SoftDeleteState::AlwaysOn if immutable == ImmutabilityState::Locked && record.guard.is_some() => {
            "Maximum"
        }
        SoftDeleteState::AlwaysOn | SoftDeleteState::On if immutable != ImmutabilityState::Disabled => {
            "Adequate"
        }
        SoftDeleteState::AlwaysOn | SoftDeleteState::On => "Minimum",
        SoftDeleteState::Off => "None",
    }
}

/// How well its data survives the loss of a place.
fn disaster_level(record: &VaultRecord) -> &'static str {
    let best = record.settings.storage_settings.iter().map(|one| one.redundancy).max();
    match best {
        Some(Redundancy::GeoRedundant) => "Excellent",
        Some(Redundancy::ZoneRedundant) => "Good",
        Some(Redundancy::LocallyRedundant) | None => "Poor",
    }
}
