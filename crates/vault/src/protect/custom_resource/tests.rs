//! What clients ask for reaches the cluster as it was meant: each criterion of the API is its own field of the custom
//! resource, and nothing else changes with it.

use super::*;
use arm::{Fields, ResourceId};

const GROUP: &str = "/subscriptions/s/resourceGroups/g";
const DEFAULT: &str = "default";

fn id(kind: &str, name: &str) -> ResourceId {
    format!("{GROUP}/providers/{kind}/{name}").parse().unwrap()
}

fn cluster() -> ResourceId {
    id("Microsoft.ContainerService/managedClusters", "one")
}

/// A restore with these criteria, as a client writes it.
fn asked(criteria: Value) -> RestoreRequest {
    let body = json!({
        "objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": "point-1",
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo",
            "datasourceInfo": {"resourceID": cluster()}, "restoreCriteria": [criteria]}});
    RestoreRequest::read(&Fields::of(&body).unwrap()).unwrap()
}

/// An instance with these parameters, as a client writes it.
fn written(parameters: Value) -> BackupInstance {
    let source = json!({"resourceID": cluster()});
    let body = json!({
        "friendlyName": "one/shop", "dataSourceInfo": source, "dataSourceSetInfo": source,
        "policyInfo": {"policyId": id("Microsoft.DataProtection/backupVaults", "v"), "policyParameters": {
            "dataStoreParametersList": [{"dataStoreType": "OperationalStore",
                "resourceGroupId": "/subscriptions/s/resourceGroups/snapshots"}],
            "backupDatasourceParametersList": [parameters]}}});
    BackupInstance::read(&Fields::of(&body).unwrap()).unwrap()
}

fn backup(parameters: Value) -> Value {
    validation_of_backup(&written(parameters), "label-1", 800)["backup"].clone()
}

fn restore(criteria: Value) -> Value {
    validation_of_restore(&asked(criteria), DEFAULT)["restore"].clone()
}

/// The same with other values in these fields.
fn with(base: &Value, changes: &[(&str, Value)]) -> Value {
    let mut changed = base.clone();
    for (name, value) in changes {
        changed[*name] = value.clone();
    }
    changed
}

/// What backups and restores filter by: as it is asked for, and as the cluster reads it.
fn filters_and_values() -> [(&'static str, Value); 7] {
    [
        ("includeClusterScopeResources", json!(false)),
        ("includeClusterScopeResources", json!(true)),
        ("includedNamespaces", json!(["in-1", "in-2"])),
        ("excludedNamespaces", json!(["out-1"])),
        ("includedResourceTypes", json!(["deployments.apps"])),
        ("excludedResourceTypes", json!(["secrets", "events"])),
        ("labelSelectors", json!(["app=shop", "tier=web"])),
    ]
}

/// Without any criterion: all of it, with its volumes.
fn plain_restore() -> Value {
    json!({
        "recoveryPoint": {"location": "default", "id": "point-1"},
        "includeClusterScopeResources": true,
        "includedNamespaces": [], "excludedNamespaces": [],
        "includedResourceTypes": [], "excludedResourceTypes": [],
        "labelSelectors": [],
        "namespaceMappings": {},
        "conflictPolicy": "Skip",
        "persistentVolumeRestoreMode": "RestoreWithVolumeData",
        "restoreHookReferences": []})
}

fn plain_backup() -> Value {
    json!({
        "backupInstance": "label-1",
        "mostNamespaces": 800,
        "snapshotResourceGroup": "snapshots",
        "includeClusterScopeResources": true,
        "includedNamespaces": [], "excludedNamespaces": [],
        "includedResourceTypes": [], "excludedResourceTypes": [],
        "labelSelectors": [],
        "snapshotVolumes": true,
        "includedVolumeTypes": [],
        "backupHookReferences": []})
}

#[test]
fn each_criterion_of_a_restore_is_its_own_field_of_the_custom_resource() {
    let plain = plain_restore();
    let hooks = json!([{"name": "hook-1", "namespace": "hooks"}, {"name": "hook-2", "namespace": "shop"}]);
    let own = [
        ("conflictPolicy", json!("Patch")),
        ("conflictPolicy", json!("Skip")),
        ("persistentVolumeRestoreMode", json!("RestoreWithoutVolumeData")),
        ("persistentVolumeRestoreMode", json!("RestoreWithVolumeData")),
        ("namespaceMappings", json!({"shop": "shop-2", "web": "web-2"})),
        ("restoreHookReferences", hooks),
        ("resourceModifierReference", json!({"name": "modifier", "namespace": "rules"})),
    ];
    assert_eq!(restore(json!({})), plain);

    for (name, value) in filters_and_values().into_iter().chain(own) {
        let made = restore(json!({name: value}));

        assert_eq!(made, with(&plain, &[(name, value.clone())]), "{name}: {value}");
    }
}

#[test]
fn each_parameter_of_a_backup_is_its_own_field_of_the_custom_resource() {
    let plain = plain_backup();
    let own = [
        ("snapshotVolumes", json!(false)),
        ("snapshotVolumes", json!(true)),
        ("includedVolumeTypes", json!(["AzureFileShareSMB"])),
        ("includedVolumeTypes", json!(["AzureDisk", "AzureFileShareSMB"])),
        ("backupHookReferences", json!([{"name": "hook-1", "namespace": "hooks"}])),
    ];
    assert_eq!(backup(json!({})), plain);

    for (name, value) in filters_and_values().into_iter().chain(own) {
        let made = backup(json!({name: value}));

        assert_eq!(made, with(&plain, &[(name, value.clone())]), "{name}: {value}");
    }
}

#[test]
fn all_criteria_at_once_stay_apart() {
    let filters: Vec<(&str, Value)> = filters_and_values().into_iter().skip(2).collect();
    let criteria = with(
        &json!({"includeClusterScopeResources": false, "conflictPolicy": "Patch",
            "persistentVolumeRestoreMode": "RestoreWithoutVolumeData", "namespaceMappings": {"in-1": "in-3"},
            "restoreHookReferences": [{"name": "after", "namespace": "hooks"}],
            "resourceModifierReference": {"name": "modifier", "namespace": "rules"}}),
        &filters,
    );
    let parameters = with(
        &json!({"includeClusterScopeResources": false, "snapshotVolumes": false,
            "includedVolumeTypes": ["AzureDisk"], "backupHookReferences": [{"name": "before", "namespace": "hooks"}]}),
        &filters,
    );

    let (restored, backed_up) = (restore(criteria.clone()), backup(parameters.clone()));

    let pairs = |all: &Value| all.as_object().unwrap().clone();
    let expected = |mut plain: Map<String, Value>, asked: &Value| {
        plain.extend(pairs(asked));
        Value::Object(plain)
    };
    assert_eq!(restored, expected(pairs(&plain_restore()), &criteria));
    assert_eq!(backed_up, expected(pairs(&plain_backup()), &parameters));
}

fn job(task: Value, tag: Option<&str>) -> JobRecord {
    serde_json::from_value(json!({
        "task": task, "status": "InProgress", "isUserTriggered": true, "startedAt": "2026-01-02T03:04:05Z",
        "instance": id("Microsoft.DataProtection/backupVaults", "v/backupInstances/one"), "friendlyName": "one/shop",
        "policy": id("Microsoft.DataProtection/backupVaults", "v/backupPolicies/p"),
        "source": {"resource": cluster(), "location": "local", "name": "one"},
        "cluster": cluster(), "namespace": "dataprotection-microsoft", "tag": tag}))
    .unwrap()
}

#[test]
fn a_job_adds_the_tag_that_was_asked_for_and_whether_it_is_only_planned() {
    let parameters = json!({"snapshotVolumes": true, "includeClusterScopeResources": true});
    let backup = json!({"do": "backup", "parameters": parameters, "snapshot_group":
        "/subscriptions/s/resourceGroups/snapshots", "label": "label-1", "location": {}, "key": "k"});
    let restore = |plan: bool| {
        json!({"do": "restore", "request": asked(json!({})), "location": DEFAULT, "plan": plan,
            "point": id("Microsoft.DataProtection/backupVaults", "v/backupInstances/one/recoveryPoints/point-1")})
    };
    let manage = json!({"do": "manage", "operation": "StopProtection"});

    let made = [
        spec(&job(backup.clone(), None), 800),
        spec(&job(backup, Some("Weekly")), 800),
        spec(&job(restore(false), None), 800),
        spec(&job(restore(true), None), 800),
        spec(&job(manage, None), 800),
    ];

    let wanted = [
        plain_backup(),
        with(&plain_backup(), &[("retentionTag", json!("Weekly"))]),
        plain_restore(),
        with(&plain_restore(), &[("operation", json!("Plan"))]),
        Value::Null,
    ];
    assert_eq!(made, wanted);
}
