//! A cluster as clients read it: partly as it was given, partly as its agent reported it. Nothing secret is kept, so
//! nothing secret can be shown.

use super::{ClusterIdentity, ClusterRecord, KIND};
use crate::api::resource::etag;
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// An agent reports every minute; one that was silent for longer than this is not connected.
const SILENT: SignedDuration = SignedDuration::from_secs(150);

impl ClusterRecord {
    /// What the agent said of the cluster.
    pub fn reported(&self, name: &str) -> Option<&Value> {
        let observed = self.observed.as_ref()?;
        observed.get("cluster").unwrap_or(observed).get(name).filter(|value| !value.is_null())
    }

    /// The connection has ended: the keys by which tokens of the cluster were known count no more, and nobody was seen.
    pub fn cut(&mut self) -> Option<String> {
        for place in ["", "/cluster"] {
            let object =
                self.observed.as_mut().and_then(|observed| observed.pointer_mut(place)?.as_object_mut());
            if let Some(object) = object {
                object.remove("tokenKeys");
            }
        }
        self.observed_at = None;
        self.connection.take()
    }

    /// Changes with everything that clients can change, and not with the reports of the agent: a client that read the
    /// cluster a minute ago may still write it.
    pub fn revision(&self) -> i64 {
        let kept = Self { observed: None, observed_at: None, ..self.clone() };
        let text = serde_json::to_string(&kept).unwrap_or_default();
        let hash = Sha256::digest(text.as_bytes());
        let first = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        first.cast_signed()
    }

    /// Whether its parts reach the vault: the gateway holds its connection here, or the agent has reported lately, to
    /// whatever replica.
    pub fn is_connected(&self, held: &[String], now: Timestamp) -> bool {
        self.contact(held, now).is_connected
    }

    /// The same, and whether the gateway's own connection stands. `held` are those that do.
    pub fn contact(&self, held: &[String], now: Timestamp) -> Contact {
        let is_reachable = self.connection.as_ref().is_some_and(|connection| held.contains(connection));
        let has_reported =
            self.connection.is_some() && self.observed_at.is_some_and(|at| now.duration_since(at) < SILENT);
        Contact { is_connected: is_reachable || has_reported, is_reachable }
    }
}

/// How a cluster can be spoken to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// Its parts reach the vault: one of them at least has been heard of lately.
    pub is_connected: bool,
    /// The vault reaches its API server: the gateway's tunnel stands, without which no backup and no restore gets on.
    pub is_reachable: bool,
}

/// The properties that follow from what the agent reported.
pub fn derived(record: &ClusterRecord) -> Map<String, Value> {
    let mut derived = Map::new();
    if let Some(version) = record.reported("kubernetesVersion").and_then(Value::as_str) {
        derived.insert("kubernetesVersion".to_owned(), json!(version.trim_start_matches('v')));
    }
    if let Some(drivers) = record.reported("csiDrivers").and_then(Value::as_array) {
        let has = |name: &str| json!({"enabled": drivers.iter().any(|driver| driver == name)});
        let classes = record.reported("snapshotClasses").and_then(Value::as_u64).unwrap_or_default();
        let profile = json!({
            "diskCSIDriver": has("disk.csi.azure.com"),
            "fileCSIDriver": has("file.csi.azure.com"),
            "blobCSIDriver": has("blob.csi.azure.com"),
            "snapshotController": {"enabled": classes > 0},
        });
        derived.insert("storageProfile".to_owned(), profile);
    }
    if let Some(issuer) = record.reported("tokenIssuer").and_then(Value::as_str) {
        derived.insert("oidcIssuerProfile".to_owned(), json!({"enabled": true, "issuerURL": issuer}));
    }
    let pools = match record.reported("nodes").and_then(Value::as_u64) {
        Some(nodes) => json!([{"name": "nodes", "count": nodes, "mode": "System", "osType": "Linux",
            "provisioningState": "Succeeded", "powerState": {"code": "Running"}}]),
        None => json!([]),
    };
    derived.insert("agentPoolProfiles".to_owned(), pools);
    derived.insert("addonProfiles".to_owned(), json!({}));
    derived.insert("disableLocalAccounts".to_owned(), json!(false));
    derived
}

/// As clients read it.
pub fn shown(id: &ResourceId, record: &ClusterRecord, tenant: &str, contact: Contact) -> Value {
    let mut properties = derived(record);
    for (name, value) in record.given.as_object().into_iter().flatten() {
        properties.insert(name.clone(), value.clone());
    }
    if let Some(version) = derived(record).remove("kubernetesVersion") {
        properties.insert("currentKubernetesVersion".to_owned(), version);
    }
    let client_id = match &record.identity {
        ClusterIdentity::ServicePrincipal { client_id } => client_id.as_str(),
        _ => "msi",
    };
    for (name, value) in [
        ("provisioningState", json!("Succeeded")),
        ("powerState", json!({"code": "Running"})),
        ("nodeResourceGroup", json!(record.node_resource_group)),
        ("servicePrincipalProfile", json!({"clientId": client_id})),
        (
            "cofferdam",
            json!({
                "connected": contact.is_connected,
                "reachable": contact.is_reachable,
                "connection": record.connection,
                "lastSeen": record.observed_at,
                "distribution": record.reported("distribution"),
            }),
        ),
    ] {
        properties.insert(name.to_owned(), value);
    }
    let mut shown = json!({
        "id": id,
        "name": id.name(),
        "type": KIND,
        "location": record.location,
        "tags": record.tags,
        "eTag": etag(record.revision()),
        "properties": properties,
    });
    if let (Some(object), Some(identity)) = (shown.as_object_mut(), identity(&record.identity, tenant)) {
        object.insert("identity".to_owned(), identity);
    }
    shown
}

fn identity(identity: &ClusterIdentity, tenant: &str) -> Option<Value> {
    match identity {
        ClusterIdentity::SystemAssigned { principal_id } => {
            Some(json!({"type": "SystemAssigned", "principalId": principal_id, "tenantId": tenant}))
        }
        ClusterIdentity::UserAssigned { resource, principal_id, client_id } => {
            let one = json!({"principalId": principal_id, "clientId": client_id});
            let user = Map::from_iter([(resource.to_string(), one)]);
            Some(json!({"type": "UserAssigned", "userAssignedIdentities": user}))
        }
        ClusterIdentity::ServicePrincipal { .. } => None,
    }
}
