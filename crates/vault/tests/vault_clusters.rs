//! Managed clusters and Trusted Access of a running vault, as clients see them.

mod world;

use arm::ResourceId;
use async_trait::async_trait;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use tunnel::Part;
use vault::{
    api::clusters::{BACKUP_OPERATOR, ClusterRecord, EnrolmentError, enrolment, find, redeem, split},
    api::{Loaded, load},
    cluster_link::{ClusterAnswer, ClusterLink, ClusterRequest, LinkError},
    store::{AuditEntry, AuditOutcome},
};
use world::{Answer, Choices, Person, World};

/// Notes what it is told, and reaches nothing.
#[derive(Debug, Default)]
struct FakeLink {
    changed: Mutex<Vec<String>>,
    cut: Mutex<Vec<String>>,
}

#[async_trait]
impl ClusterLink for FakeLink {
    fn connected(&self) -> Vec<String> {
        Vec::new()
    }

    async fn call(&self, _: &str, _: &str, _: ClusterRequest) -> Result<ClusterAnswer, LinkError> {
        Err(LinkError::NotConnected)
    }

    fn bindings_changed(&self, cluster: &ResourceId) {
        self.changed.lock().push(cluster.name().to_owned());
    }

    fn disconnected(&self, connection: &str) {
        self.cut.lock().push(connection.to_owned());
    }
}

/// A vault with a group, in which clusters can be made.
struct Set {
    world: World,
    link: Arc<FakeLink>,
    group: String,
}

impl Set {
    async fn start() -> Self {
        Self::choosing(Choices::default()).await
    }

    async fn choosing(choices: Choices) -> Self {
        let link = Arc::new(FakeLink::default());
        let world = World::choosing(choices, link.clone()).await;
        for namespace in
            ["Microsoft.ContainerService", "Microsoft.DataProtection", "Microsoft.ManagedIdentity"]
        {
            let path = format!("{}/providers/{namespace}/register", world.root());
            assert_eq!(world.call(&world.administrator, Method::POST, &path, None).await.status, 200);
        }
        let group = world.make_group("shop").await;
        Self { world, link, group }
    }

    fn path(&self, name: &str) -> String {
        format!("{}/providers/Microsoft.ContainerService/managedClusters/{name}", self.group)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.world.call(&self.world.administrator, method, path, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    async fn make(&self, name: &str) -> String {
        let path = self.path(name);
        let made = self.call(Method::PUT, &path, Some(json!({"location": "local"}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        path
    }

    async fn make_vault(&self, name: &str) -> String {
        let path = format!("{}/providers/Microsoft.DataProtection/backupVaults/{name}", self.group);
        let body = json!({"location": "local", "properties": {
            "storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}});
        let made = self.call(Method::PUT, &path, Some(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        path
    }

    async fn make_identity(&self, name: &str) -> (String, Value) {
        let path =
            format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", self.group);
        let made = self.call(Method::PUT, &path, Some(json!({"location": "local"}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        (path, made.body["properties"]["principalId"].clone())
    }

    async fn connect(&self, cluster: &str) -> Answer {
        let answer = self.call(Method::POST, &format!("{cluster}/connect"), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    async fn found(&self, connection: &Value) -> Option<Loaded<ClusterRecord>> {
        let connection = connection.as_str().unwrap().parse().unwrap();
        find(self.world.app.store.as_ref(), connection).await.unwrap()
    }

    async fn has_principal(&self, id: &Value) -> bool {
        self.world.app.store.principal(id.as_str().unwrap()).await.unwrap().is_some()
    }

    /// What the agent would report.
    async fn report(&self, cluster: &str, observed: Value) {
        let store = &self.world.app.store;
        let mut record: Loaded<ClusterRecord> =
            load(store.as_ref(), &cluster.parse().unwrap()).await.unwrap().unwrap();
        record.document.observed = Some(observed);
        record.document.observed_at = Some(self.world.app.clock.now());
        store.commit(&[record.write().unwrap()], &self.audit()).await.unwrap();
    }

    fn audit(&self) -> AuditEntry {
        AuditEntry {
            at: self.world.app.clock.now(),
            principal: "agent".into(),
            action: "report".into(),
            scope: "/".into(),
            outcome: AuditOutcome::Changed,
            correlation: "c".into(),
        }
    }

    async fn operation(&self, begun: &Answer) -> Value {
        let url = begun.header("azure-asyncoperation");
        assert!(url.starts_with(&self.world.url) && begun.header("retry-after") == "1", "{begun:?}");
        self.world.get_url(&self.world.administrator, url).await.body["status"].clone()
    }
}

fn binding_of(vault: &str) -> Value {
    json!({"properties": {"sourceResourceId": vault, "roles": [BACKUP_OPERATOR]}})
}

#[tokio::test]
async fn a_cluster_lives_its_life() {
    let set = Set::start().await;
    let path = set.path("One");
    let body = json!({"location": "local", "tags": {"a": "b"}});

    let absent = set.get(&path).await;
    let made = set.call(Method::PUT, &path, Some(body.clone())).await;
    let ended = set.operation(&made).await;
    let again = set.call(Method::PUT, &path.to_lowercase(), Some(body)).await;
    let patched = set.call(Method::PATCH, &path, Some(json!({"tags": {"a": "c"}}))).await;
    let found = set.get(&path.replace("managedClusters", "managedclusters")).await;
    let nodes = set.get(&set.world.group("MC_shop_One_local")).await;
    let gone = set.call(Method::DELETE, &path, None).await;

    assert_eq!((absent.status, absent.code()), (404, "ResourceNotFound"));
    assert_eq!((made.status, again.status, patched.status, gone.status), (201, 200, 200, 202));
    assert_eq!((&ended, &set.operation(&gone).await), (&json!("Succeeded"), &json!("Succeeded")));
    assert_eq!(found.body["id"], path.as_str(), "as its creator wrote it");
    assert_eq!(found.body["tags"], json!({"a": "c"}));
    assert_eq!(found.body["identity"], made.body["identity"], "it keeps its principal");
    assert_eq!(found.body["identity"]["tenantId"], set.world.tenant.as_str());
    assert_eq!(found.body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(found.body["properties"]["nodeResourceGroup"], "MC_shop_One_local");
    assert_eq!(found.body["properties"]["cofferdam"]["connected"], false);
    assert_eq!((nodes.status, &nodes.body["managedBy"]), (200, &json!(path)));
    assert_eq!(set.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(set.get(&set.world.group("MC_shop_One_local")).await.status, 404, "it went with the cluster");
    assert!(!set.has_principal(&made.body["identity"]["principalId"]).await);
}

#[tokio::test]
async fn lists_show_what_the_caller_may_see() {
    let set = Set::start().await;
    let one = set.make("one").await;
    set.make("two").await;
    let reader = set.world.person(Some("Reader"), &one).await;
    let all = format!("{}/providers/Microsoft.ContainerService/managedClusters", set.world.root());
    let in_group = format!("{}/providers/Microsoft.ContainerService/managedClusters", set.group);

    let seen = set.world.get(&reader, &all).await;
    let query = json!({"subscriptions": [set.world.subscription],
        "query": "resources | where type =~ 'microsoft.containerservice/managedclusters'"});
    let rows = set.call(Method::POST, "/providers/Microsoft.ResourceGraph/resources", Some(query)).await;

    assert_eq!(set.get(&all).await.names(), ["one", "two"]);
    assert_eq!(set.get(&in_group).await.names(), ["one", "two"]);
    assert_eq!(seen.names(), ["one"]);
    assert_eq!(rows.status, 200, "{rows:?}");
    let denied = set.world.call(&reader, Method::POST, &format!("{one}/connect"), None).await;
    assert_eq!((denied.status, denied.code()), (403, "AuthorizationFailed"));
}

#[tokio::test]
async fn a_namespace_that_is_not_registered_and_a_missing_group_are_told() {
    let set = Set::start().await;
    let body = json!({"location": "local"});
    let elsewhere = set.path("one").replace("/shop/", "/absent/");

    let missing = set.call(Method::PUT, &elsewhere, Some(body.clone())).await;
    let unregister = format!("{}/providers/Microsoft.ContainerService/unregister", set.world.root());
    set.call(Method::POST, &unregister, None).await;
    let unregistered = set.call(Method::PUT, &set.path("one"), Some(body.clone())).await;
    let name = set.call(Method::PUT, &set.path("-one"), Some(body)).await;

    assert_eq!((missing.status, missing.code()), (404, "ResourceGroupNotFound"));
    assert_eq!((unregistered.status, unregistered.code()), (409, "MissingSubscriptionRegistration"));
    assert_eq!((name.status, name.code()), (400, "InvalidParameter"));
}

#[tokio::test]
async fn a_cluster_of_a_service_principal_is_healed_by_an_identity() {
    let set = Set::start().await;
    let path = set.path("old");
    let (identity, principal) = set.make_identity("kubelet").await;
    let secret = "never-to-be-seen";
    let body = json!({"location": "local",
        "properties": {"servicePrincipalProfile": {"clientId": "0a0a0a0a-1111-4222-8333-444444444444", "secret": secret}}});

    let made = set.call(Method::PUT, &path, Some(body)).await;
    let kept = set.world.app.store.resource(&path.parse().unwrap()).await.unwrap().unwrap();
    let mut read = set.get(&path).await.body;
    read["identity"] = json!({"type": "SystemAssigned"});
    let healed = set.call(Method::PUT, &path, Some(read.clone())).await;
    read["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {identity.clone(): {}}});
    let other = set.call(Method::PUT, &path, Some(read)).await;

    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.body.get("identity").is_none());
    assert!(!kept.document.to_string().contains(secret) && !made.body.to_string().contains(secret));
    assert_eq!(healed.body["identity"]["type"], "SystemAssigned", "{healed:?}");
    assert_eq!(healed.body["properties"]["servicePrincipalProfile"]["clientId"], "msi");
    assert_eq!(
        other.body["identity"]["userAssignedIdentities"][&identity]["principalId"], principal,
        "{other:?}"
    );
    assert!(!set.has_principal(&healed.body["identity"]["principalId"]).await, "its own went");
}

#[tokio::test]
async fn only_who_may_give_an_identity_away_gives_it_to_a_cluster() {
    let set = Set::start().await;
    let (identity, _) = set.make_identity("kubelet").await;
    let other = set.world.make_group("other").await;
    let owner = set.world.person(Some("Owner"), &other).await;
    let path = format!("{other}/providers/Microsoft.ContainerService/managedClusters/one");
    let body = |id: &str| json!({"location": "local", "identity": {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}});

    let denied = set.world.call(&owner, Method::PUT, &path, Some(body(&identity))).await;
    let absent = set.call(Method::PUT, &path, Some(body(&format!("{identity}2")))).await;

    assert_eq!((denied.status, denied.code()), (403, "LinkedAuthorizationFailed"), "{denied:?}");
    assert_eq!((absent.status, absent.code()), (400, "FailedIdentityOperation"), "{absent:?}");
}

#[tokio::test]
async fn a_group_of_others_does_not_become_the_node_resource_group() {
    let set = Set::start().await;
    set.world.make_group("theirs").await;
    let body = |name: &str| json!({"location": "local", "properties": {"nodeResourceGroup": name}});
    let (one, two) = (set.path("one"), set.path("two"));

    let theirs = set.call(Method::PUT, &one, Some(body("theirs"))).await;
    let made = set.call(Method::PUT, &one, Some(body("mine"))).await;
    let taken = set.call(Method::PUT, &two, Some(body("MINE"))).await;
    let moved = set.call(Method::PUT, &one, Some(body("elsewhere"))).await;

    assert_eq!((theirs.status, theirs.code()), (409, "NodeResourceGroupAlreadyExists"), "{theirs:?}");
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((taken.status, taken.code()), (409, "NodeResourceGroupAlreadyExists"));
    assert_eq!((moved.status, moved.code()), (409, "PropertyChangeNotAllowed"));
}

#[tokio::test]
async fn an_etag_holds_over_reports_and_fails_over_changes() {
    let set = Set::start().await;
    let path = set.make("one").await;
    let etag = set.get(&path).await.header("etag").to_owned();
    let url = format!("{}{path}?api-version=2026-08-01", set.world.url);
    let patch = async |tags: Value| {
        let request = set.world.http.patch(&url).bearer_auth(&set.world.administrator.token);
        let request = request.header("if-match", &etag).body(json!({"tags": tags}).to_string());
        Answer::of(request.send().await.unwrap()).await
    };

    set.report(
        &path,
        json!({"kubernetesVersion": "v1.35.4", "nodes": 2, "snapshotClasses": 1, "csiDrivers": []}),
    )
    .await;
    let first = patch(json!({"n": "1"})).await;
    let stale = patch(json!({"n": "2"})).await;
    let shown = set.get(&path).await;

    assert_eq!((first.status, stale.status, stale.code()), (200, 412, "PreconditionFailed"));
    assert_eq!(shown.body["properties"]["currentKubernetesVersion"], "1.35.4");
    assert_eq!(shown.body["properties"]["agentPoolProfiles"][0]["count"], 2);
}

#[tokio::test]
async fn connecting_yields_a_token_that_is_kept_as_a_hash_alone() {
    let set = Set::start().await;
    let path = set.make("one").await;
    let store = set.world.app.store.clone();

    let answer = set.connect(&path).await;

    let token = answer.body["token"].as_str().unwrap();
    let (connection, secret) = split(token).unwrap();
    let record = enrolment(store.as_ref(), &path.parse().unwrap(), connection).await.unwrap().unwrap();
    let kept = store.resource(&record.id).await.unwrap().unwrap();
    let now = set.world.app.clock.now();
    assert_eq!(answer.body["connection"], connection.to_string());
    assert_eq!(answer.body["expiresAt"], json!(now + jiff::SignedDuration::from_hours(1)));
    let manifest = &answer.body["manifest"][0];
    assert_eq!((&manifest["token"], &manifest["vault"]), (&json!(token), &json!(set.world.url)));
    assert!(manifest["authorities"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    assert_eq!(manifest["image"], "registry.example/cofferdam:test");
    assert!(!kept.document.to_string().contains(secret));
    assert_eq!(set.found(&answer.body["connection"]).await.unwrap().id.as_str(), path);
    let once = redeem(&record.document, secret, Part::Agent, now).unwrap();
    assert_eq!(redeem(&once, secret, Part::Agent, now), Err(EnrolmentError::Used));
    let shown = set.get(&path).await.body.to_string();
    assert!(!shown.contains(secret) && shown.contains(&connection.to_string()));
    let hidden = set.get(&format!("{path}/enrolments/{connection}")).await;
    assert_eq!((hidden.status, hidden.code()), (404, "InvalidResourceType"));
    let audit = format!("{:?}", store.audit(0, 100).await.unwrap());
    assert!(!audit.contains(secret));
}

#[tokio::test]
async fn the_way_out_of_a_cluster_comes_into_the_manifest_and_a_bad_one_changes_nothing() {
    let set = Set::start().await;
    let path = set.make("one").await;
    let connect = format!("{path}/connect");
    let first = set.connect(&path).await.body["connection"].clone();
    let bad = [
        (json!({"httpsProxy": "proxy:3128"}), "httpsProxy"),
        (json!({"httpsProxy": "http://proxy:3128", "noProxy": "a b"}), "noProxy"),
        (json!({"httpsProxy": "http://me:word@proxy:3128", "proxyCa": "PEM"}), "proxyCa"),
        (json!({"noProxy": ".corp"}), "noProxy"),
        (json!({"manifest": 1}), "manifest"),
    ];

    for (body, field) in bad {
        let refused = set.call(Method::POST, &connect, Some(body)).await;
        let told = (refused.status, refused.body["error"]["target"].clone());
        assert_eq!(told, (400, json!(field)), "{refused:?}");
        assert!(!refused.body.to_string().contains("me:word"), "{refused:?}");
    }
    let dry = set.call(Method::POST, &connect, Some(json!({"dryRun": true}))).await;
    let kept = set.found(&first).await.is_some() && set.found(&dry.body["connection"]).await.is_none();
    let body = json!({"httpsProxy": "http://me:word@proxy:3128", "noProxy": ".corp,10.0.0.0/8"});
    let answer = set.call(Method::POST, &connect, Some(body)).await;

    assert!(kept, "a refused call and a dry run leave the connection that there is");
    assert!(dry.body["manifest"][0].is_object(), "{dry:?}");
    let proxy = &answer.body["manifest"][0]["proxy"];
    assert_eq!(proxy, &json!(["http://me:word@proxy:3128", ".corp,10.0.0.0/8"]), "{answer:?}");
    let shown = set.get(&path).await.body.to_string();
    let audit = format!("{:?}", set.world.app.store.audit(0, 1_000).await.unwrap());
    assert!(!shown.contains("word") && !audit.contains("me:word"), "the vault does not keep it");
}

#[tokio::test]
async fn a_vault_that_has_no_manifest_refuses_and_leaves_the_connection_that_there_is() {
    let set = Set::choosing(Choices { no_manifests: true, ..Choices::default() }).await;
    let path = set.make("one").await;
    let connect = format!("{path}/connect");

    let token = set.call(Method::POST, &connect, Some(json!({"manifest": false}))).await;
    let refused = set.call(Method::POST, &connect, None).await;

    assert_eq!(token.status, 200, "{token:?}");
    assert_eq!((token.body.get("manifest"), &token.body["vault"]), (None, &json!(set.world.url)));
    assert!(token.body["authorities"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    assert_eq!((refused.status, refused.code()), (409, "ConnectManifestUnavailable"), "{refused:?}");
    assert!(refused.body.to_string().contains("--packages"), "{refused:?}");
    assert!(set.found(&token.body["connection"]).await.is_some(), "the connection was replaced");
    assert!(set.link.cut.lock().is_empty());
}

#[tokio::test]
async fn a_connection_ends_with_the_next_one_with_disconnecting_and_with_the_cluster() {
    let set = Set::start().await;
    let path = set.make("one").await;

    let first = set.connect(&path).await.body["connection"].clone();
    set.report(&path, json!({"tokenIssuer": "https://i", "tokenKeys": {"keys": []}})).await;
    let connected = set.get(&path).await;
    let second = set.connect(&path).await.body["connection"].clone();
    let first_found = set.found(&first).await;
    let second_found = set.found(&second).await;
    let off = set.call(Method::POST, &format!("{path}/disconnect"), None).await;
    let again = set.call(Method::POST, &format!("{path}/disconnect"), None).await;
    let second_gone = set.found(&second).await;
    let third = set.connect(&path).await.body["connection"].clone();
    set.call(Method::DELETE, &path, None).await;

    assert_eq!(connected.body["properties"]["cofferdam"]["connected"], true, "its agent has just reported");
    assert!(first_found.is_none() && second_gone.is_none());
    let second_found = second_found.unwrap();
    assert!(
        second_found.document.reported("tokenKeys").is_none(),
        "keys of the former connection count no more"
    );
    assert_eq!((off.status, again.status), (200, 200));
    assert_eq!(off.body["properties"]["cofferdam"]["connected"], false);
    assert!(set.found(&third).await.is_none());
    let cut: Vec<Value> = set.link.cut.lock().iter().map(|one| json!(one)).collect();
    assert_eq!(cut, [first, second, third.clone()]);
    let index = format!("connection {}", third.as_str().unwrap());
    assert_eq!(set.world.app.store.setting(&index).await.unwrap(), None);
}

#[tokio::test]
async fn a_group_that_is_deleted_takes_connections_and_node_groups_of_its_clusters_with_it() {
    let set = Set::start().await;
    let path = set.make("one").await;
    let connection = set.connect(&path).await.body["connection"].clone();

    let begun = set.call(Method::DELETE, &set.group, None).await;
    let location = begun.header("location").to_owned();
    for _ in 0..100 {
        if set.world.get_url(&set.world.administrator, &location).await.status != 202 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    assert_eq!(set.get(&set.world.group("MC_shop_one_local")).await.status, 404);
    assert!(set.found(&connection).await.is_none());
    assert_eq!(set.link.cut.lock().as_slice(), [connection.as_str().unwrap()]);
}

#[tokio::test]
async fn no_kubeconfig_is_given_out() {
    let set = Set::start().await;
    let path = set.make("one").await;

    for call in ["listClusterUserCredential", "listClusterAdminCredential"] {
        let answer = set.call(Method::POST, &format!("{path}/{call}?server-fqdn=public"), None).await;

        assert_eq!((answer.status, answer.code()), (400, "UserErrorOperationNotSupported"), "{answer:?}");
        assert!(answer.body["error"]["message"].as_str().unwrap().contains("kubeconfig"));
    }
}

#[tokio::test]
async fn consent_is_given_listed_and_withdrawn() {
    let set = Set::start().await;
    let (cluster, vault) = (set.make("one").await, set.make_vault("vault1").await);
    let path = format!("{cluster}/trustedAccessRoleBindings/backuprb");

    let before = set.get(&path).await;
    let made = set.call(Method::PUT, &path, Some(binding_of(&vault.to_lowercase()))).await;
    let ended = set.operation(&made).await;
    let again = set.call(Method::PUT, &path, Some(binding_of(&vault))).await;
    let all = set.get(&format!("{cluster}/trustedAccessRoleBindings")).await;
    let gone = set.call(Method::DELETE, &path, None).await;
    let result = set.world.get_url(&set.world.administrator, gone.header("location")).await;

    assert_eq!((before.status, before.code()), (404, "ResourceNotFound"));
    assert_eq!((made.status, ended, again.status, gone.status), (201, json!("Succeeded"), 200, 202));
    assert_eq!(made.body["id"], path);
    assert_eq!(
        made.body["properties"],
        json!({"provisioningState": "Succeeded", "sourceResourceId": vault,
        "roles": [BACKUP_OPERATOR]}),
        "the vault's id as its creator wrote it"
    );
    assert_eq!(all.names(), ["backuprb"]);
    assert_eq!((result.status, result.body["objectType"].is_string()), (200, true));
    assert_eq!(set.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(set.link.changed.lock().as_slice(), ["one", "one", "one"], "the gateway is told each time");
    assert_eq!(set.get(&format!("{}/trustedAccessRoleBindings", set.path("two"))).await.status, 404);
}

#[tokio::test]
async fn consent_that_cannot_be_is_refused() {
    let set = Set::start().await;
    let (cluster, vault) = (set.make("one").await, set.make_vault("vault1").await);
    let other = set.make_vault("vault2").await;
    let at = |name: &str| format!("{cluster}/trustedAccessRoleBindings/{name}");
    let put = async |name: &str, body: Value| set.call(Method::PUT, &at(name), Some(body)).await;
    let role = |role: &str| json!({"properties": {"sourceResourceId": vault, "roles": [role]}});

    let made = put("rb", binding_of(&vault)).await;

    assert_eq!(made.status, 201);
    for (name, body, status, code) in [
        ("-rb", binding_of(&vault), 400, "InvalidParameter"),
        ("rb2", role("Microsoft.DataProtection/backupVaults/everything"), 400, "InvalidRequestContent"),
        ("rb2", role("backup-operator"), 400, "InvalidRequestContent"),
        ("rb2", binding_of(&cluster), 400, "InvalidRequestContent"),
        ("rb2", json!({}), 400, "InvalidRequestContent"),
        ("rb2", binding_of(&format!("{vault}9")), 400, "LinkedResourceNotFound"),
        ("rb", binding_of(&other), 409, "PropertyChangeNotAllowed"),
    ] {
        let answer = put(name, body).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    }
    assert_eq!(set.link.changed.lock().len(), 1);
}

#[tokio::test]
async fn a_cluster_lets_in_eight_at_most_however_fast_they_come() {
    let set = Set::start().await;
    let (cluster, vault) = (set.make("one").await, set.make_vault("vault1").await);
    let put = async |n: usize| {
        let path = format!("{cluster}/trustedAccessRoleBindings/rb{n}");
        set.call(Method::PUT, &path, Some(binding_of(&vault))).await
    };
    for n in 0..7 {
        assert_eq!(put(n).await.status, 201);
    }

    let answers = futures::future::join_all((7..11).map(put)).await;

    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1, "{answers:?}");
    let rest = answers.iter().filter(|answer| answer.status != 201);
    assert!(rest.clone().all(|answer| answer.status == 409), "{answers:?}");
    assert_eq!(put(12).await.code(), "TrustedAccessRoleBindingLimitExceeded");
}

#[tokio::test]
async fn consent_needs_a_right_on_the_cluster_and_sight_of_the_vault() {
    let set = Set::start().await;
    let (cluster, vault) = (set.make("one").await, set.make_vault("vault1").await);
    let path = format!("{cluster}/trustedAccessRoleBindings/rb");
    let put = async |who: &Person| set.world.call(who, Method::PUT, &path, Some(binding_of(&vault))).await;
    let of_cluster = set.world.person(Some("Contributor"), &cluster).await;
    let of_vault = set.world.person(Some("Contributor"), &vault).await;

    let blind = put(&of_cluster).await;
    let stranger = put(&of_vault).await;
    set.world.assign(&set.world.administrator, "Reader", &of_cluster, &vault).await;
    let both = put(&of_cluster).await;

    assert_eq!((blind.status, blind.code()), (403, "LinkedAuthorizationFailed"), "{blind:?}");
    assert_eq!((stranger.status, stranger.code()), (403, "AuthorizationFailed"));
    assert_eq!(both.status, 201, "{both:?}");
}

#[tokio::test]
async fn the_role_is_shown_with_all_its_rules() {
    let set = Set::start().await;
    let path = format!(
        "{}/providers/Microsoft.ContainerService/locations/local/trustedAccessRoles",
        set.world.root()
    );

    let answer = set.get(&path).await;

    let roles = answer.body["value"].as_array().unwrap();
    assert_eq!(roles.len(), 1);
    assert_eq!(roles[0]["sourceResourceType"], "Microsoft.DataProtection/backupVaults");
    assert_eq!(roles[0]["name"], "backup-operator");
    let rules = roles[0]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        rules[1],
        json!({"verbs": ["get", "list"], "apiGroups": ["clusterbackup.dataprotection.microsoft.com"],
        "resources": ["backuphooks", "restorehooks"], "resourceNames": [], "nonResourceURLs": []})
    );
}

/// What the command line sends, in the versions in which it and the SDK do.
#[tokio::test]
async fn the_requests_of_the_command_line_are_answered() {
    let set = Set::start().await;
    let vault = set.make_vault("vault1").await;
    let sent = async |version: &str, method: Method, path: &str, body: Option<Value>| {
        let url = format!("{}{path}?api-version={version}", set.world.url);
        let request = set.world.http.request(method, url).bearer_auth(&set.world.administrator.token);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        Answer::of(request.send().await.unwrap()).await
    };
    for (version, name) in [("2026-06-01", "cli"), ("2024-10-02-preview", "preview"), ("2026-08-01", "sdk")] {
        let cluster = set.path(name);
        let create = json!({"location": "local", "identity": {"type": "SystemAssigned"}, "tags": null, "properties": {
            "kubernetesVersion": "", "dnsPrefix": "x", "enableRBAC": true, "disableLocalAccounts": false,
            "agentPoolProfiles": [{"count": 3, "vmSize": "x", "osType": "Linux", "mode": "System", "name": "nodepool1"}],
            "addonProfiles": {}, "networkProfile": {"loadBalancerSku": "standard"}, "storageProfile": {}}});
        let binding = format!("{cluster}/trustedAccessRoleBindings/rb");

        let made = sent(version, Method::PUT, &cluster, Some(create)).await;
        let url = made.header("azure-asyncoperation").to_owned();
        let polled = set.world.get_url(&set.world.administrator, &url).await;
        let found = sent(version, Method::GET, &cluster, None).await;
        let new = sent(version, Method::GET, &binding, None).await;
        let bound = sent(version, Method::PUT, &binding, Some(binding_of(&vault))).await;
        let shown = sent(version, Method::GET, &binding, None).await;

        assert_eq!((made.status, &polled.body["status"]), (201, &json!("Succeeded")), "{made:?}");
        assert!(url.contains(&format!("api-version={version}")), "{url}");
        assert_eq!(found.body["properties"]["agentPoolProfiles"][0]["count"], 3);
        assert!(found.body["identity"]["principalId"].is_string());
        assert_eq!((new.status, bound.status, shown.status), (404, 201, 200));
    }
}
