//! Extensions after they were made: changed, overtaken, deleted; what their agent says of it, and what it cannot claim.

mod world;

use reqwest::Method;
use serde_json::{Value, json};
use tunnel::ConnectionId;
use vault::api::{
    Loaded,
    extensions::{ExtensionRecord, report},
    load,
};
use world::{Answer, protected::Protected};

/// The documented code of a location that is not there.
const NO_CONTAINER: &str = "UserErrorNoDefaultBackupStorageLocationFound";

/// A connected cluster with an installed extension.
struct Installed {
    it: Protected,
    id: arm::ResourceId,
    connection: ConnectionId,
}

impl Installed {
    async fn start() -> Self {
        let it = Protected::start().await;
        let connection = it.joined().await;
        let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
        Self { it, id, connection }
    }

    async fn record(&self) -> Option<Loaded<ExtensionRecord>> {
        load(self.it.world.app.store.as_ref(), &self.id).await.unwrap()
    }

    async fn patch(&self, properties: Value) -> Answer {
        let body = json!({"properties": properties});
        self.it.call(Method::PATCH, self.id.as_str(), Some(body)).await
    }

    async fn delete(&self, query: &str) -> Answer {
        self.it.call(Method::DELETE, &format!("{}{query}", self.id), None).await
    }

    async fn shown(&self) -> Value {
        self.it.get(self.id.as_str()).await.body["properties"].clone()
    }

    /// What the agent says of a generation.
    async fn says(&self, generation: u64, state: &str) {
        let body = json!({"agentVersion": "0.1.0", "cluster": {}, "extensions": [
            {"name": "backup", "generation": generation, "state": state, "version": "0.1.0"}]});
        let body = body.to_string();
        let said = report(&self.it.world.app, &self.it.managed, self.connection, body.as_bytes()).await;
        assert_eq!(said.unwrap().status, 204);
    }

    /// Why the agent failed to bring a generation about.
    async fn fails(&self, generation: u64, error: Value, statuses: Value) {
        let body = json!({"agentVersion": "0.1.0", "cluster": {}, "extensions": [{"name": "backup",
            "generation": generation, "state": "Failed", "error": error, "statuses": statuses}]});
        let body = body.to_string();
        let said = report(&self.it.world.app, &self.it.managed, self.connection, body.as_bytes()).await;
        assert_eq!(said.unwrap().status, 204);
    }

    async fn generation(&self) -> u64 {
        self.record().await.unwrap().document.generation
    }

    /// How the operation stands that a call began.
    async fn stands(&self, begun: &Answer) -> Value {
        let url = begun.header("azure-asyncoperation");
        let answer = self.it.world.get_url(&self.it.world.administrator, url).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

#[tokio::test]
async fn a_patch_merges_and_is_over_when_the_agent_has_done_it_and_not_when_it_says_so_of_something_else() {
    let all = Installed::start().await;
    let before = all.shown().await["configurationSettings"].clone();

    let changed = all
        .patch(json!({"configurationSettings": {"resources.limits.memory": "1Gi", "mine": "1"},
            "configurationProtectedSettings": {"password": "hunter2"}}))
        .await;
    let generation = all.generation().await;
    all.says(generation - 1, "Installed").await;
    all.says(generation + 1, "Installed").await;
    all.says(generation, "Removed").await;
    let lied = (all.stands(&changed).await["status"].clone(), all.shown().await["provisioningState"].clone());
    all.says(generation, "Installed").await;
    let done = (all.stands(&changed).await["status"].clone(), all.shown().await);
    let taken_away = all.patch(json!({"configurationSettings": {"MINE": ""}})).await;
    all.says(all.generation().await, "Installed").await;
    let same = all.patch(json!({"configurationSettings": {"resources.limits.memory": "1Gi"}})).await;

    assert_eq!(
        (changed.status, changed.body["properties"]["provisioningState"].as_str()),
        (200, Some("Updating"))
    );
    assert_eq!(lied, (json!("Inprogress"), json!("Updating")));
    let mut merged = before;
    merged["resources.limits.memory"] = json!("1Gi");
    assert_eq!(all.shown().await["configurationSettings"], merged);
    merged["mine"] = json!("1");
    assert_eq!((done.0, &done.1["configurationSettings"]), (json!("Succeeded"), &merged));
    assert_eq!(done.1["configurationProtectedSettings"], json!({"password": ""}), "its value is never shown");
    assert!(!changed.body.to_string().contains("hunter2"));
    assert_eq!(all.stands(&taken_away).await["status"], "Succeeded");
    assert_eq!((same.status, same.header("azure-asyncoperation")), (200, ""), "nothing is to be done");
}

#[tokio::test]
async fn the_owner_is_told_plainly_where_roles_do_not_count() {
    let all = Installed::start().await;
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/shopstore", all.it.group);
    let warned = async || {
        let statuses = all.shown().await["statuses"].clone();
        statuses.as_array().unwrap().iter().find(|one| one["code"] == "RolesNotEnforced").cloned()
    };

    let before = warned().await;
    let fixed = json!({"configurationSettings": {"credentialSecret": "store-keys"}});
    assert_eq!(all.patch(fixed).await.status, 200);
    let outside = warned().await.expect("a warning");
    let mut record = all.record().await.unwrap();
    for (name, value) in [
        ("storageAccount", account.rsplit('/').next().unwrap()),
        ("resourceGroup", "shop"),
        ("subscriptionId", all.it.world.subscription.as_str()),
    ] {
        let key = format!("configuration.backupStorageLocation.config.{name}");
        record.document.settings.insert(key, value.to_owned());
    }
    let store = all.it.world.app.store.clone();
    store.commit(&[record.write().unwrap()], &world::protected::audit()).await.unwrap();
    let own_account = warned().await;

    assert_eq!(before, None, "without a fixed credential the pod's identity is used");
    assert_eq!(outside["level"], "Warning");
    let message = outside["message"].as_str().unwrap();
    assert!(message.contains("'store-keys'") && message.contains("do not count there"), "{message}");
    assert_eq!(own_account, None, "the vault's own accounts enforce roles");
}

#[tokio::test]
async fn what_cannot_change_is_refused_with_the_name_of_the_field_and_changes_nothing() {
    let all = Installed::start().await;
    let before = all.record().await.unwrap();
    let bucket = "configuration.backupStorageLocation.bucket";

    let table = [
        (json!({"extensionType": "somebody.elses"}), "properties.extensionType"),
        (json!({"scope": {"cluster": {"releaseNamespace": "elsewhere"}}}), "releaseNamespace"),
        (json!({"scope": {"namespace": {"targetNamespace": "x"}}}), "properties.scope.namespace"),
        (json!({"configurationSettings": {bucket: ""}}), bucket),
        (json!({"configurationSettings": {"a": "x".repeat(20_000)}}), "properties.configurationSettings"),
        (json!({"configurationSettings": []}), "properties.configurationSettings"),
        (json!({"autoUpgradeMinorVersion": "often"}), "properties.autoUpgradeMinorVersion"),
        (json!({"version": "9.9.9"}), "9.9.9"),
        (json!({"releaseTrain": "nightly"}), "nightly"),
    ];
    for (properties, named) in table {
        let refused = all.patch(properties).await;
        assert_eq!(refused.status, 400, "{named}: {refused:?}");
        assert!(refused.body.to_string().contains(named), "{named}: {refused:?}");
    }
    let nowhere = format!("{}2", all.id);
    let absent = all.it.call(Method::PATCH, &nowhere, Some(json!({"properties": {}}))).await;

    assert_eq!((absent.status, absent.code()), (404, "ResourceNotFound"));
    let after = all.record().await.unwrap();
    assert_eq!((after.version, after.document), (before.version, before.document));
}

#[tokio::test]
async fn of_two_changes_the_later_one_counts_and_the_earlier_one_says_that_it_was_overtaken() {
    let all = Installed::start().await;

    let first = all.patch(json!({"configurationSettings": {"mine": "1"}})).await;
    let earlier = all.generation().await;
    let second = all.patch(json!({"configurationSettings": {"mine": "2"}})).await;
    all.says(earlier, "Installed").await;
    let between = (all.stands(&first).await, all.stands(&second).await["status"].clone());
    all.says(all.generation().await, "Failed").await;
    let failed = (all.stands(&second).await, all.shown().await);

    assert_eq!(
        (&between.0["status"], &between.0["error"]["code"]),
        (&json!("Failed"), &json!("OperationSuperseded"))
    );
    assert_eq!(between.1, "Inprogress");
    assert_eq!(
        (&failed.0["status"], &failed.0["error"]["code"]),
        (&json!("Failed"), &json!("ExtensionOperationFailed"))
    );
    assert_eq!(failed.1["provisioningState"], "Failed");
    assert_eq!(failed.1["errorInfo"]["code"], "ExtensionOperationFailed");
}

#[tokio::test]
async fn an_extension_goes_when_its_agent_has_removed_it_and_its_identity_goes_with_it() {
    let all = Installed::start().await;
    let store = all.it.world.app.store.clone();
    let identity = all.record().await.unwrap().document.identity.unwrap().principal_id;
    assert!(store.principal(&identity).await.unwrap().is_some());

    let begun = all.delete("").await;
    let again = all.delete("?forceDelete=false").await;
    let changed = all.patch(json!({"configurationSettings": {"mine": "1"}})).await;
    let deleting = all.shown().await["provisioningState"].clone();
    let generation = all.generation().await;
    all.says(generation - 1, "Removed").await;
    all.says(generation, "Installed").await;
    let lied = (all.stands(&begun).await["status"].clone(), all.record().await.is_some());
    all.says(generation, "Removed").await;
    let gone = all.it.get(all.id.as_str()).await;
    let absent = all.delete("").await;

    assert_eq!((begun.status, again.status, absent.status), (202, 202, 204));
    assert_eq!(
        again.header("azure-asyncoperation"),
        begun.header("azure-asyncoperation"),
        "who asks twice follows the same"
    );
    assert_eq!((changed.status, changed.code()), (409, "ExtensionBeingDeleted"));
    assert_eq!((deleting, lied), (json!("Deleting"), (json!("Inprogress"), true)));
    assert_eq!((all.stands(&begun).await["status"].as_str(), gone.status), (Some("Succeeded"), 404));
    // The identity of this test lies behind the API's back, and is the principal of no resource.
    let resource = store.principal(&identity).await.unwrap().and_then(|left| left.resource);
    assert_eq!(resource.filter(|resource| *resource == all.id), None);
}

#[tokio::test]
async fn where_no_agent_can_remove_it_an_extension_is_forgotten_when_that_is_forced_or_its_cluster_disconnected()
 {
    for is_forced in [true, false] {
        let all = Installed::start().await;
        let waits = all.delete("").await;
        if !is_forced {
            let path = format!("{}/disconnect", all.it.managed);
            assert_eq!(all.it.call(Method::POST, &path, None).await.status, 200);
        }

        let gone = all.delete(if is_forced { "?forceDelete=true" } else { "" }).await;

        assert_eq!((waits.status, gone.status), (202, 202), "forced: {is_forced}");
        assert_eq!(all.stands(&gone).await["status"], "Succeeded");
        assert_eq!(all.stands(&waits).await["error"]["code"], "OperationSuperseded");
        assert!(all.record().await.is_none(), "forced: {is_forced}");
    }
}

#[tokio::test]
async fn what_the_gate_in_the_cluster_says_is_shown_check_by_check_and_ends_when_the_agent_gets_on() {
    let all = Installed::start().await;
    let changed = all.patch(json!({"configurationSettings": {"mine": "1"}})).await;
    let details =
        json!([{"code": "P12", "message": "P12 The snapshot API …"}, {"code": "P20", "message": "P20 …"}]);
    let error = json!({"code": "PrerequisitesNotMet", "message": "Nothing was installed: P12, P20 not met.",
        "details": details});
    let warning = json!([{"code": "PrerequisiteNotObservable", "displayStatus": "Prerequisite", "level": "Warning",
        "message": "P17 was not judged, and may not hold.", "time": "2026-01-01T00:00:00Z"}]);

    all.fails(all.generation().await, error.clone(), warning.clone()).await;
    let (ended, failed) = (all.stands(&changed).await, all.shown().await);
    all.says(all.generation().await, "Installed").await;
    let healed = all.shown().await;

    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&json!("Failed"), &json!("PrerequisitesNotMet"))
    );
    assert_eq!(ended["error"]["details"], details, "{ended}");
    assert_eq!(
        (&failed["provisioningState"], &failed["errorInfo"], &failed["statuses"]),
        (&json!("Failed"), &error, &warning)
    );
    assert_eq!((&healed["provisioningState"], &healed["errorInfo"]), (&json!("Succeeded"), &json!(null)));
}

/// A cluster of a vault, made by its API, and what installs the Backup Extension there.
async fn cluster(it: &Protected, name: &str) -> (String, String, String) {
    cluster_of(it, name, None).await
}

/// The same, of a service principal.
async fn cluster_of(it: &Protected, name: &str, principal: Option<Value>) -> (String, String, String) {
    let path = format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", it.group);
    let nodes = format!("nodes-of-{name}");
    let properties = json!({"nodeResourceGroup": nodes, "servicePrincipalProfile": principal});
    let body = json!({"location": "local", "properties": properties});
    let made = it.call(Method::PUT, &path, Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let identity = format!(
        "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ext-backup-{name}",
        it.world.group(&nodes)
    );
    (format!("{path}/providers/Microsoft.KubernetesConfiguration/extensions/backup"), identity, path)
}

fn wanted() -> Value {
    json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes",
        "configurationSettings": {"configuration.backupStorageLocation.bucket": "b"}}})
}

#[tokio::test]
async fn an_identity_of_somebody_else_never_becomes_the_extensions_and_stops_its_installation() {
    let it = Protected::start().await;
    let (extension, identity, _) = cluster(&it, "taken").await;
    let register = format!("{}/providers/Microsoft.ManagedIdentity/register", it.world.root());
    it.call(Method::POST, &register, None).await;
    let theirs = it.call(Method::PUT, &identity, Some(json!({"location": "local"}))).await;
    assert_eq!(theirs.status, 201, "{theirs:?}");
    // Whoever made it could act as the extension: with a credential whose tokens they sign themselves.
    let credential = json!({"properties": {"issuer": "https://theirs.example", "subject": "them",
        "audiences": ["api://AzureADTokenExchange"]}});
    let credential = it
        .call(Method::PUT, &format!("{identity}/federatedIdentityCredentials/theirs"), Some(credential))
        .await;
    assert_eq!(credential.status, 201, "{credential:?}");

    let refused = it.call(Method::PUT, &extension, Some(wanted())).await;
    let mut nowhere = wanted();
    nowhere["properties"]["configurationSettings"] = json!({});
    let both = it.call(Method::PUT, &extension, Some(nowhere)).await;
    let absent = it.get(&extension).await.status;
    let gone = it.call(Method::DELETE, &identity, None).await;
    let made = it.call(Method::PUT, &extension, Some(wanted())).await;

    assert_eq!((refused.status, refused.code()), (409, "ExtensionIdentityAlreadyExists"), "{refused:?}");
    assert!(refused.body.to_string().contains("(P5)"), "{refused:?}");
    assert_eq!(both.code(), "PrerequisitesNotMet", "{both:?}");
    let details = both.body["error"]["details"].as_array().unwrap();
    let codes: Vec<_> = details.iter().filter_map(|one| one["code"].as_str()).collect();
    assert_eq!(codes.len(), 2, "{both:?}");
    assert_eq!(codes[0], "ExtensionIdentityAlreadyExists");
    assert_eq!((absent, gone.status, made.status), (404, 200, 201), "{made:?}");
    let assigned = &made.body["properties"]["aksAssignedIdentity"];
    assert_eq!(assigned["resourceId"].as_str().map(str::to_lowercase), Some(identity.to_lowercase()));
    assert_ne!(assigned["principalId"], theirs.body["properties"]["principalId"]);
}

#[tokio::test]
async fn an_extension_whose_identity_is_gone_is_not_changed_until_it_was_installed_again() {
    let it = Protected::start().await;
    let (extension, identity, _) = cluster(&it, "lost").await;
    let made = it.call(Method::PUT, &extension, Some(wanted())).await;
    assert_eq!(made.status, 201, "{made:?}");
    let first = made.body["properties"]["aksAssignedIdentity"]["principalId"].clone();
    // By its API nobody can take it away alone; a store that was brought back from an older day can lack it.
    let id: arm::ResourceId = identity.parse().unwrap();
    let kept = it.world.app.store.resource(&id).await.unwrap().unwrap();
    let remove = vault::store::Change::Remove(kept.id.clone(), vault::store::Expected::Version(kept.version));
    it.world.app.store.commit(&[remove], &world::protected::audit()).await.unwrap();

    let patched =
        it.call(Method::PATCH, &extension, Some(json!({"properties": {"releaseTrain": "stable"}}))).await;
    let put = it.call(Method::PUT, &extension, Some(wanted())).await;
    let deleted = it.call(Method::DELETE, &format!("{extension}?forceDelete=true"), None).await;
    let again = it.call(Method::PUT, &extension, Some(wanted())).await;

    for refused in [patched, put] {
        assert_eq!(
            (refused.status, refused.code()),
            (400, "UserErrorKubernetesBackupExtensionIdentityNotFound"),
            "{refused:?}"
        );
        assert!(refused.body.to_string().contains("install it again"), "{refused:?}");
    }
    assert_eq!((deleted.status, again.status), (202, 201), "{deleted:?} {again:?}");
    let second = &again.body["properties"]["aksAssignedIdentity"]["principalId"];
    assert!(second.is_string() && *second != first, "{again:?}");
}

#[tokio::test]
async fn the_validation_of_a_backup_names_an_identity_that_is_gone_and_not_the_roles_that_went_with_it() {
    let it = Protected::start().await;
    let store = it.world.app.store.as_ref();
    let id = it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap();
    let mut found: Loaded<ExtensionRecord> = load(store, &id).await.unwrap().unwrap();
    found.document.identity.as_mut().unwrap().principal_id = uuid::Uuid::new_v4().to_string();
    store.commit(&[found.write().unwrap()], &world::protected::audit()).await.unwrap();

    let asked = json!({"backupInstance": it.wanted()});
    let begun = it.call(Method::POST, &format!("{}/validateForBackup", it.vault), Some(asked)).await;
    let validated = it.operation(&begun).await;

    assert_eq!(validated.body["status"], "Failed");
    let error = &validated.body["error"];
    assert_eq!(error["code"], "UserErrorKubernetesBackupExtensionIdentityNotFound", "{error}");
    assert!(!error.to_string().contains("Storage Blob Data Contributor"), "{error}");
}

/// What the settings of a location name, beside its container.
fn located(account: &str, bucket: &str) -> Value {
    let at = "configuration.backupStorageLocation";
    let mut body = wanted();
    body["properties"]["configurationSettings"] = json!({
        format!("{at}.bucket"): bucket,
        format!("{at}.config.subscriptionId"): account.split('/').nth(2).unwrap(),
        format!("{at}.config.resourceGroup"): account.split('/').nth(4).unwrap(),
        format!("{at}.config.storageAccount"): account.rsplit('/').next().unwrap()});
    body
}

/// A storage account of the vault with one container.
async fn account_with(it: &Protected, container: &str) -> String {
    let register = format!("{}/providers/Microsoft.Storage/register", it.world.root());
    assert_eq!(it.call(Method::POST, &register, None).await.status, 200);
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/shopstore", it.group);
    let body =
        json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}});
    assert_eq!(it.call(Method::PUT, &account, Some(body)).await.status, 200);
    let path = format!("{account}/blobServices/default/containers/{container}");
    assert_eq!(it.call(Method::PUT, &path, Some(json!({"properties": {}}))).await.status, 201);
    account
}

#[tokio::test]
async fn an_extension_that_is_there_is_not_sent_to_a_container_that_is_not() {
    let all = Installed::start().await;
    let account = account_with(&all.it, "other").await;
    let before = all.record().await.unwrap().document.settings;
    let to = |bucket: &str| located(&account, bucket)["properties"].clone();

    let refused = all.patch(to("absent")).await;
    let kept = all.record().await.unwrap().document.settings;
    let path = format!("{account}/blobServices/default/containers/absent");
    let made = all.it.call(Method::PUT, &path, Some(json!({"properties": {}}))).await;
    let sent = all.patch(to("absent")).await;

    assert_eq!((refused.status, refused.code()), (404, NO_CONTAINER), "{refused:?}");
    assert_eq!(kept, before);
    assert_eq!((made.status, sent.status), (201, 200), "{sent:?}");
    let now = all.record().await.unwrap().document.settings;
    assert_eq!(now["configuration.backupStorageLocation.bucket"], "absent");
}

#[tokio::test]
async fn what_is_missing_stops_an_installation_with_its_code_and_leaves_nothing_behind() {
    let it = Protected::start().await;
    let (extension, identity, _) = cluster(&it, "managed").await;
    let profile = json!({"clientId": "0a0a0a0a-1111-4222-8333-444444444444", "secret": "s"});
    let (of_principal, its_identity, _) = cluster_of(&it, "old", Some(profile)).await;
    let account = account_with(&it, "backups").await;
    let absent = format!("{}/providers/Microsoft.Storage/storageAccounts/absent", it.group);
    let mut half = located(&absent, "b");
    half["properties"]["configurationSettings"]
        .as_object_mut()
        .unwrap()
        .remove("configuration.backupStorageLocation.config.resourceGroup");
    let mut nowhere = wanted();
    nowhere["properties"]["configurationSettings"] = json!({});

    let table = [
        (
            &of_principal,
            wanted(),
            400,
            "UserErrorClusterServicePrincipalNotSupported",
            "enable-managed-identity",
        ),
        (&extension, located(&absent, "b"), 404, "UserErrorStorageAccountNotFound", absent.as_str()),
        (&extension, located(&account, "other"), 404, NO_CONTAINER, "container create --name other"),
        (&extension, located(&account, "no/name"), 404, NO_CONTAINER, "'no/name'"),
        (&extension, nowhere, 400, "InvalidRequestContent", "configuration.backupStorageLocation.bucket"),
        (&extension, half, 400, "InvalidRequestContent", "resourceGroup and subscriptionId"),
    ];
    for (path, body, status, code, named) in table {
        let refused = it.call(Method::PUT, path, Some(body)).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{refused:?}");
        assert!(refused.body.to_string().contains(named), "{named}: {refused:?}");
    }
    let all = it.call(Method::PUT, &of_principal, Some(located(&absent, ""))).await;
    let both = it.call(Method::PUT, &of_principal, Some(located(&account, "other"))).await;
    let provider =
        |verb: &str| format!("{}/providers/Microsoft.KubernetesConfiguration/{verb}", it.world.root());
    it.call(Method::POST, &provider("unregister"), None).await;
    let unregistered = it.call(Method::PUT, &extension, Some(wanted())).await;
    let mut left = Vec::new();
    for path in [&extension, &identity, &of_principal, &its_identity] {
        left.push(it.get(path).await.status);
    }
    it.call(Method::POST, &provider("register"), None).await;
    let installed = it.call(Method::PUT, &extension, Some(located(&account, "backups"))).await;

    assert_eq!((all.status, all.code()), (400, "PrerequisitesNotMet"), "{all:?}");
    let codes = |answer: &Answer| -> Vec<String> {
        let details = answer.body["error"]["details"].as_array().unwrap();
        details.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
    };
    let wanted = [
        "UserErrorClusterServicePrincipalNotSupported",
        "InvalidRequestContent",
        "UserErrorStorageAccountNotFound",
    ];
    assert_eq!(codes(&all), wanted, "{all:?}");
    assert_eq!(codes(&both), ["UserErrorClusterServicePrincipalNotSupported", NO_CONTAINER], "{both:?}");
    assert_eq!((unregistered.status, unregistered.code()), (409, "MissingSubscriptionRegistration"));
    assert_eq!(left, [404; 4], "nothing was made, and no identity either");
    assert_eq!(installed.status, 201, "the same is installed where all of it holds: {installed:?}");
}
