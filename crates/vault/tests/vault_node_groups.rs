//! Node resource groups: with a cluster goes what the vault made for it, and nothing past what protects it.

mod gone;
#[path = "gone/scene.rs"]
mod scene;
mod world;

use arm::ResourceId;
use reqwest::Method;
use scene::Scene;
use serde_json::{Value, json};
use vault::{
    api::{
        Loaded, load,
        storage::{AccountRecord, NameRecord, index},
    },
    store::{Change, Expected},
};
use world::{
    Answer, Person,
    protected::{Protected, audit},
};

const ROLES: &str = "/providers/Microsoft.Authorization/roleAssignments";

/// A cluster `two` of the vault, made by its API, with the node resource group `nodes-of-two`.
struct Nodes {
    cluster: String,
    group: String,
}

impl Nodes {
    async fn of(it: &Protected) -> Self {
        for namespace in ["Microsoft.Storage", "Microsoft.ManagedIdentity"] {
            let path = format!("{}/providers/{namespace}/register", it.world.root());
            assert_eq!(it.call(Method::POST, &path, None).await.status, 200);
        }
        let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/two", it.group);
        let body = json!({"location": "local", "properties": {"nodeResourceGroup": "nodes-of-two"}});
        let made = it.call(Method::PUT, &cluster, Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        Self { cluster, group: it.world.group("nodes-of-two") }
    }

    fn extension(&self) -> String {
        format!("{}/providers/Microsoft.KubernetesConfiguration/extensions/backup", self.cluster)
    }

    /// As a vault left it that did not yet write down which groups it made.
    async fn forget_who_made_it(&self, it: &Protected) {
        let store = it.world.app.store.as_ref();
        let found = store.resource(&self.group.parse().unwrap()).await.unwrap().unwrap();
        let mut document = found.document;
        document.as_object_mut().unwrap().retain(|name, _| name != "nodeGroupOf");
        let put = Change::Put { id: found.id, document, expected: Expected::Version(found.version) };
        store.commit(&[put], &audit()).await.unwrap();
    }
}

async fn account(it: &Protected, group: &str, name: &str) -> String {
    let path = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
    let body = json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}});
    let made = it.call(Method::PUT, &path, Some(body)).await;
    assert_eq!(made.status, 200, "{made:?}");
    path
}

async fn lock(it: &Protected, scope: &str) -> String {
    let path = format!("{scope}/providers/Microsoft.Authorization/locks/keep");
    let body = json!({"properties": {"level": "CanNotDelete"}});
    assert_eq!(it.call(Method::PUT, &path, Some(body)).await.status, 201);
    path
}

fn wanted() -> Value {
    json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes",
        "configurationSettings": {"configuration.backupStorageLocation.bucket": "b"}}})
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

#[tokio::test]
async fn a_group_that_a_client_says_belongs_to_a_cluster_does_not_go_with_it() {
    let it = Protected::start().await;
    Nodes::of(&it).await;
    let stores = it.world.make_group("stores").await;
    let account = account(&it, &stores, "theirs").await;
    lock(&it, &stores).await;
    let mallory = it.world.person(Some("Contributor"), &it.world.root()).await;
    let evil = format!("{}/providers/Microsoft.ContainerService/managedClusters/evil", it.group);
    let by = async |method: Method, path: &str, body: Option<Value>| {
        it.world.call(&mallory, method, path, body).await
    };

    let said = by(Method::PATCH, &stores, Some(json!({"managedBy": evil}))).await;
    let body = json!({"location": "local", "properties": {"nodeResourceGroup": "stores"}});
    let made = by(Method::PUT, &evil, Some(body)).await;
    by(Method::DELETE, &evil, None).await;

    assert_eq!(said.status, 200, "a group may say so: {said:?}");
    assert_eq!(told(&made), (409, "NodeResourceGroupAlreadyExists"), "{made:?}");
    assert_eq!((it.get(&stores).await.status, it.get(&account).await.status), (200, 200));
}

#[tokio::test]
async fn a_group_made_again_under_the_name_of_a_node_group_stays_when_the_cluster_goes() {
    let it = Protected::start().await;
    let nodes = Nodes::of(&it).await;
    let gone = it.call(Method::DELETE, &nodes.group, None).await;
    assert_eq!(gone.status, 202, "{gone:?}");
    it.until(async || (it.get(&nodes.group).await.status == 404).then_some(())).await;
    it.world.make_group("nodes-of-two").await;
    let account = account(&it, &nodes.group, "theirs").await;
    it.call(Method::PATCH, &nodes.group, Some(json!({"managedBy": nodes.cluster}))).await;

    let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;
    let operation = it.operation(&deleted).await.body;

    assert_eq!(deleted.status, 202, "{deleted:?}");
    assert_eq!(it.get(&account).await.status, 200);
    let message = operation["properties"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("nodes-of-two") && message.contains("stays"), "{operation}");
}

#[tokio::test]
async fn nobody_changes_whose_a_node_resource_group_is() {
    let it = Protected::start().await;
    let nodes = Nodes::of(&it).await;
    let body = |managed_by: &str| json!({"location": "local", "managedBy": managed_by});

    let patched = it.call(Method::PATCH, &nodes.group, Some(json!({"managedBy": it.vault}))).await;
    let put = it.call(Method::PUT, &nodes.group, Some(body(&it.vault))).await;
    let same = it.call(Method::PUT, &nodes.group, Some(body(&nodes.cluster))).await;
    let tags = json!({"location": "local", "tags": {"a": "b"}, "nodeGroupOf": it.vault});
    let tagged = it.call(Method::PUT, &nodes.group, Some(tags)).await;
    let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;

    for refused in [&patched, &put] {
        assert_eq!(told(refused), (409, "ResourceGroupManagedByMismatch"), "{refused:?}");
    }
    assert_eq!((same.status, tagged.status), (200, 200), "{same:?} {tagged:?}");
    assert_eq!(tagged.body["managedBy"], json!(nodes.cluster));
    assert_eq!((deleted.status, it.get(&nodes.group).await.status), (202, 404));
}

#[tokio::test]
async fn a_lock_on_a_node_resource_group_or_in_it_keeps_the_cluster_and_its_group() {
    let it = Protected::start().await;
    let nodes = Nodes::of(&it).await;
    let account = account(&it, &nodes.group, "apart").await;

    for scope in [&nodes.group, &account] {
        let keep = lock(&it, scope).await;
        let cluster = it.call(Method::DELETE, &nodes.cluster, None).await;
        let group = it.call(Method::DELETE, &it.group, None).await;
        assert_eq!(it.call(Method::DELETE, &keep, None).await.status, 200);

        for refused in [&cluster, &group] {
            assert_eq!(told(refused), (409, "ScopeLocked"), "{refused:?}");
            assert!(refused.body.to_string().contains(scope.as_str()), "{refused:?}");
        }
        assert_eq!(it.get(&account).await.status, 200);
    }
    let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;
    assert_eq!((deleted.status, it.get(&nodes.group).await.status), (202, 404), "{deleted:?}");
}

#[tokio::test]
async fn recovery_points_in_a_node_resource_group_are_held_and_what_goes_with_it_is_told_and_removed() {
    let scene = Scene::start().await;
    let it = &scene.it;
    it.protect().await;
    let nodes = Nodes::of(it).await;
    let account: ResourceId = account(it, &nodes.group, "apart").await.parse().unwrap();
    it.writes_to("apart").await;
    scene.backed_up("p1").await;
    let store = it.world.app.store.as_ref();
    let record: Loaded<AccountRecord> = load(store, &account).await.unwrap().unwrap();
    let folder = it.world.data().join("blobs").join(&record.document.folder);
    std::fs::create_dir_all(folder.join("backups-1")).unwrap();
    std::fs::write(folder.join("backups-1/blob"), "data").unwrap();
    scene.security(json!({"immutabilitySettings": {"state": "Unlocked"}})).await;

    let refused = it.call(Method::DELETE, &nodes.cluster, None).await;
    scene.security(json!({"immutabilitySettings": {"state": "Disabled"}})).await;
    let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;
    it.until(async || (!folder.join("backups-1/blob").exists()).then_some(())).await;
    let alerts = it.get(&format!("{}/providers/Microsoft.AlertsManagement/alerts", it.vault)).await;

    assert_eq!(told(&refused), (409, "ResourceGroupDeletionBlocked"), "{refused:?}");
    assert!(refused.body.to_string().contains("storage account 'apart' cannot be deleted"), "{refused:?}");
    assert_eq!((deleted.status, it.get(account.as_str()).await.status), (202, 404), "{deleted:?}");
    let name: Loaded<NameRecord> = load(store, &index("apart").unwrap()).await.unwrap().unwrap();
    assert_eq!(name.document.earlier.len(), 1, "its name is known to have had an account");
    let rules: Vec<_> = alerts.body["value"].as_array().unwrap().iter().collect();
    let is_told = |alert: &&Value| alert["properties"]["essentials"]["alertRule"] == "Delete Backup Data";
    let alert = rules.into_iter().find(is_told).unwrap_or_else(|| panic!("{alerts:?}"));
    assert!(alert.to_string().contains("'apart'"), "{alert}");
}

#[tokio::test]
async fn a_cluster_stays_with_the_last_administrator_whether_it_is_its_own_identity_or_one_of_its_group() {
    for of_cluster in [false, true] {
        let it = Protected::start().await;
        let nodes = Nodes::of(&it).await;
        let identity =
            format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/owner", nodes.group);
        let made = it.call(Method::PUT, &identity, Some(json!({"location": "local"}))).await;
        let (of_group, own) = (made, it.get(&nodes.cluster).await);
        let principal = if of_cluster {
            own.body["identity"]["principalId"].as_str().unwrap().to_owned()
        } else {
            of_group.body["properties"]["principalId"].as_str().unwrap().to_owned()
        };
        let admin = it.world.administrator.clone();
        let owner = Person { object_id: principal, ..admin.clone() };
        assert_eq!(it.world.assign(&admin, "Owner", &owner, &it.world.root()).await.status, 201);
        let mine = it.world.app.store.assignments_of(&admin.object_id).await.unwrap();
        it.world.assign(&admin, "Contributor", &admin, &it.world.root()).await;
        let own = format!("{}{ROLES}/{}", it.world.root(), mine[0].name);
        assert_eq!(it.call(Method::DELETE, &own, None).await.status, 200);

        let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;

        assert_eq!(told(&deleted), (400, "CannotDeleteLastRbacAdminAssignment"), "{deleted:?}");
        assert_eq!((it.get(&nodes.cluster).await.status, it.get(&nodes.group).await.status), (200, 200));
    }
}

#[tokio::test]
async fn a_node_group_of_an_older_vault_goes_when_all_in_it_is_the_vaults_and_stays_otherwise() {
    for has_account in [false, true] {
        let it = Protected::start().await;
        let nodes = Nodes::of(&it).await;
        let made = it.call(Method::PUT, &nodes.extension(), Some(wanted())).await;
        assert_eq!(made.status, 201, "{made:?}");
        let identity = made.body["properties"]["aksAssignedIdentity"]["resourceId"].as_str().unwrap();
        if has_account {
            account(&it, &nodes.group, "apart").await;
        }
        nodes.forget_who_made_it(&it).await;

        let changed = it.call(Method::PUT, &nodes.cluster, Some(json!({"location": "local"}))).await;
        let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;

        assert_eq!((changed.status, deleted.status), (200, 202), "{changed:?} {deleted:?}");
        let group = it.get(&nodes.group).await.status;
        assert_eq!(group, if has_account { 200 } else { 404 });
        assert_eq!(it.get(identity).await.status, 404, "the identity of its extension goes in any case");
    }
}

#[tokio::test]
async fn an_extension_does_not_go_past_a_lock_on_its_identity() {
    let it = Protected::start().await;
    let nodes = Nodes::of(&it).await;
    let made = it.call(Method::PUT, &nodes.extension(), Some(wanted())).await;
    let identity = made.body["properties"]["aksAssignedIdentity"]["resourceId"].as_str().unwrap();
    let keep = lock(&it, identity).await;

    let refused = it.call(Method::DELETE, &nodes.extension(), None).await;
    let there = it.get(identity).await.status;
    it.call(Method::DELETE, &keep, None).await;
    let deleted = it.call(Method::DELETE, &nodes.extension(), None).await;

    assert_eq!(told(&refused), (409, "ScopeLocked"), "{refused:?}");
    assert_eq!((there, deleted.status, it.get(identity).await.status), (200, 202, 404), "{deleted:?}");
}

#[tokio::test]
async fn a_cluster_does_not_go_while_another_one_lies_in_its_node_resource_group() {
    let it = Protected::start().await;
    let nodes = Nodes::of(&it).await;
    let inner = format!("{}/providers/Microsoft.ContainerService/managedClusters/inner", nodes.group);
    assert_eq!(it.call(Method::PUT, &inner, Some(json!({"location": "local"}))).await.status, 201);

    let refused = it.call(Method::DELETE, &nodes.cluster, None).await;
    let inner_gone = it.call(Method::DELETE, &inner, None).await;
    let deleted = it.call(Method::DELETE, &nodes.cluster, None).await;

    assert_eq!(told(&refused), (409, "ResourceGroupDeletionBlocked"), "{refused:?}");
    assert_eq!((inner_gone.status, deleted.status), (202, 202), "{deleted:?}");
}
