//! The gateway against a real API server, with exactly the rights that its manifest gives it.
//! `COFFERDAM_TEST_KUBECONFIG` names the server's kubeconfig; no kubelet is needed.

mod access;

use access::{World, binding, get, json_body, status_of};
use futures::StreamExt;
use gateway::{
    ACCESS_NAMESPACE, CLUSTER_ROLE_BINDING, NAME, NAMESPACE, Repairs, SecretStore,
    role::{CLUSTER_ROLE, cluster_role},
};
use http::{Request, StatusCode};
use http_body_util::BodyStream;
use k8s_openapi::api::{
    core::v1::{Secret, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, ConnectionId, Part, PeerName,
    authority::Authority,
    credential::{Credential, CredentialStore},
    full,
    tunnels::{Retry, TunnelError},
};
use uuid::Uuid;

const GROUP: &str = "/apis/clusterbackup.dataprotection.microsoft.com/v1alpha1";

fn backups() -> String {
    format!("{GROUP}/namespaces/{}/backups", access::BACKUPS)
}

fn post(path: &str, document: &Value) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(full(document.to_string())).unwrap()
}

fn backup(name: &str) -> Value {
    json!({
        "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "Backup",
        "metadata": {"name": name}, "spec": {"backupInstance": "instance", "storageLocation": "default"},
    })
}

#[tokio::test]
async fn a_binding_lets_its_vault_run_backups_and_nothing_else() {
    let world = World::new().await;
    world.push(&["BackupRB"]).await.unwrap();

    let ask = async |request: Request<Body>| world.send("backuprb", request).await.unwrap();
    let created = ask(post(&backups(), &backup("one"))).await;
    assert_eq!(created.status(), StatusCode::CREATED, "{}", json_body(created).await);
    let list = json_body(ask(get(&backups())).await).await;
    assert_eq!(list["items"][0]["metadata"]["name"], "one", "{list}");
    let patch = Request::patch(format!("{}/one", backups()))
        .header("content-type", "application/merge-patch+json")
        .body(full(r#"{"spec": {"cancel": true}}"#));
    assert_eq!(status_of(ask(patch.unwrap()).await).await, StatusCode::OK);
    let hooks = format!("{GROUP}/namespaces/{}/backuphooks", access::BACKUPS);
    assert_eq!(status_of(ask(get(&hooks)).await).await, StatusCode::OK);

    let hook = json!({
        "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "BackupHook",
        "metadata": {"name": "evil"}, "spec": {},
    });
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "evil"}});
    let token =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    let accounts = format!("/api/v1/namespaces/{ACCESS_NAMESPACE}/serviceaccounts");
    for (what, request) in [
        ("create a hook", post(&hooks, &hook)),
        ("read a Secret", get(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/{NAME}"))),
        ("list Secrets", get("/api/v1/secrets")),
        ("list pods", get("/api/v1/pods")),
        (
            "exec into a pod",
            post(&format!("/api/v1/namespaces/{NAMESPACE}/pods/any/exec?command=id"), &json!({})),
        ),
        ("write a status", Request::put(format!("{}/one/status", backups())).body(full("{}")).unwrap()),
        ("make an account", post(&accounts, &account)),
        ("make itself a token", post(&format!("{accounts}/backuprb/token"), &token)),
        ("see a ConfigMap", get("/api/v1/configmaps")),
        ("see its own role", get(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{CLUSTER_ROLE}"))),
    ] {
        let refused = ask(request).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{what}");
        let said = json_body(refused).await["message"].to_string();
        assert!(said.contains("system:serviceaccount:cofferdam-trusted-access:backuprb"), "{what}: {said}");
    }
}

#[tokio::test]
async fn the_api_server_sees_the_bindings_account_whatever_the_vault_pretends() {
    let world = World::new().await;
    world.push(&["one", "two"]).await.unwrap();
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});

    for name in ["one", "two"] {
        let mut request = post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &review);
        for (header, value) in [
            ("authorization", "Bearer forged"),
            ("impersonate-user", "system:admin"),
            ("x-remote-user", "system:admin"),
            ("cofferdam-binding", "two"),
        ] {
            request.headers_mut().insert(header, value.parse().unwrap());
        }
        let answer = json_body(world.send(name, request).await.unwrap()).await;
        let user = &answer["status"]["userInfo"]["username"];
        assert_eq!(user, &format!("system:serviceaccount:{ACCESS_NAMESPACE}:{name}"), "{answer}");
    }
}

#[tokio::test]
async fn without_a_binding_nothing_goes_and_a_removed_one_is_none() {
    let world = World::new().await;
    world.push(&["kept"]).await.unwrap();

    let before = world.send("other", get(&backups())).await.unwrap_err();
    world.push(&["kept", "other"]).await.unwrap();
    let with = world.send("other", get(&backups())).await.unwrap().status();
    world.push(&["kept"]).await.unwrap();
    let after = world.send("other", get(&backups())).await.unwrap_err();

    assert_eq!(before, TunnelError::Refused("other".to_owned()));
    assert_eq!((with, before.retry()), (StatusCode::OK, Retry::No));
    assert_eq!(after, before);
    assert_eq!(world.send("kept", get(&backups())).await.unwrap().status(), StatusCode::OK);
    world.push(&[]).await.unwrap();
    assert_eq!(world.accounts().await, Vec::<String>::new());
    assert!(world.rights().get_opt(CLUSTER_ROLE_BINDING).await.unwrap().is_none());
}

#[tokio::test]
async fn removing_a_binding_cuts_its_watch_ends_its_tokens_and_spares_the_others() {
    let world = World::new().await;
    world.push(&["kept", "removed"]).await.unwrap();
    let token = world.token_of("removed").await;
    assert_eq!(world.with_token(&token, &backups()).await, StatusCode::OK);
    let open = async |name: &str| {
        let response = world.send(name, get(&format!("{}?watch=true", backups()))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        BodyStream::new(response.into_body())
    };
    let (mut kept, mut removed) = (open("kept").await, open("removed").await);
    let created = world.send("kept", post(&backups(), &backup("seen"))).await.unwrap();
    assert_eq!(status_of(created).await, StatusCode::CREATED);
    for watch in [&mut kept, &mut removed] {
        let event = timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap().unwrap();
        assert!(String::from_utf8_lossy(&event.into_data().unwrap()).contains("seen"));
    }

    world.push(&["kept"]).await.unwrap();

    assert!(timeout(Duration::from_secs(2), removed.next()).await.unwrap().unwrap().is_err());
    let deleted = Request::delete(format!("{}/seen", backups())).body(tunnel::empty()).unwrap();
    assert_eq!(status_of(world.send("kept", deleted).await.unwrap()).await, StatusCode::OK);
    assert!(timeout(Duration::from_secs(5), kept.next()).await.unwrap().unwrap().is_ok());
    let mut status = StatusCode::OK;
    for _ in 0..100 {
        status = world.with_token(&token, &backups()).await;
        if status == StatusCode::UNAUTHORIZED {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, StatusCode::UNAUTHORIZED, "a token outlived its binding");
}

#[tokio::test]
async fn what_is_tampered_with_is_repaired() {
    let world = World::new().await;
    world.push(&["one"]).await.unwrap();
    assert_eq!(world.send("one", get(&backups())).await.unwrap().status(), StatusCode::OK);
    let accounts: Api<ServiceAccount> = Api::namespaced(world.admin.clone(), ACCESS_NAMESPACE);
    let uid = async || accounts.get("one").await.unwrap().metadata.uid.unwrap();
    let (parameters, first) = (PostParams::default(), uid().await);

    // The account is replaced by another of its name, a stranger appears and is bound too.
    accounts.delete("one", &DeleteParams::default()).await.unwrap();
    for name in ["one", "stranger"] {
        let account = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        accounts.create(&parameters, &account).await.unwrap();
    }
    let subjects = json!({"subjects": [
        {"kind": "ServiceAccount", "namespace": ACCESS_NAMESPACE, "name": "stranger"},
        {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"},
    ]});
    let patch = PatchParams::default();
    world.rights().patch(CLUSTER_ROLE_BINDING, &patch, &Patch::Merge(&subjects)).await.unwrap();
    world.gateway.repair().await.unwrap();

    assert_eq!(world.accounts().await, ["one"]);
    assert_ne!(uid().await, first);
    let bound = world.rights().get(CLUSTER_ROLE_BINDING).await.unwrap();
    let names: Vec<_> = bound.subjects.unwrap().into_iter().map(|subject| subject.name).collect();
    assert_eq!(names, ["one"]);
    assert_eq!(world.send("one", get(&backups())).await.unwrap().status(), StatusCode::OK);

    // The binding is replaced by one to another role.
    world.rights().delete(CLUSTER_ROLE_BINDING, &DeleteParams::default()).await.unwrap();
    let mut evil: ClusterRoleBinding = bound_to("cluster-admin");
    evil.subjects = world.subject("one");
    world.rights().create(&parameters, &evil).await.unwrap();
    world.gateway.repair().await.unwrap();

    let bound = world.rights().get(CLUSTER_ROLE_BINDING).await.unwrap();
    assert_eq!(bound.role_ref.name, CLUSTER_ROLE);
}

#[tokio::test]
async fn what_is_tampered_with_is_repaired_without_anybody_asking_for_it() {
    let world = World::new().await;
    world.push(&["one"]).await.unwrap();
    let (short, stop) = (Duration::from_millis(500), CancellationToken::new());
    let repairs = Repairs { every: short, again: short };
    let keeping = tokio::spawn(repairs.keep(world.gateway.clone(), stop.clone()));
    let accounts: Api<ServiceAccount> = Api::namespaced(world.admin.clone(), ACCESS_NAMESPACE);

    let stranger = serde_json::from_value(json!({"metadata": {"name": "stranger"}})).unwrap();
    accounts.create(&PostParams::default(), &stranger).await.unwrap();
    world.rights().delete(CLUSTER_ROLE_BINDING, &DeleteParams::default()).await.unwrap();
    let repaired = timeout(Duration::from_secs(60), async {
        while world.accounts().await != ["one"]
            || world.rights().get_opt(CLUSTER_ROLE_BINDING).await.unwrap().is_none()
        {
            sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    stop.cancel();
    keeping.await.unwrap();

    assert!(repaired.is_ok(), "nothing was repaired within a minute of rounds every half second");
    assert_eq!(world.send("one", get(&backups())).await.unwrap().status(), StatusCode::OK);
}

fn bound_to(role: &str) -> ClusterRoleBinding {
    serde_json::from_value(json!({
        "metadata": {"name": CLUSTER_ROLE_BINDING},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }))
    .unwrap()
}

#[tokio::test]
async fn nobody_is_bound_to_a_role_that_was_widened_until_it_is_right_again() {
    let world = World::new().await;
    world.push(&["one"]).await.unwrap();
    let roles: Api<ClusterRole> = Api::all(world.admin.clone());
    let mut wide = serde_json::to_value(cluster_role()).unwrap();
    let secrets = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]});
    wide["rules"].as_array_mut().unwrap().push(secrets);
    let rules = |role: &Value| Patch::Merge(json!({"rules": role["rules"]}));
    let patch = PatchParams::default();

    roles.patch(CLUSTER_ROLE, &patch, &rules(&wide)).await.unwrap();
    let repaired = world.gateway.repair().await.unwrap_err().to_string();
    let sent = world.send("one", get("/api/v1/secrets")).await.map(|answer| answer.status());
    let unbound = world.rights().get_opt(CLUSTER_ROLE_BINDING).await.unwrap().is_none();
    let pushed = world.push(&["one"]).await.unwrap_err().to_string();
    let exact = serde_json::to_value(cluster_role()).unwrap();
    roles.patch(CLUSTER_ROLE, &patch, &rules(&exact)).await.unwrap();
    world.gateway.repair().await.unwrap();

    assert!(repaired.contains("grants something else"), "{repaired}");
    assert_eq!((sent, unbound), (Err(TunnelError::Refused("one".to_owned())), true));
    assert!(pushed.contains("grants something else"), "{pushed}");
    assert_eq!(world.send("one", get(&backups())).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_gateway_itself_can_give_nobody_more_than_the_one_role() {
    let world = World::new().await;
    let bindings: Api<ClusterRoleBinding> = Api::all(world.own.clone());
    let secrets: Api<Secret> = Api::namespaced(world.own.clone(), NAMESPACE);
    let elsewhere: Api<ServiceAccount> = Api::namespaced(world.own.clone(), "default");
    let mut evil = bound_to("cluster-admin");
    evil.subjects = world.subject("any");

    let forbidden = |error: kube::Error| matches!(error, kube::Error::Api(status) if status.code == 403);
    assert!(forbidden(bindings.create(&PostParams::default(), &evil).await.unwrap_err()));
    assert!(forbidden(secrets.list(&Default::default()).await.unwrap_err()));
    assert!(forbidden(elsewhere.list(&Default::default()).await.unwrap_err()));
    let request = serde_json::from_value(json!({"spec": {"audiences": []}})).unwrap();
    let token = elsewhere.create_token_request("default", &PostParams::default(), &request).await;
    assert!(forbidden(token.unwrap_err()));
    let roles: Api<ClusterRole> = Api::all(world.own.clone());
    let wider = Patch::Merge(json!({"rules": []}));
    let patched = roles.patch(CLUSTER_ROLE, &PatchParams::default(), &wider).await;
    assert!(forbidden(patched.unwrap_err()));
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_told_from_one_that_refuses() {
    let world = World::with_server_at("https://127.0.0.1:1").await;
    world.push(&["one"]).await.unwrap();

    let error = world.send("one", get(&backups())).await.unwrap_err();

    assert!(matches!(&error, TunnelError::ApiServer(why) if why.contains("refused")), "{error}");
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn a_bad_list_is_refused_as_a_whole() {
    let world = World::new().await;
    world.push(&["one"]).await.unwrap();
    let mut other_role = binding("two");
    other_role.roles = vec!["Microsoft.MachineLearningServices/workspaces/mlworkload".to_owned()];

    let refused = world.tunnels.push_bindings(world.id, vec![binding("three"), other_role]).await;

    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("two") && refused.contains("backup-operator"), "{refused}");
    assert_eq!(world.accounts().await, ["one"]);
}

#[tokio::test]
async fn the_gateways_credential_stays_in_its_secret_when_the_manifest_is_applied_again() {
    let world = World::new().await;
    let store = SecretStore::new(world.own.clone(), NAMESPACE, NAME);
    let now = telemetry::Clock::now(&telemetry::SystemClock);
    let authority = Authority::load(Authority::make(now).unwrap()).unwrap();
    let (key, request) = access::key_and_request();
    let name = PeerName { connection: ConnectionId(Uuid::from_u128(1)), part: Part::Gateway };
    let signed = authority.sign(&request, &name, now).unwrap();
    let credential = Credential::parse(key.into(), signed.certificate).unwrap();

    let before = store.load().await.unwrap();
    store.save(&credential).await.unwrap();
    world.apply_manifests().await;
    let after = store.load().await.unwrap().unwrap();

    assert!(before.is_none());
    assert_eq!((after.name(), after.key()), (name, credential.key()));
}
