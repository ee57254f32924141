//! Whatever is sent to whatever operation: no answer is the server's fault, and each has the shape of an answer. Every
//! operation of the table is called, on things that are there, with arbitrary JSON and with documents that are almost right.

mod conform;
mod world;

use conform::Document;
use jiff::SignedDuration;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use vault::api::operations;
use world::{
    Answer, ROLES,
    protected::{POINT, Protected},
    stored::StoredWorld,
};

/// Bodies for each operation; more of them by a variable of the environment.
const BODIES: u32 = 40;
const MORE: &str = "COFFERDAM_TEST_BODIES";
const ROLE_NAME: &str = "3f3f3f3f-3f3f-4f3f-8f3f-3f3f3f3f3f3f";
/// What ends the world for others comes last.
const ENDS: [&str; 4] = [
    "ManagedClusters_Connect",
    "Providers_Unregister",
    "ManagedClusters_Disconnect",
    "BackupInstances_StopProtection",
];

/// Something that an operation may find: the names for the parts of its path.
struct Everything {
    it: Protected,
    names: BTreeMap<&'static str, String>,
    bodies: BTreeMap<&'static str, Value>,
}

async fn everything() -> Everything {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let job = it.job_of(&it.back_up().await).await;
    it.ended(&job).await;
    // Each of these fires an alert, or ends one.
    for step in ["suspendBackups", "resumeBackups"] {
        it.operation(&it.call(Method::POST, &format!("{}/{step}", it.instance), None).await).await;
    }
    let alerts = it.get(&format!("{}/providers/Microsoft.AlertsManagement/alerts", it.vault)).await;
    let alert = alerts.names().first().expect("an alert").to_string();
    it.world = StoredWorld::over(it.world).await.world;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", it.world.root());
    it.call(Method::POST, &register, None).await;
    let operation = it.back_up().await.header("azure-asyncoperation").to_owned();
    let operation = operation.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let someone = it.world.person(None, &it.group).await;
    let bodies = bodies(&it, &someone.object_id);
    let names = BTreeMap::from([
        ("subscription", it.world.subscription.clone()),
        ("group", "shop".to_owned()),
        ("vault", "vault1".to_owned()),
        ("instance", "one-shop".to_owned()),
        ("policy", "policy1".to_owned()),
        ("point", POINT.to_owned()),
        ("alert", alert),
        ("job", job.rsplit('/').next().unwrap().to_owned()),
        ("cluster", "one".to_owned()),
        ("extension", "backup".to_owned()),
        ("binding", "backuprb".to_owned()),
        ("guard", "guard".to_owned()),
        ("proxy", "DppResourceGuardProxy".to_owned()),
        ("requests", "deleteBackupInstanceRequests".to_owned()),
        ("request", "default".to_owned()),
        ("location", "local".to_owned()),
        ("operation", operation),
        ("namespace", "Microsoft.Storage".to_owned()),
        ("provider", "Microsoft.DataProtection".to_owned()),
        ("name", ROLE_NAME.to_owned()),
        ("account", "shopacct".to_owned()),
        ("container", "backups".to_owned()),
        ("identity", "mine".to_owned()),
        ("credential", "fic".to_owned()),
        ("deleted", "none".to_owned()),
    ]);
    for (path, operation) in [
        ("Microsoft.DataProtection/resourceGuards/guard", "ResourceGuards_Put"),
        ("Microsoft.ManagedIdentity/userAssignedIdentities/mine", "UserAssignedIdentities_CreateOrUpdate"),
        ("Microsoft.Storage/storageAccounts/shopacct", "StorageAccounts_Create"),
        (
            "Microsoft.Storage/storageAccounts/shopacct/blobServices/default/containers/backups",
            "BlobContainers_Create",
        ),
    ] {
        let path = format!("{}/providers/{path}", it.group);
        let made = it.call(Method::PUT, &path, Some(bodies[operation].clone())).await;
        assert!(made.status < 300, "{path}: {made:?}");
    }
    let role = format!("{}{ROLES}/{ROLE_NAME}", it.group);
    let assigned = it.call(Method::PUT, &role, Some(bodies["RoleAssignments_Create"].clone())).await;
    assert_eq!(assigned.status, 201, "{assigned:?}");
    Everything { it, names, bodies }
}

/// A document for each operation that takes one, as it should be.
fn bodies(it: &Protected, principal: &str) -> BTreeMap<&'static str, Value> {
    let wanted = it.wanted();
    let source = wanted["dataSourceInfo"].clone();
    let criteria = json!({"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
        "includedNamespaces": ["shop"], "persistentVolumeRestoreMode": "RestoreWithVolumeData",
        "conflictPolicy": "Skip", "namespaceMappings": {"shop": "shop2"}, "labelSelectors": ["a=b"],
        "restoreHookReferences": [{"name": "h", "namespace": "n"}]});
    let restore = json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
        "sourceDataStoreType": "OperationalStore", "resourceGuardOperationRequests": ["/x"],
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
            "restoreLocation": "local", "datasourceInfo": source, "restoreCriteria": [criteria]}});
    let vault = json!({"location": "local", "tags": {"a": "b"}, "identity": {"type": "SystemAssigned",
            "userAssignedIdentities": {}},
        "properties": {"storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}],
            "securitySettings": {"softDeleteSettings": {"state": "On", "retentionDurationInDays": 14},
                "immutabilitySettings": {"state": "Disabled"}},
            "featureSettings": {"crossSubscriptionRestoreSettings": {"state": "Enabled"}},
            "monitoringSettings": {"azureMonitorAlertSettings": {"alertsForAllJobFailures": "Enabled"}}}});
    let store = json!({"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"});
    let policy = json!({"properties": {"objectType": "BackupPolicy",
        "datasourceTypes": ["Microsoft.ContainerService/managedClusters"],
        "policyRules": [
            {"objectType": "AzureBackupRule", "name": "BackupHourly", "dataStore": store,
                "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
                "trigger": {"objectType": "ScheduleBasedTriggerContext",
                    "schedule": {"repeatingTimeIntervals": ["R/2024-05-05T08:00:00+00:00/PT4H"], "timeZone": "UTC"},
                    "taggingCriteria": [{"isDefault": true, "taggingPriority": 99,
                        "tagInfo": {"tagName": "Default", "id": "Default_"}}]}},
            {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": true, "lifecycles": [
                {"deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"}, "sourceDataStore": store,
                    "targetDataStoreCopySettings": []}]}]}});
    let guard = json!({"location": "local", "tags": {"a": "b"}, "properties": {
        "vaultCriticalOperationExclusionList": ["Microsoft.DataProtection/backupVaults/backupPolicies/write"]}});
    let cluster = json!({"location": "local", "identity": {"type": "SystemAssigned"}, "properties": {
        "nodeResourceGroup": "nodes", "disableLocalAccounts": true, "storageProfile": {"snapshotController": {"enabled": true}},
        "apiServerAccessProfile": {"authorizedIPRanges": ["10.0.0.0/8"]}}});
    let extension = json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes",
        "autoUpgradeMinorVersion": true, "releaseTrain": "stable", "scope": {"cluster": {"releaseNamespace": "x"}},
        "configurationSettings": {"configuration.backupStorageLocation.bucket": "backups"},
        "configurationProtectedSettings": {"password": "p"}}});
    let account = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "tags": {},
        "properties": {"networkAcls": {"defaultAction": "Allow", "ipRules": [{"value": "10.0.0.1", "action": "Allow"}],
            "resourceAccessRules": [{"tenantId": it.world.tenant, "resourceId": it.vault}], "bypass": "None"}}});
    let role = it.world.role("Reader");
    let role = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{role}", it.world.root());
    let guard_id = format!("{}/providers/Microsoft.DataProtection/resourceGuards/guard", it.group);
    let name_of = |kind: &str| json!({"name": "abcdef", "type": kind});
    BTreeMap::from([
        ("BackupVaults_CreateOrUpdate", vault.clone()),
        ("BackupVaults_Update", vault),
        ("BackupPolicies_CreateOrUpdate", policy),
        ("BackupInstances_CreateOrUpdate", json!({"properties": wanted, "tags": {"a": "b"}})),
        ("BackupInstances_ValidateForBackup", json!({"backupInstance": wanted})),
        ("BackupInstances_ValidateForModifyBackup", json!({"backupInstance": wanted})),
        (
            "BackupInstances_AdhocBackup",
            json!({"backupRuleOptions": {"ruleName": "BackupHourly", "triggerOption": {"retentionTagOverride": "Default"}}}),
        ),
        ("BackupInstances_ValidateForRestore", json!({"restoreRequestObject": restore})),
        ("BackupInstances_PlanRestore", restore.clone()),
        ("BackupInstances_TriggerRestore", restore),
        ("BackupInstances_SyncBackupInstance", json!({"syncType": "Default"})),
        ("BackupInstances_SuspendBackups", json!({"resourceGuardOperationRequests": ["/x"]})),
        ("BackupInstances_StopProtection", json!({"resourceGuardOperationRequests": ["/x"]})),
        (
            "RestorableTimeRanges_Find",
            json!({"sourceDataStoreType": "OperationalStore", "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-02-01T00:00:00Z"}),
        ),
        (
            "DppResourceGuardProxy_CreateOrUpdate",
            json!({"properties": {"resourceGuardResourceId": format!("{guard_id}2")}}),
        ),
        (
            "DppResourceGuardProxy_UnlockDelete",
            json!({"resourceGuardOperationRequests": [guard_id], "resourceToBeDeleted": it.instance}),
        ),
        ("ResourceGuards_Put", guard.clone()),
        ("ResourceGuards_Patch", guard),
        ("ManagedClusters_CreateOrUpdate", cluster),
        ("ManagedClusters_UpdateTags", json!({"tags": {"a": "b"}})),
        (
            "TrustedAccessRoleBindings_CreateOrUpdate",
            json!({"properties": {"sourceResourceId": it.vault, "roles": ["Microsoft.DataProtection/backupVaults/backup-operator"]}}),
        ),
        ("Extensions_Create", extension.clone()),
        ("Extensions_Update", extension),
        ("StorageAccounts_Create", account.clone()),
        ("StorageAccounts_Update", account),
        ("StorageAccounts_CheckNameAvailability", name_of("Microsoft.Storage/storageAccounts")),
        ("BackupVaults_CheckNameAvailability", name_of("Microsoft.DataProtection/BackupVaults")),
        (
            "DataProtection_CheckFeatureSupport",
            json!({"objectType": "FeatureValidationRequest", "featureName": "x"}),
        ),
        ("BlobContainers_Create", json!({"properties": {"publicAccess": "None", "metadata": {"a": "b"}}})),
        ("BlobContainers_Update", json!({"properties": {"metadata": {"a": "b"}}})),
        ("BlobServices_SetServiceProperties", json!({"properties": {"cors": {"corsRules": []}}})),
        ("UserAssignedIdentities_CreateOrUpdate", json!({"location": "local", "tags": {"a": "b"}})),
        ("UserAssignedIdentities_Update", json!({"tags": {"a": "b"}})),
        (
            "FederatedIdentityCredentials_CreateOrUpdate",
            json!({"properties": {"issuer": "https://i.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"]}}),
        ),
        (
            "RoleAssignments_Create",
            json!({"properties": {"roleDefinitionId": role, "principalId": principal, "principalType": "ServicePrincipal"}}),
        ),
        ("ResourceGroups_CreateOrUpdate", json!({"location": "local", "tags": {"a": "b"}, "managedBy": "x"})),
        ("ResourceGroups_Update", json!({"tags": {"a": "b"}})),
        (
            "ResourceGraph_Resources",
            json!({"subscriptions": [it.world.subscription], "options": {"$top": 10, "$skip": 0, "resultFormat": "objectArray"},
                "query": "resources | where type =~ 'microsoft.dataprotection/backupvaults'"}),
        ),
    ])
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![0, -1, 1, i64::MAX, i64::MIN]).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "\0",
            "../..",
            "P99999999999D",
            "PT0S",
            "R/2024-05-05T08:00:00+00:00/PT0S",
            "9999-12-31T23:59:59Z",
            "-9999-01-01T00:00:00Z",
            "R/9999-12-31T23:59:59+00:00/P9999D",
            "Pacific Standard Time",
            "SystemAssigned",
            "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/x",
            "Locked",
            "\u{202e}",
        ])
        .prop_map(Value::from),
        Just(Value::from("x".repeat(9_000))),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let name = prop_oneof![
            3 => prop::sample::select(vec![
                "location", "tags", "properties", "roleDefinitionId", "principalId", "condition", "identity", "type",
                "userAssignedIdentities", "storageSettings", "securitySettings", "policyRules", "lifecycles", "name",
                "datasourceTypes", "objectType", "resourceGuardResourceId", "query", "options", "subscriptions",
            ])
            .prop_map(str::to_owned),
            1 => ".{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// What is done to a document that is right.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, Value),
    Remove(Index),
    Double(Index),
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), any_json()).prop_map(|(at, value)| Change::Replace(at, value)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Double),
    ]
}

/// The pointers of all nodes.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(list) => {
            for (number, one) in list.iter().enumerate() {
                places(one, &format!("{at}/{number}"), all);
            }
        }
        Value::Object(object) => {
            for (name, one) in object {
                places(one, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        _ => {}
    }
}

fn changed(mut document: Value, change: &Change) -> Value {
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let (Change::Replace(index, _) | Change::Remove(index) | Change::Double(index)) = change;
    let at = index.get(&all).clone();
    match change {
        Change::Replace(_, value) => *document.pointer_mut(&at).unwrap() = value.clone(),
        Change::Remove(_) => {
            let (parent, name) = at.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(object)) = document.pointer_mut(parent) {
                object.remove(&name.replace("~1", "/").replace("~0", "~"));
            }
        }
        Change::Double(_) => {
            if let Some(Value::Array(list)) = document.pointer_mut(&at) {
                list.extend(list.clone());
            }
        }
    }
    document
}

/// What is sent.
#[derive(Debug, Clone)]
struct Sent {
    any: Option<Value>,
    changes: Vec<Change>,
    cut: Option<Index>,
    query: String,
    tag: Option<String>,
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let query = prop_oneof![
        3 => Just(String::new()),
        1 => (prop::sample::select(vec!["$filter", "$top", "$skiptoken", "$skip", "forceDelete", "x"]), ".{0,20}")
            .prop_map(|(name, value)| {
                let mut query = url::form_urlencoded::Serializer::for_suffix("&".to_owned(), 1);
                query.append_pair(name, &value).finish()
            }),
    ];
    (
        prop::option::weighted(0.4, any_json()),
        prop::collection::vec(any_change(), 0..3),
        prop::option::weighted(0.1, any::<Index>()),
        query,
        prop::option::weighted(0.1, "[ -~]{0,20}"),
    )
        .prop_map(|(any, changes, cut, query, tag)| Sent { any, changes, cut, query, tag })
}

#[test]
fn no_body_makes_the_server_fail_and_every_answer_is_one_of_the_document() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let all = runtime.block_on(everything());
    let world = &all.it.world;
    let document = Document::read();
    let (taken, others) = (RefCell::new(BTreeSet::new()), RefCell::new(BTreeMap::new()));
    let bodies = std::env::var(MORE).ok().and_then(|text| text.parse().ok()).unwrap_or(BODIES);
    let mut table: Vec<_> = operations().collect();
    table.sort_by_key(|one| {
        let is_last = (one.method.as_str() == "DELETE", one.name == "ResourceGroups_Delete");
        (is_last, ENDS.contains(&one.name))
    });
    // Time goes by, or nothing that is begun would go on.
    let clock = world.clock.clone();
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            clock.advance(SignedDuration::from_millis(100));
        }
    });

    for operation in &table {
        let scope = match operation.name {
            name if name.starts_with("Extension") || name.starts_with("BackupInstancesExt") => {
                all.it.managed.as_str()
            }
            _ => all.it.group.as_str(),
        };
        let filled = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some("scope") => scope.trim_start_matches('/').to_owned(),
            Some(name) => {
                all.names.get(name).unwrap_or_else(|| panic!("{name}: no such thing is made")).clone()
            }
            None => part.to_owned(),
        };
        let path = operation.path.split('/').map(filled).collect::<Vec<_>>().join("/");
        let method = Method::from_bytes(operation.method.as_str().as_bytes()).unwrap();
        let right = all.bodies.get(operation.name).cloned().unwrap_or_else(|| json!({}));
        let config = ProptestConfig { cases: bodies, failure_persistence: None, ..Default::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let result = runner.run(&any_sent(), |sent| {
            let almost = sent.changes.iter().fold(right.clone(), changed);
            let text = sent.any.clone().unwrap_or(almost).to_string();
            let end = sent.cut.map_or(text.len(), |cut| cut.index(text.len() + 1));
            let bytes = text.as_bytes()[..end].to_vec();
            let url = format!("{}{path}?api-version=2026-06-01{}", world.url, sent.query);
            let request = world.http.request(method.clone(), url).bearer_auth(&world.administrator.token);
            let request = match &sent.tag {
                Some(tag) => request.header("if-match", tag),
                None => request,
            };
            let answer =
                runtime.block_on(async { Answer::of(request.body(bytes).send().await.unwrap()).await });
            prop_assert!(answer.status < 500, "{method} {path} {text}: {answer:?}");
            prop_assert!(
                answer.status < 400 || method == Method::HEAD || !answer.code().is_empty(),
                "{method} {path} {text}: {answer:?}"
            );
            if let Err(why) = document.check(operation.path, operation.method.as_str(), &answer) {
                let told = format!("{method} {path} {text}: {why} in {answer:?}");
                others.borrow_mut().entry(operation.name).or_insert(told);
            }
            if answer.status < 300 {
                taken.borrow_mut().insert(operation.name);
            }
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{}: {error}", operation.name));
    }

    let refused: Vec<&str> =
        table.iter().map(|one| one.name).filter(|name| !taken.borrow().contains(name)).collect();
    assert!(table.len() > 150, "{}", table.len());
    println!("never taken: {refused:?}");
    // Some are not offered here, and some would need what this world does not have.
    assert!(refused.len() < 35, "too much is only ever refused: {refused:?}");
    assert!(others.borrow().is_empty(), "{:#?}", others.borrow());
    let ready =
        runtime.block_on(async { world.http.get(format!("{}/readyz", world.url)).send().await.unwrap() });
    assert_eq!(ready.status(), 200);
}

/// The documents that are changed a little are right as they are: what is found out is not only that they were refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documents_from_which_others_are_made_are_taken() {
    let all = everything().await;
    let call = async |method: Method, path: String, operation: &str| {
        all.it.call(method, &path, Some(all.bodies[operation].clone())).await
    };

    for (method, path, operation) in [
        (Method::PUT, all.it.vault.clone(), "BackupVaults_CreateOrUpdate"),
        (Method::PUT, format!("{}/backupPolicies/policy1", all.it.vault), "BackupPolicies_CreateOrUpdate"),
        (Method::PUT, all.it.instance.clone(), "BackupInstances_CreateOrUpdate"),
        (Method::POST, format!("{}/restore", all.it.instance), "BackupInstances_TriggerRestore"),
        (Method::POST, format!("{}/validateRestore", all.it.instance), "BackupInstances_ValidateForRestore"),
        (Method::POST, format!("{}/validateForBackup", all.it.vault), "BackupInstances_ValidateForBackup"),
        (Method::PUT, all.it.managed.to_string(), "ManagedClusters_CreateOrUpdate"),
        (
            Method::PUT,
            format!("{}/trustedAccessRoleBindings/other", all.it.managed),
            "TrustedAccessRoleBindings_CreateOrUpdate",
        ),
        (
            Method::PUT,
            format!(
                "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine/federatedIdentityCredentials/fic",
                all.it.group
            ),
            "FederatedIdentityCredentials_CreateOrUpdate",
        ),
        (Method::POST, "/providers/Microsoft.ResourceGraph/resources".to_owned(), "ResourceGraph_Resources"),
    ] {
        let answer = call(method, path, operation).await;
        assert!(answer.status < 300, "{operation}: {answer:?}");
    }
}
