//! Backup vaults on the wire.

use super::{identity::IdentityGiven, words::*};
use crate::{ArmError, Faults, Fields};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const MOST_REGIONS: usize = 100;
const LONGEST_REGION: usize = 90;
/// A resource id has no more characters, nor has a URL that is taken.
const LONGEST_ID: usize = crate::id::LONGEST;
/// Requests that approve one call.
const MOST_REQUESTS: usize = 100;
const MOST_STORES: usize = 10;

/// Those `properties` of a vault that clients set, as they are kept and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VaultSettings {
    /// Alerts.
    pub monitoring_settings: MonitoringSettings,
    /// Costs.
    pub cost_management_settings: Option<CostManagementSettings>,
    /// What protects the vault itself.
    pub security_settings: SecuritySettings,
    /// Redundancy per store.
    pub storage_settings: Vec<StorageSetting>,
    /// Restores elsewhere.
    pub feature_settings: FeatureSettings,
    /// Regions, as the client gave them.
    pub replicated_regions: Vec<String>,
}

/// Alerts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringSettings {
    /// Of failed jobs.
    pub azure_monitor_alert_settings: AlertSettings,
}

/// Alerts of failed jobs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertSettings {
    /// Whether.
    pub alerts_for_all_job_failures: AlertsState,
}

/// Costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CostManagementSettings {
    /// For what they are told apart.
    pub granularity_level: GranularityLevel,
}

/// What protects the vault itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecuritySettings {
    /// How deleted data stays.
    pub soft_delete_settings: SoftDeleteSettings,
    /// Whether recovery points can go before their time.
    pub immutability_settings: ImmutabilitySettings,
    /// Keys of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_settings: Option<EncryptionSettings>,
}

/// How deleted data stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SoftDeleteSettings {
    /// Whether.
    pub state: SoftDeleteState,
    /// How many days; a number with a fraction on the wire.
    pub retention_duration_in_days: f64,
}

/// Whether recovery points can go before their time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImmutabilitySettings {
    /// Whether.
    pub state: ImmutabilityState,
}

/// Keys of the customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSettings {
    /// Whether.
    pub state: EncryptionState,
    /// Which key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_vault_properties: Option<KeyVaultProperties>,
    /// Who reaches the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kek_identity: Option<KekIdentity>,
    /// Whether the store encrypts once more by itself; kept and shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrastructure_encryption: Option<InfrastructureEncryptionState>,
}

/// Which key of the customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyVaultProperties {
    /// `https://HOST/keys/NAME`, with or without `/VERSION`.
    pub key_uri: String,
}

/// Who reaches the key of the customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KekIdentity {
    /// What kind of identity.
    pub identity_type: KekIdentityType,
    /// The resource whose identity it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_id: Option<String>,
}

/// Redundancy of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageSetting {
    /// Which store.
    pub datastore_type: StoreType,
    /// How redundant.
    #[serde(rename = "type")]
    pub redundancy: Redundancy,
}

/// Restores elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureSettings {
    /// In other subscriptions.
    pub cross_subscription_restore_settings: CrossSubscriptionRestore,
    /// In the paired region.
    pub cross_region_restore_settings: CrossRegionRestore,
}

/// Restores in other subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrossSubscriptionRestore {
    /// Whether.
    pub state: CrossSubscriptionRestoreState,
}

/// Restores in the paired region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrossRegionRestore {
    /// Whether.
    pub state: CrossRegionRestoreState,
}

/// What a PUT or PATCH of a vault says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VaultGiven {
    /// Where.
    pub location: Option<String>,
    /// Labels.
    pub tags: Option<BTreeMap<String, String>>,
    /// Identities.
    pub identity: Option<IdentityGiven>,
    /// The version that the client read.
    pub etag: Option<String>,
    /// `properties`.
    pub settings: SettingsGiven,
}

/// Those settings that a request names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsGiven {
    /// `alertsForAllJobFailures`
    pub alerts: Option<AlertsState>,
    /// `granularityLevel`
    pub granularity: Option<GranularityLevel>,
    /// `softDeleteSettings.state`
    pub soft_delete: Option<SoftDeleteState>,
    /// `softDeleteSettings.retentionDurationInDays`
    pub soft_delete_days: Option<i64>,
    /// `immutabilitySettings.state`
    pub immutability: Option<ImmutabilityState>,
    /// `encryptionSettings`
    pub encryption: Option<EncryptionGiven>,
    /// `storageSettings`
    pub storage: Option<Vec<StorageSetting>>,
    /// `crossSubscriptionRestoreSettings.state`
    pub cross_subscription: Option<CrossSubscriptionRestoreState>,
    /// `crossRegionRestoreSettings.state`
    pub cross_region: Option<CrossRegionRestoreState>,
    /// `replicatedRegions`
    pub replicated_regions: Option<Vec<String>>,
    /// `resourceGuardOperationRequests`
    pub guard_requests: Vec<String>,
}

/// What a request says of keys of the customer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncryptionGiven {
    /// `state`
    pub state: Option<EncryptionState>,
    /// `keyVaultProperties.keyUri`
    pub key_uri: Option<String>,
    /// `kekIdentity`
    pub identity: Option<KekIdentity>,
    /// `infrastructureEncryption`
    pub infrastructure: Option<InfrastructureEncryptionState>,
}

impl EncryptionGiven {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let key = faults.get(fields.object("keyVaultProperties"));
        let identity = faults.get(fields.object("kekIdentity"));
        Self {
            state: faults.get(fields.word("state")),
            key_uri: key.and_then(|key| faults.get(key.short_text("keyUri", LONGEST_ID))).map(str::to_owned),
            identity: identity.map(|identity| KekIdentity {
                identity_type: faults.get(identity.required_word("identityType")),
                identity_id: faults.get(identity.short_text("identityId", LONGEST_ID)).map(str::to_owned),
            }),
            infrastructure: faults.get(fields.word("infrastructureEncryption")),
        }
    }
}

impl VaultGiven {
    /// Reads a body.
    pub fn read(body: &Value) -> Result<Self, ArmError> {
        let fields = Fields::of(body)?;
        let mut faults = Faults::default();
        let identity = faults.get(fields.object("identity"));
        let settings = faults.get(fields.object("properties"));
        let given = Self {
            location: faults.get(fields.text("location")).map(str::to_owned),
            tags: faults.get(fields.texts("tags")),
            identity: identity.map(|identity| faults.get(IdentityGiven::read(&identity))),
            etag: faults.get(fields.text("eTag")).map(str::to_owned),
            settings: settings
                .map(|settings| SettingsGiven::read(&settings, &mut faults))
                .unwrap_or_default(),
        };
        faults.end().map(|()| given)
    }
}

impl SettingsGiven {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let texts = |list: Option<Vec<&str>>| -> Option<Vec<String>> {
            list.map(|list| list.into_iter().map(str::to_owned).collect())
        };
        let mut given = Self {
            replicated_regions: texts(faults.get(fields.short_texts(
                "replicatedRegions",
                MOST_REGIONS,
                LONGEST_REGION,
            ))),
            guard_requests: texts(faults.get(fields.short_texts(
                "resourceGuardOperationRequests",
                MOST_REQUESTS,
                LONGEST_ID,
            )))
            .unwrap_or_default(),
            ..Self::default()
        };
        if let Some(alerts) = below(fields, &["monitoringSettings", "azureMonitorAlertSettings"], faults) {
            given.alerts = faults.get(alerts.word("alertsForAllJobFailures"));
        }
        if let Some(costs) = below(fields, &["costManagementSettings"], faults) {
            given.granularity = faults.get(costs.word("granularityLevel"));
        }
        if let Some(soft) = below(fields, &["securitySettings", "softDeleteSettings"], faults) {
            given.soft_delete = faults.get(soft.word("state"));
            given.soft_delete_days = faults.get(soft.whole("retentionDurationInDays"));
        }
        if let Some(immutability) = below(fields, &["securitySettings", "immutabilitySettings"], faults) {
            given.immutability = faults.get(immutability.word("state"));
        }
        if let Some(encryption) = below(fields, &["securitySettings", "encryptionSettings"], faults) {
            given.encryption = Some(EncryptionGiven::read(&encryption, faults));
        }
        if let Some(cross) = below(fields, &["featureSettings", "crossSubscriptionRestoreSettings"], faults) {
            given.cross_subscription = faults.get(cross.word("state"));
        }
        if let Some(cross) = below(fields, &["featureSettings", "crossRegionRestoreSettings"], faults) {
            given.cross_region = faults.get(cross.word("state"));
        }
        given.storage = faults.get(fields.items_within("storageSettings", MOST_STORES)).map(|all| {
            let read = |one: &Fields<'_>| StorageSetting {
                datastore_type: faults.get(one.word("datastoreType")).unwrap_or(StoreType::VaultStore),
                redundancy: faults.get(one.required_word("type")),
            };
            all.iter().map(read).collect()
        });
        given
    }
}

/// The object at the end of a path of objects, if all of them are there.
fn below<'a>(fields: &Fields<'a>, path: &[&str], faults: &mut Faults) -> Option<Fields<'a>> {
    path.iter().try_fold(fields.clone(), |fields, name| faults.get(fields.object(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_documented_body_is_read() {
        let body = json!({"location": "eastus", "identity": {"type": "SystemAssigned"}, "tags": {},
            "properties": {"storageSettings": [{"datastoreType": "VaultStore", "type": "GeoRedundant"}],
                "securitySettings": {"softDeleteSettings": {"state": "On", "retentionDurationInDays": 14.0},
                    "immutabilitySettings": {"state": "Unlocked"}},
                "featureSettings": {"crossSubscriptionRestoreSettings": {"state": "Enabled"},
                    "crossRegionRestoreSettings": {"state": "Enabled"}},
                "monitoringSettings": {"azureMonitorAlertSettings": {"alertsForAllJobFailures": "Enabled"}}}});

        let given = VaultGiven::read(&body).unwrap();

        assert_eq!(given.location.as_deref(), Some("eastus"));
        assert!(given.identity.unwrap().kind.system);
        assert_eq!(given.settings.soft_delete_days, Some(14));
        assert_eq!(given.settings.immutability, Some(ImmutabilityState::Unlocked));
        let geo =
            StorageSetting { datastore_type: StoreType::VaultStore, redundancy: Redundancy::GeoRedundant };
        assert_eq!(given.settings.storage, Some(vec![geo]));
    }

    #[test]
    fn lists_and_texts_of_a_vault_are_bounded() {
        let long = "x".repeat(3_000);
        let body = json!({"properties": {
            "replicatedRegions": vec!["eastus"; 101],
            "resourceGuardOperationRequests": [long],
            "storageSettings": vec![json!({}); 11],
            "securitySettings": {"encryptionSettings": {"keyVaultProperties": {"keyUri": long},
                "kekIdentity": {"identityType": "SystemAssigned", "identityId": long}}}}});

        let error = VaultGiven::read(&body).unwrap_err();

        let targets: Vec<&str> = error.details.iter().filter_map(|one| one.target.as_deref()).collect();
        let encryption = "properties.securitySettings.encryptionSettings";
        assert_eq!(
            targets,
            [
                "properties.replicatedRegions",
                "properties.resourceGuardOperationRequests[0]",
                &format!("{encryption}.keyVaultProperties.keyUri"),
                &format!("{encryption}.kekIdentity.identityId"),
                "properties.storageSettings",
            ]
        );
    }

    #[test]
    fn what_is_null_or_absent_is_not_given_and_all_faults_are_told() {
        let empty = json!({"properties": {"securitySettings": null, "featureSettings": {}}});
        let wrong = json!({"location": 5, "identity": {"type": "Mine"},
            "properties": {"securitySettings": {"softDeleteSettings": {"state": "Maybe", "retentionDurationInDays": "14"}},
                "storageSettings": [{"type": "Tape"}, 5]}});

        assert_eq!(VaultGiven::read(&empty).unwrap(), VaultGiven::default());
        let error = VaultGiven::read(&wrong).unwrap_err();
        let targets: Vec<&str> = error.details.iter().filter_map(|one| one.target.as_deref()).collect();
        assert_eq!(
            targets,
            [
                "location",
                "identity.type",
                "properties.securitySettings.softDeleteSettings.state",
                "properties.securitySettings.softDeleteSettings.retentionDurationInDays",
                "properties.storageSettings[1]",
            ]
        );
    }
}
