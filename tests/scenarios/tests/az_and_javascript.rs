//! The real `az` and the official JavaScript packages with a real cluster: each protects an application, loses it and
//! brings it back. What they send for the parts that have no package is in `tests/clients/javascript` and here.

use scenarios::{Az, Cluster, LONG, Managed, SHOP, Vault, javascript};
use serde_json::{Value, json};
use std::path::Path;

/// Where the clusters' pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8461";
const EXTENSIONS: &str = "2023-05-01";
const BACKUP: &str = "2025-07-01";
const CLUSTERS: &str = "Microsoft.ContainerService/managedClusters";

/// The ids of what the story is about.
struct Story {
    az: Az,
    group: String,
    cluster: String,
    vault: String,
    account: String,
}

#[test]
fn az_and_the_javascript_packages_bring_back_what_a_cluster_lost() {
    let cluster = Managed::empty(Cluster::one());
    cluster.0.apply(SHOP);
    cluster.0.wait_ready("shop", "app=app", LONG);
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::start(place.path(), ADDRESS);
    // Connecting is our own: the command prints the manifest that the cluster's administrator applies.
    let id = vault.administrator().connect(&cluster.0, "one");
    let it = Story::of(Az::signed_in(&vault), &id);

    it.prepares();
    it.protects();
    it.backs_up_and_restores(&cluster.0);
    with_javascript(&it, &vault, place.path(), &cluster.0);
}

impl Story {
    fn of(az: Az, cluster: &str) -> Self {
        let group = format!("/subscriptions/{}/resourceGroups/backup", az.subscription);
        Self {
            vault: format!("{group}/providers/Microsoft.DataProtection/backupVaults/vault1"),
            account: format!("{group}/providers/Microsoft.Storage/storageAccounts/shopstore"),
            cluster: cluster.to_owned(),
            group,
            az,
        }
    }

    fn instance(&self) -> String {
        format!("{}/backupInstances/az-shop", self.vault)
    }

    fn snapshots(&self) -> String {
        self.group.replace("resourceGroups/backup", "resourceGroups/snapshots")
    }

    /// Groups, providers, a storage account, the extension, a vault and a policy.
    fn prepares(&self) {
        let az = &self.az;
        for provider in ["DataProtection", "KubernetesConfiguration", "Storage"] {
            az.done("provider register --wait -n", &[&format!("Microsoft.{provider}")]);
        }
        for group in ["backup", "snapshots"] {
            az.done("group create -l local -n", &[group]);
        }
        az.done("storage account create -n shopstore -g backup -l local --sku Standard_LRS", &[]);
        az.done("storage container-rm create -n backups -g backup --storage-account shopstore", &[]);
        let extension = self.extension();
        let wanted = json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes",
            "autoUpgradeMinorVersion": true, "releaseTrain": "stable", "scope": {"cluster": {}},
            "configurationSettings": {
                "configuration.backupStorageLocation.bucket": "backups",
                "configuration.backupStorageLocation.config.storageAccount": "shopstore",
                "configuration.backupStorageLocation.config.resourceGroup": "backup",
                "configuration.backupStorageLocation.config.subscriptionId": az.subscription,
                "configuration.backupStorageLocation.config.useAAD": "true",
                "resources.requests.cpu": "50m"}}});
        az.rest("put", &extension, EXTENSIONS, Some(&wanted));
        az.until(&extension, EXTENSIONS, LONG, |seen| {
            let state = seen["properties"]["provisioningState"].as_str().unwrap_or_default();
            assert_ne!(state, "Failed", "{seen}");
            (state == "Succeeded").then_some(())
        });
        let full = json!({"location": "local", "identity": {"type": "SystemAssigned"}, "properties": {
            "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});
        let more = ["--api-version", BACKUP, "--id", &self.vault, "--properties", &full.to_string()];
        az.done("resource create --is-full-object", &more);
        // A cluster is protected once by a policy.
        for name in ["az-shop", "js-shop"] {
            az.rest("put", &format!("{}/backupPolicies/{name}", self.vault), BACKUP, Some(&policy()));
        }
        println!("prepared");
    }

    fn extension(&self) -> String {
        format!("{}/providers/Microsoft.KubernetesConfiguration/extensions/azure-aks-backup", self.cluster)
    }

    /// Trusted Access, roles, validation and the instance.
    fn protects(&self) {
        let az = &self.az;
        let cluster = az.done("aks show -g clusters -n one", &[]);
        let binding = [
            "--source-resource-id",
            &self.vault,
            "--roles",
            "Microsoft.DataProtection/backupVaults/backup-operator",
        ];
        az.done("aks trustedaccess rolebinding create -g clusters --cluster-name one -n backuprb", &binding);
        let text = |value: &Value| value.as_str().expect("a principal").to_owned();
        let vault = text(&az.rest("get", &self.vault, BACKUP, None)["identity"]["principalId"]);
        let extension = az.rest("get", &self.extension(), EXTENSIONS, None);
        let extension = text(&extension["properties"]["aksAssignedIdentity"]["principalId"]);
        let snapshots = self.snapshots();
        for (who, role, scope) in [
            (&vault, "Reader", &self.cluster),
            (&vault, "Reader", &snapshots),
            (&text(&cluster["identity"]["principalId"]), "Contributor", &snapshots),
            (&extension, "Storage Blob Data Contributor", &self.account),
        ] {
            let more = ["--role", role, "--scope", scope, "--assignee-object-id", who];
            az.done("role assignment create --assignee-principal-type ServicePrincipal", &more);
        }
        let body = json!({"backupInstance": self.wanted("az-shop")}).to_string();
        let validate = ["--ids", &self.vault, "--request-body", &body, "--api-version", BACKUP];
        // The extension looks for its new role twice a minute.
        scenarios::wait_until("the cluster can be protected", LONG, || {
            let ran = az.runs("resource invoke-action --action validateForBackup", &validate);
            if ran.code == 0 { Ok(()) } else { Err(ran.stderr) }
        });
        let wanted = json!({"properties": self.wanted("az-shop")});
        az.rest("put", &self.instance(), BACKUP, Some(&wanted));
        az.until(&self.instance(), BACKUP, LONG, |seen| {
            (seen["properties"]["currentProtectionState"] == "ProtectionConfigured").then_some(())
        });
        println!("protected");
    }

    fn backs_up_and_restores(&self, cluster: &Cluster) {
        let az = &self.az;
        let instance = self.instance();
        let rule = json!({"backupRuleOptions": {"ruleName": "BackupDaily",
            "triggerOption": {"retentionTagOverride": "Default"}}});
        az.rest("post", &format!("{instance}/backup"), BACKUP, Some(&rule));
        self.ended("Backup");
        let points = az.rest("get", &format!("{instance}/recoveryPoints"), BACKUP, None);
        let [point] = points["value"].as_array().expect("a list").as_slice() else { panic!("{points}") };
        println!("backed up: {}", point["name"]);

        cluster.delete_namespace("shop");
        let request = self.restore(point["name"].as_str().expect("a name"));
        let validate = json!({"restoreRequestObject": request}).to_string();
        az.done(
            "resource invoke-action --action validateRestore",
            &["--ids", &instance, "--request-body", &validate, "--api-version", BACKUP],
        );
        az.rest("post", &format!("{instance}/restore"), BACKUP, Some(&request));
        self.ended("Restore");

        cluster.has_shop();
        println!("az has restored the shop");
    }

    /// Waits until the only job of a category has ended well.
    fn ended(&self, category: &str) {
        self.az.until(&format!("{}/backupJobs", self.vault), BACKUP, LONG, |seen| {
            let jobs = seen["value"].as_array()?.iter().map(|job| &job["properties"]);
            let of = jobs.filter(|job| job["operationCategory"] == category).collect::<Vec<_>>();
            assert!(of.len() <= 1, "{seen}");
            let job = of.first()?;
            assert!(!["Failed", "Cancelled"].contains(&job["status"].as_str()?), "{job:#}");
            job["status"].as_str()?.starts_with("Completed").then_some(())
        });
    }

    fn source(&self) -> Value {
        json!({"objectType": "Datasource", "datasourceType": CLUSTERS, "resourceID": self.cluster,
            "resourceUri": self.cluster, "resourceName": "one", "resourceType": CLUSTERS,
            "resourceLocation": "local"})
    }

    fn wanted(&self, name: &str) -> Value {
        json!({"objectType": "BackupInstance", "friendlyName": format!("one/{name}"),
            "dataSourceInfo": self.source(), "dataSourceSetInfo": self.source(), "policyInfo": {
            "policyId": format!("{}/backupPolicies/{name}", self.vault), "policyParameters": {
                "dataStoreParametersList": [{"objectType": "AzureOperationalStoreParameters",
                    "dataStoreType": "OperationalStore", "resourceGroupId": self.snapshots()}],
                "backupDatasourceParametersList": [{
                    "objectType": "KubernetesClusterBackupDatasourceParameters", "snapshotVolumes": true,
                    "includeClusterScopeResources": false, "includedNamespaces": ["shop"]}]}}})
    }

    fn restore(&self, point: &str) -> Value {
        json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": point,
            "sourceDataStoreType": "OperationalStore", "sourceResourceId": self.cluster,
            "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
                "restoreLocation": "local", "datasourceInfo": self.source(), "datasourceSetInfo": self.source(),
                "restoreCriteria": [{"objectType": "KubernetesClusterRestoreCriteria",
                    "includeClusterScopeResources": false, "includedNamespaces": ["shop"],
                    "persistentVolumeRestoreMode": "RestoreWithVolumeData", "conflictPolicy": "Skip"}]}})
    }
}

/// A backup a day from tomorrow on, so that none comes while the story goes on.
fn policy() -> Value {
    let store = json!({"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"});
    let tagging = json!({"isDefault": true, "taggingPriority": 99,
        "tagInfo": {"tagName": "Default", "id": "Default_"}});
    let lifecycle = json!({"sourceDataStore": store, "targetDataStoreCopySettings": [],
        "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"}});
    json!({"properties": {"objectType": "BackupPolicy", "datasourceTypes": [CLUSTERS], "policyRules": [
        {"objectType": "AzureBackupRule", "name": "BackupDaily", "dataStore": store,
            "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
            "trigger": {"objectType": "ScheduleBasedTriggerContext", "taggingCriteria": [tagging],
                "schedule": {"repeatingTimeIntervals": ["R/2100-01-01T00:00:00+00:00/P1D"], "timeZone": "UTC"}}},
        {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": true, "lifecycles": [lifecycle]}]}})
}

/// The same with the JavaScript packages, with a binding and an instance of their own.
fn with_javascript(it: &Story, vault: &Vault, place: &Path, cluster: &Cluster) {
    let credential = vault.administrators_credential();
    let given = json!({"url": vault.url(), "tenant": credential["tenantId"], "client": credential["clientId"],
        "secret": credential["clientSecret"], "subscription": credential["subscriptionId"], "vault": it.vault,
        "cluster": it.cluster, "instance": format!("{}/backupInstances/js-shop", it.vault),
        "wanted": it.wanted("js-shop"), "restore": it.restore("")});
    let file = place.join("given.json");
    std::fs::write(&file, given.to_string()).expect("what the script is told");
    let file = file.display().to_string();
    let runs = |what: &str| {
        let ran = javascript(vault, "cluster.cjs", &[&file, what]);
        println!("{}", ran.stdout);
        assert!(ran.code == 0 && ran.stdout.contains("all of it worked"), "{ran:?}");
    };

    runs("backup");
    cluster.delete_namespace("shop");
    runs("restore");

    cluster.has_shop();
    println!("the JavaScript packages have restored the shop");
}
