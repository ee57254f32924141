//! A vault with a cluster whose API server injects faults, a policy and an instance.

use super::{
    Answer, Choices, Person, World,
    fault_cluster::{CONNECTION, FaultCluster},
};
use arm::ResourceId;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tunnel::ConnectionId;
use vault::{
    api::{
        Loaded,
        clusters::{BACKUP_OPERATOR, BindingRecord, ClusterIdentity, ClusterRecord},
        extensions::{BACKUP_NAMESPACE, BACKUP_TYPE, ExtensionIdentity, ExtensionRecord, ExtensionState},
        load, put,
    },
    protect::quotas::Quotas,
    store::{AuditEntry, AuditOutcome, Change, Expected, Principal, PrincipalKind},
    tokens::Flavour,
};

/// The world, and what protects what in it.
pub struct Protected {
    pub world: World,
    pub cluster: Arc<FaultCluster>,
    pub group: String,
    pub vault: String,
    pub managed: ResourceId,
    pub instance: String,
}

pub const POINT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f900112233445566778899aabbccddeeff";

impl Protected {
    /// All is as it should be, up to the instance, which is not there yet.
    pub async fn start() -> Self {
        Self::choosing(Choices::default()).await
    }

    /// The same with other limits.
    pub async fn limited(quotas: Quotas) -> Self {
        Self::choosing(Choices { quotas, ..Choices::default() }).await
    }

    /// The same, kept as the test chooses.
    pub async fn choosing(choices: Choices) -> Self {
        let cluster = Arc::new(FaultCluster::default());
        let world = World::choosing(choices, cluster.clone()).await;
        Self::over(world, cluster).await
    }

    /// The same in a vault that runs already. How it reaches the cluster is its matter.
    pub async fn over(world: World, cluster: Arc<FaultCluster>) -> Self {
        let admin = world.administrator.clone();
        for namespace in
            ["Microsoft.DataProtection", "Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"]
        {
            let path = format!("{}/providers/{namespace}/register", world.root());
            assert_eq!(world.call(&admin, Method::POST, &path, None).await.status, 200);
        }
        let group = world.make_group("shop").await;
        world.make_group("snapshots").await;
        let vault = format!("{group}/providers/Microsoft.DataProtection/backupVaults/vault1");
        let body = json!({"location": "local", "identity": {"type": "SystemAssigned"}, "properties": {
            "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});
        let made = world.call(&admin, Method::PUT, &vault, Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let principal = made.body["identity"]["principalId"].as_str().unwrap().to_owned();
        let managed: ResourceId =
            format!("{group}/providers/Microsoft.ContainerService/managedClusters/one").parse().unwrap();
        let mut this = Self { world, cluster, group, vault, managed, instance: String::new() };
        this.instance = format!("{}/backupInstances/one-shop", this.vault);
        this.policy("P7D").await;
        this.connect(&principal).await;
        this.cluster.says("ValidateForBackup", json!({"phase": "Completed", "checks": []}));
        this
    }

    /// A slot every four hours, the last one a minute before tests begin.
    pub async fn policy(&self, lifetime: &str) {
        let body = super::policy::body("2024-05-05T08:00:00+00:00", lifetime);
        let path = format!("{}/backupPolicies/policy1", self.vault);
        let made = self.call(Method::PUT, &path, Some(body)).await;
        assert_eq!(made.status, 200, "{made:?}");
    }

    /// The policy keeps the first of each day for longer, by a rule of its own.
    pub async fn daily(&self) {
        let mut policy = self.get(&format!("{}/backupPolicies/policy1", self.vault)).await.body;
        let criteria =
            json!([{"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": ["FirstOfDay"]}]);
        let daily = json!({"isDefault": false, "taggingPriority": 25, "criteria": criteria,
        "tagInfo": {"tagName": "Daily", "id": "Daily_"}});
        let rules = policy["properties"]["policyRules"].as_array_mut().unwrap();
        rules[0]["trigger"]["taggingCriteria"].as_array_mut().unwrap().push(daily);
        let mut kept = rules[1].clone();
        (kept["name"], kept["isDefault"]) = (json!("Daily"), json!(false));
        kept["lifecycles"][0]["deleteAfter"]["duration"] = json!("P30D");
        rules.push(kept);
        let path = format!("{}/backupPolicies/policy1", self.vault);
        let changed = self.call(Method::PUT, &path, Some(json!({"properties": policy["properties"]}))).await;
        assert_eq!(changed.status, 200, "{changed:?}");
    }

    /// What agent and gateway would bring about: a connected cluster with its extension, binding and roles.
    async fn connect(&self, vault_principal: &str) {
        self.connect_as(&self.managed, vault_principal).await;
    }

    /// Another such cluster, of this id.
    pub async fn connect_another(&self, managed: &ResourceId) {
        let vault = self.get(&self.vault).await.body;
        self.connect_as(managed, vault["identity"]["principalId"].as_str().unwrap()).await;
    }

    async fn connect_as(&self, managed: &ResourceId, vault_principal: &str) {
        let store = &self.world.app.store;
        let now = self.world.app.clock.now();
        let principal = |name: &str| Principal {
            object_id: uuid::Uuid::new_v4().to_string(),
            client_id: uuid::Uuid::new_v4().to_string(),
            name: name.to_owned(),
            kind: PrincipalKind::ManagedIdentity,
            resource: Some(managed.clone()),
            created_at: now,
        };
        let (own, extensions) = (principal("one"), principal("extension"));
        let record = ClusterRecord {
            location: "local".into(),
            tags: Default::default(),
            identity: ClusterIdentity::SystemAssigned { principal_id: own.object_id.clone() },
            node_resource_group: "nodes".into(),
            connection: Some(CONNECTION.into()),
            given: Value::Null,
            observed: None,
            observed_at: None,
        };
        let extension = ExtensionRecord {
            extension_type: BACKUP_TYPE.into(),
            namespace: BACKUP_NAMESPACE.into(),
            settings: [("configuration.backupStorageLocation.bucket".to_owned(), "backups".to_owned())]
                .into(),
            protected: None,
            auto_upgrade: true,
            release_train: "stable".into(),
            pinned_version: None,
            wanted_version: "0.1.0".into(),
            current_version: Some("0.1.0".into()),
            generation: 1,
            state: ExtensionState::Succeeded,
            statuses: Vec::new(),
            error: None,
            operation: None,
            identity: Some(ExtensionIdentity {
                resource: managed.clone(),
                principal_id: extensions.object_id.clone(),
                client_id: extensions.client_id.clone(),
            }),
            upgrades: Default::default(),
        };
        let id = managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        let changes = [
            Change::AddPrincipal(own.clone()),
            Change::AddPrincipal(extensions),
            put(managed, &record, Expected::Absent).unwrap(),
            put(&id, &extension, Expected::Absent).unwrap(),
            self.bound_at(managed),
        ];
        store.commit(&changes, &audit()).await.unwrap();
        let person =
            |object_id: &str| Person { object_id: object_id.to_owned(), ..self.world.administrator.clone() };
        let snapshots = self.world.group("snapshots");
        for (role, who, scope) in [
            ("Reader", vault_principal, managed.as_str()),
            ("Reader", vault_principal, snapshots.as_str()),
            ("Contributor", &own.object_id, snapshots.as_str()),
        ] {
            let made = self.world.assign(&self.world.administrator, role, &person(who), scope).await;
            assert!(made.status == 201 || made.code() == "RoleAssignmentExists", "{made:?}");
        }
    }

    /// Takes away the one role that a principal has at exactly this scope.
    pub async fn unassign(&self, principal: &str, scope: &str) {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter=atScope()");
        let listed = self.get(&path).await;
        let ids: Vec<&str> = listed.body["value"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["properties"]["principalId"] == principal)
            .filter(|one| one["properties"]["scope"].as_str().unwrap().eq_ignore_ascii_case(scope))
            .map(|one| one["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 1, "{listed:?}");
        assert_eq!(self.call(Method::DELETE, ids[0], None).await.status, 200);
    }

    /// The cluster is connected anew.
    pub async fn joined(&self) -> ConnectionId {
        let answer = self.call(reqwest::Method::POST, &format!("{}/connect", self.managed), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        ConnectionId(answer.body["connection"].as_str().unwrap().parse().unwrap())
    }

    /// The extension writes to another container from now on.
    pub async fn bucket(&self, name: &str) {
        let id = self.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        let mut found: Loaded<ExtensionRecord> =
            load(self.world.app.store.as_ref(), &id).await.unwrap().unwrap();
        let setting = "configuration.backupStorageLocation.bucket".to_owned();
        found.document.settings.insert(setting, name.to_owned());
        self.world.app.store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
    }

    /// The extension writes to its container of a storage account of the vault from now on.
    pub async fn writes_to(&self, account: &str) {
        self.extension_has("configuration.backupStorageLocation.config.storageAccount", account).await;
    }

    /// The extension has this setting from now on.
    pub async fn extension_has(&self, setting: &str, value: &str) {
        let id = self.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        let mut found: Loaded<ExtensionRecord> =
            load(self.world.app.store.as_ref(), &id).await.unwrap().unwrap();
        found.document.settings.insert(setting.to_owned(), value.to_owned());
        self.world.app.store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
    }

    /// A storage account of the vault in a group of its own, to which the extension of a cluster writes from now on, and may.
    pub async fn writes_to_account(&self, managed: &ResourceId, name: &str) -> String {
        let admin = &self.world.administrator;
        let register = format!("{}/providers/Microsoft.Storage/register", self.world.root());
        assert_eq!(self.call(Method::POST, &register, None).await.status, 200);
        let group = self.world.make_group(name).await;
        let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
        let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
            "properties": {}});
        let made = self.call(Method::PUT, &account, Some(body)).await;
        assert_eq!(made.status, 200, "{made:?}");
        let id = managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        let mut found: Loaded<ExtensionRecord> =
            load(self.world.app.store.as_ref(), &id).await.unwrap().unwrap();
        for (setting, value) in
            [("subscriptionId", &*self.world.subscription), ("resourceGroup", name), ("storageAccount", name)]
        {
            let setting = format!("configuration.backupStorageLocation.config.{setting}");
            found.document.settings.insert(setting, value.to_owned());
        }
        self.world.app.store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
        let writer = found.document.identity.unwrap().principal_id;
        let writer = Person { object_id: writer, ..admin.clone() };
        let given = self.world.assign(admin, "Storage Blob Data Contributor", &writer, &account).await;
        assert_eq!(given.status, 201, "{given:?}");
        account
    }

    /// A token of the vault for a principal that has no secret.
    pub async fn token_for(&self, object_id: &str) -> String {
        let app = &self.world.app;
        let principal = app.store.principal(object_id).await.unwrap().unwrap();
        app.issuer.issue(&principal, &self.world.url, Flavour::V2).unwrap().token
    }

    pub fn binding(&self) -> ResourceId {
        self.managed.child("trustedAccessRoleBindings", "backuprb").unwrap()
    }

    fn bound(&self) -> Change {
        self.bound_at(&self.managed)
    }

    fn bound_at(&self, managed: &ResourceId) -> Change {
        let binding = BindingRecord {
            source_resource_id: self.vault.parse().unwrap(),
            roles: vec![BACKUP_OPERATOR.into()],
        };
        let id = managed.child("trustedAccessRoleBindings", "backuprb").unwrap();
        put(&id, &binding, Expected::Absent).unwrap()
    }

    /// The owner of the cluster lets the vault in again.
    pub async fn bind(&self) {
        self.world.app.store.commit(&[self.bound()], &audit()).await.unwrap();
    }

    /// Takes something away behind the API's back.
    pub async fn remove(&self, id: &ResourceId) {
        let version = self.world.app.store.resource(id).await.unwrap().unwrap().version;
        let change = Change::Remove(id.clone(), Expected::Version(version));
        self.world.app.store.commit(&[change], &audit()).await.unwrap();
    }

    /// `properties` of the instance.
    pub fn wanted(&self) -> Value {
        let source = json!({"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
            "resourceID": self.managed, "resourceUri": self.managed, "resourceName": "one",
            "resourceType": "Microsoft.ContainerService/managedClusters", "resourceLocation": "local"});
        json!({"objectType": "BackupInstance", "friendlyName": "one/shop", "dataSourceInfo": source,
            "dataSourceSetInfo": source, "policyInfo": {"policyId": format!("{}/backupPolicies/policy1", self.vault),
                "policyParameters": {
                    "dataStoreParametersList": [{"objectType": "AzureOperationalStoreParameters",
                        "dataStoreType": "OperationalStore", "resourceGroupId": self.world.group("snapshots")}],
                    "backupDatasourceParametersList": [{
                        "objectType": "KubernetesClusterBackupDatasourceParameters", "snapshotVolumes": true,
                        "includeClusterScopeResources": true, "includedNamespaces": ["shop"]}]}}})
    }

    /// Makes the instance and waits until it is protected.
    pub async fn protect(&self) {
        let made = self.call(Method::PUT, &self.instance, Some(json!({"properties": self.wanted()}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(made.body["properties"]["currentProtectionState"], "ConfiguringProtection");
        let ended = self.operation(&made).await;
        assert_eq!(ended.body["status"], "Succeeded", "{ended:?}");
        assert_eq!(self.state().await, "ProtectionConfigured");
    }

    pub async fn state(&self) -> String {
        let answer = self.get(&self.instance).await;
        answer.body["properties"]["currentProtectionState"].as_str().unwrap_or_default().to_owned()
    }

    /// Follows an operation to its end, as clients do.
    pub async fn operation(&self, begun: &Answer) -> Answer {
        let url = begun.header("azure-asyncoperation").to_owned();
        assert!(!url.is_empty(), "{begun:?}");
        self.until(async || {
            let answer = self.world.get_url(&self.world.administrator, &url).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            (answer.body["status"] != "Inprogress").then_some(answer)
        })
        .await
    }

    /// The id of the job that an operation leads to.
    pub async fn job_of(&self, begun: &Answer) -> String {
        assert_eq!(begun.status, 202, "{begun:?}");
        assert_eq!(self.operation(begun).await.body["status"], "Succeeded");
        let result = self.world.get_url(&self.world.administrator, begun.header("location")).await;
        assert_eq!(result.status, 200, "{result:?}");
        result.body["jobId"].as_str().unwrap().to_owned()
    }

    /// Follows a job to its end.
    pub async fn ended(&self, job: &str) -> Value {
        self.until(async || {
            let answer = self.get(job).await;
            let status = answer.body["properties"]["status"].as_str().unwrap_or_default().to_owned();
            (!["InProgress", "Cancelling"].contains(&status.as_str())).then_some(answer.body)
        })
        .await
    }

    pub async fn back_up(&self) -> Answer {
        let body = json!({"backupRuleOptions": {"ruleName": "BackupHourly", "triggerOption": {"retentionTagOverride": "Default"}}});
        self.call(Method::POST, &format!("{}/backup", self.instance), Some(body)).await
    }

    /// Time goes by. Tokens do not live that long.
    pub async fn later(&mut self, by: SignedDuration) {
        self.world.clock.advance(by);
        self.world.administrator.token = self.world.sign_in(&self.world.administrator).await;
    }

    /// The vault is started anew, at another port.
    pub async fn restart(mut self) -> Self {
        self.world = self.world.restart().await;
        self.later(SignedDuration::ZERO).await;
        self
    }

    /// What the look finds, as soon as it finds something. Time goes by while somebody waits, a minute of it at most.
    #[track_caller]
    pub fn until<T>(&self, look: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
        self.while_time_goes_by(SignedDuration::from_millis(100), look)
    }

    /// Like [`Self::until`], for what the vault looks after every few minutes: an hour goes by at most. It may be putting
    /// the last look down just now, so that no single step of the clock is sure to be followed by another look.
    #[track_caller]
    pub fn within_the_hour<T>(&self, look: impl AsyncFn() -> Option<T>) -> impl Future<Output = T> {
        self.while_time_goes_by(SignedDuration::from_secs(6), look)
    }

    #[track_caller]
    fn while_time_goes_by<T>(
        &self,
        by: SignedDuration,
        look: impl AsyncFn() -> Option<T>,
    ) -> impl Future<Output = T> {
        let asked_at = std::panic::Location::caller();
        async move {
            for _ in 0..600 {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                self.world.clock.advance(by);
            }
            panic!("{asked_at}: it did not come about within 30 s");
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.world.call(&self.world.administrator, method, path, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.world.get(&self.world.administrator, path).await
    }
}

/// Of what a test puts there behind the API's back.
pub fn audit() -> AuditEntry {
    AuditEntry {
        at: jiff::Timestamp::UNIX_EPOCH,
        principal: "test".into(),
        action: "set up".into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "c".into(),
    }
}

/// The request of a restore into another cluster, from the recovery point that the played cluster made.
pub fn restore(target: &ResourceId) -> Value {
    let datasource = json!({"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
        "resourceID": target, "resourceUri": target, "resourceName": "two",
        "resourceType": "Microsoft.ContainerService/managedClusters", "resourceLocation": "local"});
    json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
        "sourceDataStoreType": "OperationalStore",
        "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
            "restoreLocation": "local", "datasourceInfo": datasource, "datasourceSetInfo": datasource,
            "restoreCriteria": [{"objectType": "KubernetesClusterRestoreCriteria"}]}})
}
