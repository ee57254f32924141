//! A Backup vault.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a person says of a vault; what is absent keeps its value or gets the service's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vault {
    /// `SystemAssigned`, `UserAssigned`, both with a comma, or `None`.
    pub identity: Option<String>,
    /// User-assigned identities.
    pub user_identities: Vec<String>,
    /// Data store and redundancy.
    pub storage: Vec<(String, String)>,
    /// `Off`, `On` or `AlwaysOn`.
    pub soft_delete: Option<String>,
    /// How long deleted data stays.
    pub soft_delete_days: Option<u32>,
    /// `Disabled`, `Unlocked` or `Locked`.
    pub immutability: Option<String>,
    /// `Enabled`, `Disabled` or `PermanentlyDisabled`.
    pub cross_subscription_restore: Option<String>,
    /// `Enabled` or `Disabled`.
    pub cross_region_restore: Option<String>,
    /// `Enabled` or `Disabled`.
    pub job_failure_alerts: Option<String>,
    /// The customer's key that seals repository keys.
    pub key: CustomerKey,
    /// Tags; untouched when absent.
    pub tags: Option<BTreeMap<String, String>>,
}

/// What a person says of a customer's key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerKey {
    /// `Enabled`; implied by a URI.
    pub state: Option<String>,
    /// Of the key, with or without a version.
    pub uri: Option<String>,
    /// `SystemAssigned` or `UserAssigned`; which identity of the vault reaches the key.
    pub identity: Option<String>,
    /// That identity, when it is a user-assigned one.
    pub user_identity: Option<String>,
    /// `Enabled` or `Disabled`: a second layer of the infrastructure.
    pub infrastructure: Option<String>,
}

impl CustomerKey {
    /// `encryptionSettings`; nothing when nothing was said.
    fn settings(&self) -> Option<Value> {
        if *self == Self::default() {
            return None;
        }
        let mut settings = Map::new();
        let state = self.state.clone().or_else(|| self.uri.as_ref().map(|_| "Enabled".to_owned()));
        let texts = [("state", state), ("infrastructureEncryption", self.infrastructure.clone())];
        settings.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        if let Some(uri) = &self.uri {
            settings.insert("keyVaultProperties".to_owned(), json!({"keyUri": uri}));
        }
        let kind =
            self.identity.clone().or_else(|| self.user_identity.as_ref().map(|_| "UserAssigned".to_owned()));
        if let Some(kind) = kind {
            let mut identity = json!({"identityType": kind});
            if let (Some(id), Some(members)) = (&self.user_identity, identity.as_object_mut()) {
                members.insert("identityId".to_owned(), json!(id));
            }
            settings.insert("kekIdentity".to_owned(), identity);
        }
        Some(settings.into())
    }
}

impl Vault {
    /// The body of the request that makes it.
    pub fn create(&self, location: &str) -> Value {
        let mut properties = self.properties();
        let storage = self.storage.iter().map(|(store, kind)| json!({"datastoreType": store, "type": kind}));
        properties.insert("storageSettings".to_owned(), storage.collect());
        let mut body = json!({"location": location, "properties": properties});
        self.around(&mut body);
        body
    }

    /// The body of the request that changes it.
    pub fn update(&self) -> Value {
        let mut body = json!({"properties": self.properties()});
        self.around(&mut body);
        body
    }

    fn around(&self, body: &mut Value) {
        let Some(members) = body.as_object_mut() else { return };
        if let Some(kind) = &self.identity {
            let mut identity = json!({"type": kind});
            if let (false, Some(inside)) = (self.user_identities.is_empty(), identity.as_object_mut()) {
                let named: Map<String, Value> =
                    self.user_identities.iter().map(|id| (id.clone(), json!({}))).collect();
                inside.insert("userAssignedIdentities".to_owned(), named.into());
            }
            members.insert("identity".to_owned(), identity);
        }
        if let Some(tags) = &self.tags {
            members.insert("tags".to_owned(), json!(tags));
        }
    }

    fn properties(&self) -> Map<String, Value> {
        let mut security = Map::new();
        let mut soft = Map::new();
        if let Some(state) = &self.soft_delete {
            soft.insert("state".to_owned(), state.clone().into());
        }
        if let Some(days) = self.soft_delete_days {
            soft.insert("retentionDurationInDays".to_owned(), days.into());
        }
        if !soft.is_empty() {
            security.insert("softDeleteSettings".to_owned(), soft.into());
        }
        if let Some(state) = &self.immutability {
            security.insert("immutabilitySettings".to_owned(), json!({"state": state}));
        }
        if let Some(settings) = self.key.settings() {
            security.insert("encryptionSettings".to_owned(), settings);
        }
        let mut features = Map::new();
        let states = [
            ("crossSubscriptionRestoreSettings", &self.cross_subscription_restore),
            ("crossRegionRestoreSettings", &self.cross_region_restore),
        ];
        for (name, state) in states {
            if let Some(state) = state {
                features.insert(name.to_owned(), json!({"state": state}));
            }
        }
        let mut properties = Map::new();
        for (name, members) in [("securitySettings", security), ("featureSettings", features)] {
            if !members.is_empty() {
                properties.insert(name.to_owned(), members.into());
            }
        }
        if let Some(state) = &self.job_failure_alerts {
            let alerts = json!({"azureMonitorAlertSettings": {"alertsForAllJobFailures": state}});
            properties.insert("monitoringSettings".to_owned(), alerts);
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_written_as_documented() {
        let on = || Some("Enabled".to_owned());
        let vault = Vault {
            identity: Some("SystemAssigned".into()),
            storage: vec![("VaultStore".into(), "GeoRedundant".into())],
            soft_delete: Some("On".into()),
            soft_delete_days: Some(14),
            immutability: Some("Unlocked".into()),
            cross_subscription_restore: on(),
            cross_region_restore: on(),
            job_failure_alerts: on(),
            tags: Some(BTreeMap::new()),
            ..Vault::default()
        };

        let body = vault.create("eastus");

        assert_eq!(
            body,
            json!({"location": "eastus", "identity": {"type": "SystemAssigned"}, "tags": {},
                "properties": {"storageSettings": [{"datastoreType": "VaultStore", "type": "GeoRedundant"}],
                    "securitySettings": {"softDeleteSettings": {"state": "On", "retentionDurationInDays": 14},
                        "immutabilitySettings": {"state": "Unlocked"}},
                    "featureSettings": {"crossSubscriptionRestoreSettings": {"state": "Enabled"},
                        "crossRegionRestoreSettings": {"state": "Enabled"}},
                    "monitoringSettings": {"azureMonitorAlertSettings": {"alertsForAllJobFailures": "Enabled"}}}})
        );
    }

    #[test]
    fn a_customers_key_is_named_with_the_identity_that_reaches_it() {
        let of = |key: CustomerKey| {
            Vault { key, ..Vault::default() }.update()["properties"]["securitySettings"].take()
        };
        let uri = Some("https://kv/keys/mine".to_owned());

        assert_eq!(of(CustomerKey::default()), Value::Null);
        assert_eq!(
            of(CustomerKey { uri, user_identity: Some("/id".into()), ..CustomerKey::default() }),
            json!({"encryptionSettings": {"state": "Enabled", "keyVaultProperties": {"keyUri": "https://kv/keys/mine"},
                "kekIdentity": {"identityType": "UserAssigned", "identityId": "/id"}}})
        );
    }

    #[test]
    fn a_change_says_nothing_of_what_stays() {
        let vault = Vault { immutability: Some("Locked".into()), ..Vault::default() };

        assert_eq!(
            vault.update(),
            json!({"properties": {"securitySettings": {"immutabilitySettings": {"state": "Locked"}}}})
        );
    }
}
