use super::*;
use crate::api::vaults::SystemIdentity;
use arm::dataprotection::VaultGiven;
use serde_json::{Value, json};

fn given(properties: Value) -> SettingsGiven {
    VaultGiven::read(&json!({"properties": properties})).unwrap().settings
}

fn stored(redundancy: &str) -> Value {
    json!([{"datastoreType": "VaultStore", "type": redundancy}])
}

fn vault(properties: Value) -> VaultSettings {
    let mut properties = properties;
    let storage = properties.as_object_mut().unwrap().entry("storageSettings");
    storage.or_insert_with(|| stored("GeoRedundant"));
    settings(None, &given(properties), false).unwrap()
}

fn security(name: &str, state: &str) -> Value {
    json!({"securitySettings": {name: {"state": state}}})
}

fn feature(name: &str, state: &str) -> Value {
    json!({"featureSettings": {name: {"state": state}}})
}

#[test]
fn names_are_checked() {
    for name in ["ab", "A-vault-1", &"x".repeat(50)] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    for name in ["a", "1a", "-a", "a_b", "a b", "é1", &"x".repeat(51)] {
        assert_eq!(check_name(name).unwrap_err().code, "UserErrorInvalidBackupVaultName", "{name}");
    }
}

#[test]
fn a_new_vault_has_the_documented_defaults() {
    let made = vault(json!({}));

    let soft = &made.security_settings.soft_delete_settings;
    assert_eq!((soft.state, soft.retention_duration_in_days), (SoftDeleteState::On, 14.0));
    assert_eq!(made.security_settings.immutability_settings.state, ImmutabilityState::Disabled);
    let features = &made.feature_settings;
    assert_eq!(features.cross_subscription_restore_settings.state, CrossSubscriptionRestoreState::Enabled);
    assert_eq!(features.cross_region_restore_settings.state, CrossRegionRestoreState::Disabled);
}

#[test]
fn what_a_request_leaves_out_stays() {
    let before = vault(json!({
        "securitySettings": {"softDeleteSettings": {"state": "AlwaysOn", "retentionDurationInDays": 30},
            "immutabilitySettings": {"state": "Locked"}},
        "featureSettings": {"crossSubscriptionRestoreSettings": {"state": "PermanentlyDisabled"},
            "crossRegionRestoreSettings": {"state": "Enabled"}},
        "monitoringSettings": {"azureMonitorAlertSettings": {"alertsForAllJobFailures": "Disabled"}},
        "costManagementSettings": {"granularityLevel": "ProtectedItemLevel"},
        "replicatedRegions": ["a"],
    }));

    assert_eq!(settings(Some(&before), &SettingsGiven::default(), true).unwrap(), before);
}

/// Each step from one state to another: whether it is taken, else the code.
#[test]
fn what_is_irreversible_stays_and_the_rest_can_change() {
    let soft = |state| security("softDeleteSettings", state);
    let immutable = |state| security("immutabilitySettings", state);
    let subscription = |state| feature("crossSubscriptionRestoreSettings", state);
    let region = |state| feature("crossRegionRestoreSettings", state);
    let table = [
        (soft("On"), soft("Off"), ""),
        (soft("Off"), soft("AlwaysOn"), ""),
        (soft("AlwaysOn"), soft("AlwaysOn"), ""),
        (soft("AlwaysOn"), soft("On"), "UserErrorSoftDeleteAlwaysOnIsIrreversible"),
        (soft("AlwaysOn"), soft("Off"), "UserErrorSoftDeleteAlwaysOnIsIrreversible"),
        (immutable("Disabled"), immutable("Unlocked"), ""),
        (immutable("Unlocked"), immutable("Disabled"), ""),
        (immutable("Unlocked"), immutable("Locked"), ""),
        (immutable("Locked"), immutable("Unlocked"), "UserErrorImmutabilityLockedIsIrreversible"),
        (immutable("Locked"), immutable("Disabled"), "UserErrorImmutabilityLockedIsIrreversible"),
        (subscription("Enabled"), subscription("Disabled"), ""),
        (subscription("Disabled"), subscription("Enabled"), ""),
        (subscription("Enabled"), subscription("PermanentlyDisabled"), ""),
        (
            subscription("PermanentlyDisabled"),
            subscription("Enabled"),
            "UserErrorCrossSubscriptionRestorePermanentlyDisabled",
        ),
        (
            subscription("PermanentlyDisabled"),
            subscription("Disabled"),
            "UserErrorCrossSubscriptionRestorePermanentlyDisabled",
        ),
        (region("Disabled"), region("Enabled"), ""),
        (region("Enabled"), region("Disabled"), "UserErrorCrossRegionRestoreCannotBeDisabled"),
    ];

    for (before, after, code) in table {
        let ended = settings(Some(&vault(before.clone())), &given(after.clone()), true);
        assert_eq!(ended.map_or_else(|error| error.code, |_| String::new()), code, "{before} → {after}");
    }
}

#[test]
fn redundancy_changes_until_something_is_protected() {
    let before = vault(json!({"storageSettings": stored("LocallyRedundant")}));
    let change = given(json!({"storageSettings": stored("ZoneRedundant")}));
    let same = given(json!({"storageSettings": stored("LocallyRedundant")}));

    assert!(settings(Some(&before), &change, false).is_ok());
    assert!(settings(Some(&before), &same, true).is_ok());
    let error = settings(Some(&before), &change, true).unwrap_err();
    assert_eq!(error.code, "UserErrorBackupStorageRedundancyCannotBeChanged");
}

#[test]
fn cross_region_restore_needs_geo_redundancy() {
    let local = vault(json!({"storageSettings": stored("LocallyRedundant")}));
    let region = given(feature("crossRegionRestoreSettings", "Enabled"));

    assert_eq!(
        settings(Some(&local), &region, false).unwrap_err().code,
        "UserErrorCrossRegionRestoreNeedsGeoRedundancy"
    );
    let enabled = vault(feature("crossRegionRestoreSettings", "Enabled"));
    let back = given(json!({"storageSettings": stored("LocallyRedundant")}));
    assert!(settings(Some(&enabled), &back, false).is_err(), "it would lose what the feature needs");
}

#[test]
fn soft_deleted_data_stays_14_to_180_days() {
    let days = |days: i64| {
        let given = given(json!({"storageSettings": stored("LocallyRedundant"),
            "securitySettings": {"softDeleteSettings": {"retentionDurationInDays": days}}}));
        settings(None, &given, false)
    };

    assert!(days(14).is_ok() && days(180).is_ok());
    for wrong in [0, 13, 181, -1] {
        let error = days(wrong).unwrap_err();
        assert_eq!(
            error.target.as_deref(),
            Some("properties.securitySettings.softDeleteSettings.retentionDurationInDays")
        );
    }
}

#[test]
fn what_is_missing_twice_or_not_offered_is_named_at_once() {
    let none = settings(None, &given(json!({})), false).unwrap_err();
    let twice =
        json!([{"datastoreType": "VaultStore", "type": "LocallyRedundant"}, {"type": "GeoRedundant"}]);
    let both = given(json!({"storageSettings": twice,
        "securitySettings": {"softDeleteSettings": {"retentionDurationInDays": 1}}}));
    let several = settings(None, &both, false).unwrap_err();

    assert_eq!(none.target.as_deref(), Some("properties.storageSettings"));
    let codes: Vec<&str> = several.details.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["InvalidRequestContent", "InvalidRequestContent"]);
    let off = given(json!({"storageSettings": stored("LocallyRedundant"),
        "securitySettings": {"encryptionSettings": {"state": "Disabled", "infrastructureEncryption": "Disabled"}}}));
    assert!(settings(None, &off, false).is_ok());
}

#[test]
fn a_key_of_the_customer_is_named_with_its_identity_and_never_taken_back() {
    let encryption = |settings: Value| {
        given(
            json!({"storageSettings": stored("LocallyRedundant"), "securitySettings": {"encryptionSettings": settings}}),
        )
    };
    let key = |uri: &str| json!({"keyUri": uri});
    let system = json!({"identityType": "SystemAssigned"});
    let first =
        encryption(json!({"keyVaultProperties": key("https://kv.example/keys/k/v1"), "kekIdentity": system}));
    let enabled = settings(None, &first, false).unwrap();
    let change = |wanted: Value| settings(Some(&enabled), &encryption(wanted), true);

    let kept = settings(Some(&enabled), &given(json!({})), true).unwrap();
    let rotated = change(json!({"keyVaultProperties": key("https://kv.example/keys/k/v2")})).unwrap();
    let refused = [
        (change(json!({"state": "Disabled"})).unwrap_err(), "state"),
        (change(json!({"state": "Inconsistent"})).unwrap_err(), "state"),
        (change(json!({"keyVaultProperties": key("http://kv/k")})).unwrap_err(), "keyVaultProperties.keyUri"),
        (
            settings(None, &encryption(json!({"state": "Enabled"})), false).unwrap_err(),
            "keyVaultProperties.keyUri",
        ),
        (
            settings(None, &encryption(json!({"keyVaultProperties": key("https://kv/keys/k")})), false)
                .unwrap_err(),
            "kekIdentity",
        ),
    ];

    let of = |settings: &VaultSettings| settings.security_settings.encryption_settings.clone().unwrap();
    assert_eq!(of(&kept), of(&enabled), "no protection ends by being forgotten in a request");
    assert_eq!(of(&rotated).key_vault_properties.unwrap().key_uri, "https://kv.example/keys/k/v2");
    assert_eq!(of(&rotated).kek_identity, of(&enabled).kek_identity);
    for (error, field) in &refused {
        let target = format!("properties.securitySettings.encryptionSettings.{field}");
        assert_eq!(error.target.as_deref(), Some(target.as_str()), "{error:?}");
    }
    assert_eq!(refused[0].0.code, "UserErrorEncryptionSettingsAreIrreversible");
    let mut identity = VaultIdentity::default();
    assert!(check_kek_identity(&enabled, &identity).is_err(), "the vault has no identity");
    identity.system = Some(SystemIdentity { principal_id: "p".to_owned() });
    assert!(check_kek_identity(&enabled, &identity).is_ok());
}

#[test]
fn a_guard_is_asked_about_whatever_weakens_the_vault() {
    let strong = vault(
        json!({"securitySettings": {"softDeleteSettings": {"state": "On", "retentionDurationInDays": 30},
        "immutabilitySettings": {"state": "Unlocked"}}}),
    );
    let after =
        |properties: Value| critical(&strong, &settings(Some(&strong), &given(properties), true).unwrap());

    assert_eq!(after(json!({})), []);
    assert_eq!(after(security("softDeleteSettings", "AlwaysOn")), []);
    assert_eq!(after(security("immutabilitySettings", "Locked")), []);
    assert_eq!(after(security("softDeleteSettings", "Off")), [Critical::ReduceSoftDelete]);
    assert_eq!(after(security("immutabilitySettings", "Disabled")), [Critical::ReduceImmutability]);
    let shorter = json!({"securitySettings": {"softDeleteSettings": {"retentionDurationInDays": 14}}});
    assert_eq!(after(shorter), [Critical::ReduceSoftDelete]);
}
