//! The documented requests of `az dataprotection` against a running vault, in the api-versions of two of its releases.

mod official;
mod replayed;
mod world;

use official::ticking;
use replayed::{Az, names, written_back};
use reqwest::Method;
use serde_json::{Value, json};
use world::protected::{POINT, Protected};

/// Releases 1.6.0 and 1.7.0.
const VERSIONS: [&str; 2] = ["2024-04-01", "2025-07-01"];
const FINISHED: &str = "Completed";

/// `dataSourceInfo` as `validate-for-backup` and the restore commands write it.
fn source(it: &Protected, kind: &str) -> Value {
    json!({"objectType": kind, "datasourceType": "Microsoft.ContainerService/managedClusters",
        "resourceId": it.managed, "resourceLocation": "local", "resourceName": "one", "resourceProperties": null,
        "resourceType": "Microsoft.ContainerService/managedclusters", "resourceUri": it.managed})
}

/// `properties` of an instance with every optional member as an explicit null.
fn with_nulls(it: &Protected) -> Value {
    let store = json!({"objectType": "AzureOperationalStoreParameters", "dataStoreType": "OperationalStore",
        "resourceGroupId": it.world.group("snapshots")});
    let parameters = json!({"objectType": "KubernetesClusterBackupDatasourceParameters", "snapshotVolumes": true,
        "includeClusterScopeResources": true, "includedNamespaces": ["shop"], "excludedNamespaces": null,
        "includedResourceTypes": null, "excludedResourceTypes": null, "labelSelectors": null,
        "backupHookReferences": null});
    json!({"objectType": "BackupInstance", "friendlyName": "one/shop", "dataSourceInfo": source(it, "Datasource"),
        "dataSourceSetInfo": source(it, "DatasourceSet"), "datasourceAuthCredentials": null, "identityDetails": null,
        "resourceGuardOperationRequests": null, "validationType": null,
        "policyInfo": {"policyId": format!("{}/backupPolicies/policy1", it.vault), "policyVersion": null,
            "policyParameters": {"dataStoreParametersList": [store], "backupDatasourceParametersList": [parameters]}}})
}

/// The name that `backup-instance initialize` makes.
fn instance_name() -> String {
    format!("one-one-{}", uuid::Uuid::new_v4())
}

/// What `backup-instance create` does: validation, then the instance, without nulls.
async fn create(az: &Az<'_>, it: &Protected) -> String {
    let path = format!("{}/backupInstances/{}", it.vault, instance_name());
    let body = json!({"backupInstance": it.wanted()});
    az.acted(&format!("{}/validateForBackup", it.vault), Some(&body)).await;
    az.put(&path, &json!({"properties": it.wanted()})).await;
    let read = async || az.get(&path).await["properties"]["currentProtectionState"].clone();
    it.until(async || (read().await == "ProtectionConfigured").then_some(())).await;
    path
}

async fn back_up(az: &Az<'_>, instance: &str) -> Value {
    let body = json!({"backupRuleOptions": {"ruleName": "BackupHourly",
        "triggerOption": {"retentionTagOverride": "Default"}}});
    az.acted(&format!("{instance}/backup"), Some(&body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vaults_and_policies_are_made_updated_found_and_deleted() {
    for version in VERSIONS {
        let it = Protected::start().await;
        let ticking = ticking(&it.world);
        let az = Az { world: &it.world, version };
        let path = it.vault.replace("vault1", "vault2");
        let body = json!({"identity": {"type": "SystemAssigned"}, "location": "local",
            "properties": {"securitySettings": {"softDeleteSettings": {"retentionDurationInDays": 14.0, "state": "On"}},
                "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});

        let made = az.put(&path, &body).await;
        let mut whole = written_back(&made, &["id", "name", "type", "systemData"]);
        whole["identity"] = json!({"type": "SystemAssigned"});
        whole["tags"] = json!({"a": "b"});
        whole["properties"]["replicatedRegions"] = json!([]);
        let updated = az.put(&path, &whole).await;
        let listed = az.list(&format!("{}/providers/Microsoft.DataProtection/backupVaults", it.group)).await;
        let query = "resources | where type =~ 'microsoft.dataprotection/backupvaults' | where resourceGroup in~ ('SHOP') | where name in~ ('vault2')";
        let rows = az.rows(query).await;

        assert_eq!((&updated["identity"], &updated["tags"]), (&made["identity"], &json!({"a": "b"})));
        assert!(
            made["identity"]["principalId"].is_string() && made["identity"]["tenantId"].is_string(),
            "{made}"
        );
        assert_eq!((names(&listed), names(&rows)), (vec!["vault1", "vault2"], vec!["vault2"]));

        let policy = format!("{path}/backupPolicies/policy2");
        let mut template =
            az.get(&format!("{}/backupPolicies/policy1", it.vault)).await["properties"].clone();
        template["name"] = json!("AKSPolicy1");
        let criteria = &mut template["policyRules"][0]["trigger"]["taggingCriteria"];
        criteria.as_array_mut().unwrap().push(json!({"isDefault": false, "taggingPriority": 25,
            "tagInfo": {"tagName": "Daily"},
            "criteria": [{"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": ["FirstOfDay"]}]}));
        let mut daily = template["policyRules"][1].clone();
        (daily["name"], daily["isDefault"]) = (json!("Daily"), json!(false));
        daily["lifecycles"][0]["targetDataStoreCopySettings"] = Value::Null;
        template["policyRules"].as_array_mut().unwrap().push(daily);
        let kept = az.put(&policy, &json!({"properties": template})).await;
        let policies = az.list(&format!("{path}/backupPolicies")).await;
        let gone = az.send(Method::DELETE, &policy, None).await;

        assert_eq!(kept["properties"]["objectType"], "BackupPolicy");
        for rule in kept["properties"]["policyRules"].as_array().unwrap() {
            assert!(rule["objectType"].is_string(), "{rule}");
        }
        assert_eq!((names(&policies), gone.status), (vec!["policy2"], 200));

        az.deleted(&path).await;
        let missing = az.send(Method::GET, &path, None).await;
        assert_eq!((missing.status, missing.code()), (404, "ResourceNotFound"));
        ticking.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_validated_made_backed_up_and_found() {
    for version in VERSIONS {
        let it = Protected::start().await;
        let ticking = ticking(&it.world);
        let az = Az { world: &it.world, version };
        it.cluster.says("Backup", json!({"phase": FINISHED, "recoveryPoint": {"id": POINT}}));

        let validate = format!("{}/validateForBackup", it.vault);
        let validated = az.acted(&validate, Some(&json!({"backupInstance": with_nulls(&it)}))).await;
        let mut nowhere = with_nulls(&it);
        nowhere["policyInfo"]["policyParameters"]["dataStoreParametersList"][0]["resourceGroupId"] =
            json!(it.world.group("absent"));
        az.failed(&validate, &json!({"backupInstance": nowhere})).await;
        let instance = create(&az, &it).await;
        let shown = az.get(&instance).await;
        let listed = az.list(&format!("{}/backupInstances", it.vault)).await;

        assert_eq!(validated.get("jobId"), None, "a validation is no job");
        let properties = &shown["properties"];
        assert_eq!(properties["protectionStatus"]["status"], "ProtectionConfigured");
        assert_eq!(properties["dataSourceInfo"]["resourceID"], json!(it.managed));
        let parameters = &properties["policyInfo"]["policyParameters"];
        for list in ["dataStoreParametersList", "backupDatasourceParametersList"] {
            assert!(parameters[list][0]["objectType"].is_string(), "{parameters}");
        }
        assert_eq!(names(&listed), [shown["name"].as_str().unwrap()]);

        let job = back_up(&az, &instance).await["jobId"].as_str().unwrap().to_owned();
        let job_name = job.rsplit('/').next().unwrap().to_owned();
        it.ended(&job).await;
        let shown = az.get(&format!("{}/backupJobs/{job_name}", it.vault)).await;
        let jobs = az.list(&format!("{}/backupJobs?$filter=operation%20eq%20%27Backup%27", it.vault)).await;
        let day = |hours: i64| {
            let at = telemetry::Clock::now(it.world.clock.as_ref()) + jiff::SignedDuration::from_hours(hours);
            format!("%27{}0000Z%27", at.strftime("%Y-%m-%dT%H:%M:%S.000"))
        };
        let points =
            async |filter: &str| az.list(&format!("{instance}/recoveryPoints?$filter={filter}")).await.len();
        let (past, future) = (day(-2), day(2));
        let found = [
            points("").await,
            points(&format!("startDate%20eq%20{past}%20and%20endDate%20eq%20{future}")).await,
            points(&format!("endDate%20eq%20{past}")).await,
        ];
        let point = az.get(&format!("{instance}/recoveryPoints/{POINT}")).await;
        let range = json!({"sourceDataStoreType": "OperationalStore", "startTime": null, "endTime": null});
        let ranges =
            az.send(Method::POST, &format!("{instance}/findRestorableTimeRanges"), Some(&range)).await;

        assert!(job.starts_with(&format!("{}/backupJobs/", it.vault)), "{job}");
        assert_eq!((&shown["name"], names(&jobs)), (&json!(job_name), vec![job_name.as_str()]));
        assert_eq!(shown["properties"]["status"], FINISHED);
        assert_eq!((found, &point["name"]), ([1, 1, 0], &json!(POINT)));
        assert_eq!(
            (ranges.status, &ranges.body["properties"]["objectType"]),
            (200, &json!("AzureBackupFindRestorableTimeRangesResponse"))
        );
        assert_eq!(ranges.body["properties"]["restorableTimeRanges"], json!([]));
        resource_graph(&az, &it, &instance, &job_name).await;
        ticking.abort();
    }
}

/// The queries that the commands send, letter by letter, with their tails.
async fn resource_graph(az: &Az<'_>, it: &Protected, instance: &str, job: &str) {
    let instances = "RecoveryServicesResources | where type =~ 'microsoft.dataprotection/backupvaults/backupinstances'| extend vaultName = split(split(id, '/Microsoft.DataProtection/backupVaults/')[1],'/')[0]| extend protectionState = properties.currentProtectionState| extend datasourceId = properties.dataSourceInfo.resourceID | where properties.dataSourceInfo.datasourceType in~ ('Microsoft.ContainerService/managedClusters')";
    let jobs = "RecoveryServicesResources | where type =~ 'microsoft.dataprotection/backupvaults/backupjobs'| extend vaultName = properties.vaultName| extend status = properties.status| extend operation = case( tolower(properties.operationCategory) startswith 'backup' and properties.isUserTriggered == 'true', strcat('OnDemand',properties.operationCategory), tolower(properties.operationCategory) startswith 'backup' and properties.isUserTriggered == 'false', strcat('Scheduled', properties.operationCategory), type =~ 'microsoft.dataprotection/backupVaults/backupJobs', properties.operationCategory, 'Invalid')| extend datasourceId = properties.dataSourceId | where properties.dataSourceType in~ ('Microsoft.ContainerService/managedClusters')";
    let tail = |key: &str, value: &str| format!(" | where {key} in~ ('{value}','another')");
    let cluster = it.managed.as_str();

    for (query, name, tails) in [
        (
            instances,
            instance.rsplit('/').next().unwrap(),
            [
                tail("resourceGroup", "shop"),
                tail("vaultName", "VAULT1"),
                tail("protectionState", "ProtectionConfigured"),
                tail("datasourceId", cluster),
                tail("id", instance),
                tail("name", instance.rsplit('/').next().unwrap()),
            ],
        ),
        (
            jobs,
            job,
            [
                tail("resourceGroup", "shop"),
                tail("vaultName", "vault1"),
                tail("operation", "OnDemandBackup"),
                tail("status", FINISHED),
                tail("datasourceId", cluster),
                " | where properties.startTime > datetime(2020-01-01T00:00:00.0000000Z)".to_owned(),
            ],
        ),
    ] {
        let all: String = tails.concat();
        assert_eq!(names(&az.rows(&format!("{query}{all}")).await), [name], "{all}");
        let other = format!("{query}{}", tail("vaultName", "elsewhere"));
        assert_eq!(az.rows(&other).await.len(), 0);
    }
    let late = format!("{jobs} | where properties.startTime > datetime(2999-01-01T00:00:00.0000000Z)");
    assert_eq!(az.rows(&late).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_stopped_resumed_changed_and_deleted() {
    for version in VERSIONS {
        let it = Protected::start().await;
        let ticking = ticking(&it.world);
        let az = Az { world: &it.world, version };
        let instance = create(&az, &it).await;
        let state = async || az.get(&instance).await["properties"]["currentProtectionState"].clone();
        let mut states = Vec::new();

        for verb in ["stopProtection", "resumeProtection", "suspendBackups", "resumeProtection"] {
            az.acted(&format!("{instance}/{verb}"), None).await;
            states.push(state().await);
        }
        let read = az.get(&instance).await;
        let read_only =
            ["currentProtectionState", "protectionStatus", "provisioningState", "protectionErrorDetails"];
        let mut body = json!({"properties": written_back(&read["properties"], &read_only)});
        body["properties"]["policyInfo"].as_object_mut().unwrap().remove("policyVersion");
        let again = az.put(&instance, &body).await;
        let mut cut = body["properties"].clone();
        cut["policyInfo"]["policyParameters"] = json!({"backupDatasourceParametersList": [{}],
            "dataStoreParametersList": [{"dataStoreType": "OperationalStore"}]});
        az.acted(&format!("{instance}/validateForModifyBackup"), Some(&json!({"backupInstance": cut}))).await;
        az.deleted(&instance).await;
        let missing = az.send(Method::GET, &instance, None).await;
        let deleted = az.list(&format!("{}/deletedBackupInstances", it.vault)).await;

        let expected =
            ["ProtectionStopped", "ProtectionConfigured", "BackupSchedulesSuspended", "ProtectionConfigured"];
        assert_eq!(states, expected);
        assert_eq!(
            again["properties"]["policyInfo"]["policyParameters"],
            read["properties"]["policyInfo"]["policyParameters"]
        );
        assert_eq!(again["properties"]["dataSourceInfo"], read["properties"]["dataSourceInfo"]);
        assert_eq!((missing.status, deleted.len()), (404, 1));
        ticking.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_validated_and_triggered() {
    for version in VERSIONS {
        let it = Protected::start().await;
        let ticking = ticking(&it.world);
        let az = Az { world: &it.world, version };
        it.cluster.says("Backup", json!({"phase": FINISHED, "recoveryPoint": {"id": POINT}}));
        it.cluster.says("ValidateForRestore", json!({"phase": FINISHED, "checks": []}));
        it.cluster.says("Restore", json!({"phase": FINISHED, "problems": [], "problemCount": 0}));
        let instance = create(&az, &it).await;
        it.ended(back_up(&az, &instance).await["jobId"].as_str().unwrap()).await;
        let criteria = json!({"objectType": "KubernetesClusterRestoreCriteria", "includeClusterScopeResources": true,
            "includedNamespaces": ["shop"], "excludedNamespaces": null, "includedResourceTypes": null,
            "excludedResourceTypes": null, "labelSelectors": null, "persistentVolumeRestoreMode": "RestoreWithVolumeData",
            "conflictPolicy": "Skip", "namespaceMappings": {"shop": "shop2"}, "restoreHookReferences": null,
            "resourceModifierReference": null, "stagingResourceGroupId": null, "stagingStorageAccountId": null});
        let request = json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
            "sourceDataStoreType": "OperationalStore", "identityDetails": null, "resourceGuardOperationRequests": null,
            "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
                "restoreLocation": "local", "datasourceAuthCredentials": null, "datasourceInfo": source(&it, "Datasource"),
                "datasourceSetInfo": source(&it, "DatasourceSet"), "restoreCriteria": [criteria]}});

        let validation = json!({"restoreRequestObject": request});
        let validated = az.acted(&format!("{instance}/validateRestore"), Some(&validation)).await;
        let job = az.acted(&format!("{instance}/restore"), Some(&request)).await;
        let ended = it.ended(job["jobId"].as_str().unwrap()).await;

        assert_eq!(validated.get("jobId"), None);
        assert_eq!(ended["properties"]["status"], FINISHED, "{ended}");
        assert_eq!(ended["properties"]["operationCategory"], "Restore");
        assert_eq!(it.cluster.made("restores")[0]["namespaceMappings"], json!({"shop": "shop2"}));
        ticking.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_are_looked_up_and_found_to_be_there() {
    let it = Protected::start().await;
    let ticking = ticking(&it.world);
    let az = Az { world: &it.world, version: "2022-04-01" };
    let vault = it.get(&it.vault).await.body;
    let cluster = Az { world: &it.world, version: "2024-10-02-preview" }.get(it.managed.as_str()).await;
    let (vaults, clusters) = (&vault["identity"]["principalId"], &cluster["identity"]["principalId"]);
    let snapshots = it.world.group("snapshots");

    for (scope, principal, name) in [
        (it.managed.as_str(), vaults, "Reader"),
        (&snapshots, vaults, "Reader"),
        (&snapshots, clusters, "Contributor"),
    ] {
        let authorization = format!("{scope}/providers/Microsoft.Authorization");
        let filter = format!("roleDefinitions?$filter=roleName%20eq%20%27{name}%27");
        let roles = az.list(&format!("{authorization}/{filter}")).await;
        let assignments = az.list(&format!("{authorization}/roleAssignments?$filter=atScope%28%29")).await;
        let theirs = assignments.iter().find(|one| {
            &one["properties"]["principalId"] == principal
                && one["properties"]["roleDefinitionId"] == roles[0]["id"]
        });
        let again = json!({"properties": {"roleDefinitionId": roles[0]["id"], "principalId": principal,
            "principalType": "ServicePrincipal"}});
        let path = format!("{authorization}/roleAssignments/{}", uuid::Uuid::new_v4());
        let twice = az.send(Method::PUT, &path, Some(&again)).await;

        assert_eq!(roles.len(), 1, "{name} is one role");
        assert!(theirs.is_some(), "it would be assigned again: {assignments:?}");
        assert_eq!((twice.status, twice.code()), (409, "RoleAssignmentExists"));
    }
    for principal in [vaults, clusters] {
        let id = principal.as_str().unwrap();
        let filter =
            format!("servicePrincipals?$filter=servicePrincipalNames/any%28c:c%20eq%20%27{id}%27%29");
        let by_name = az.send(Method::GET, &format!("/v1.0/{filter}"), None).await;
        let wanted = json!({"ids": [id], "types": ["user", "group", "servicePrincipal", "directoryObjectPartnerReference"]});
        let by_id = az.send(Method::POST, "/v1.0/directoryObjects/getByIds", Some(&wanted)).await;

        assert!(by_name.status == 200 && by_name.body["value"].is_array(), "{by_name:?}");
        assert_eq!(
            (by_id.status, &by_id.body["value"][0]["@odata.type"], &by_id.body["value"][0]["id"]),
            (200, &json!("#microsoft.graph.servicePrincipal"), principal)
        );
    }
    ticking.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_enabling_a_backup_looks_for_is_found() {
    let it = Protected::start().await;
    let ticking = ticking(&it.world);
    let az = Az { world: &it.world, version: "2024-04-01" };
    let routed = format!("{}/providers/Microsoft.DataProtection/backupInstances", it.managed);

    let before = az.list(&routed).await;
    let instance = create(&az, &it).await;
    let after = az.list(&routed).await;
    let extensions = format!("{}/providers/Microsoft.KubernetesConfiguration/extensions", it.managed);
    let extensions = Az { version: "2023-05-01", ..az }.list(&extensions).await;
    let cluster = Az { world: &it.world, version: "2024-08-01" }.get(it.managed.as_str()).await;

    assert_eq!(before.len(), 0);
    assert_eq!(names(&after), [instance.rsplit('/').next().unwrap()]);
    assert_eq!(extensions[0]["properties"]["extensionType"], "microsoft.dataprotection.kubernetes");
    assert!(cluster["identity"]["principalId"].is_string(), "{cluster}");
    ticking.abort();
}
