//! Captures from a real API server. `COFFERDAM_TEST_KUBECONFIG` names its kubeconfig; the test runner sets it.

mod common;

use common::Site;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, DynamicObject, ObjectMeta, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use protection::selection::OPT_OUT;
use protection::{SelectionFields, code};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

async fn client() -> Client {
    let path = std::env::var("COFFERDAM_TEST_KUBECONFIG").expect(
        "COFFERDAM_TEST_KUBECONFIG is not set: point it at the kubeconfig of a test cluster, e.g. of `testbed up --control-plane-only`",
    );
    let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// A namespace of the test's own, gone when the test began.
async fn fresh_namespace(client: &Client, name: &str) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for _ in 0..200 {
        match namespaces.get_opt(name).await.unwrap() {
            None => break,
            Some(_) => drop(namespaces.delete(name, &DeleteParams::default()).await),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
}

fn config_map(name: &str, data: &[(&str, String)], labels: &[(&str, &str)]) -> ConfigMap {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.iter().map(own).collect()),
            ..ObjectMeta::default()
        },
        data: Some(data.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()),
        ..ConfigMap::default()
    }
}

async fn delete_cluster_wide(client: &Client, resource: &ApiResource, name: &str) {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    for _ in 0..200 {
        match api.get_opt(name).await.unwrap() {
            None => return,
            Some(_) => drop(api.delete(name, &DeleteParams::default()).await),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} is still there");
}

fn definition_type() -> ApiResource {
    ApiResource::erase::<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    >(&())
}

/// Defines a custom resource and waits until it is served.
async fn define(client: &Client, group: &str) -> ApiResource {
    let name = format!("widgets.{group}");
    let definition: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "ListOfWidgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}
    }))
    .unwrap();
    delete_cluster_wide(client, &definition_type(), &name).await;
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &definition_type());
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    let widgets = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", "Widget"), "widgets");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &widgets);
    for _ in 0..100 {
        if api.list(&Default::default()).await.is_ok() {
            return widgets;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name} is not served");
}

fn strings(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

async fn raw(client: &Client, path: &str) -> String {
    client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
}

/// Names of the objects whose stored bytes the server did not send.
fn differing(sent: &str, stored: &[(String, String)]) -> Vec<String> {
    stored.iter().filter(|(_, bytes)| !sent.contains(bytes)).map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn what_is_stored_is_what_the_api_server_sends() {
    let (client, site) = (client().await, Site::new().await);
    let (namespace, group) = ("capture-bytes", "bytes.capture.test");
    fresh_namespace(&client, namespace).await;
    let widgets = define(&client, group).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for number in 0..250 {
        let text = format!("\"quoted\" \\ back {number} ü ] }} \u{1F600}\n").repeat(number % 40);
        maps.create(&PostParams::default(), &config_map(&format!("map-{number}"), &[("text", text)], &[]))
            .await
            .unwrap();
    }
    let large = Secret {
        metadata: ObjectMeta { name: Some("large".to_owned()), ..ObjectMeta::default() },
        string_data: Some(BTreeMap::from([("v".to_owned(), "x".repeat(1_000_000))])),
        ..Secret::default()
    };
    Api::<Secret>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &large)
        .await
        .unwrap();
    let widget: DynamicObject = serde_json::from_value(
        json!({"apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": {"name": "w"}, "spec": {"kind": "x", "items": [{"a": 1e3}]}}),
    )
    .unwrap();
    Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &widgets)
        .create(&PostParams::default(), &widget)
        .await
        .unwrap();

    let included = strings(&[namespace]);
    let taken = site
        .take(&client, &SelectionFields { included_namespaces: &included, ..SelectionFields::default() })
        .await;

    assert!(taken.captured.counts["configmaps"] >= 250);
    let index = taken.index().await;
    for (path, resource) in [
        (format!("/api/v1/namespaces/{namespace}/configmaps"), "configmaps"),
        (format!("/api/v1/namespaces/{namespace}/secrets"), "secrets"),
        (format!("/apis/{group}/v1/namespaces/{namespace}/widgets"), "widgets"),
    ] {
        let sent = raw(&client, &path).await;
        let mut stored = Vec::new();
        for entry in index.iter().filter(|entry| entry.resource == resource) {
            stored.push((entry.name.clone(), String::from_utf8(taken.bytes(entry).await).unwrap()));
        }
        assert!(!stored.is_empty(), "{resource}");
        assert_eq!(differing(&sent, &stored), [""; 0], "{resource}");

        let (name, planted) = stored.last_mut().unwrap();
        *planted = planted.replacen("\"uid\":", "\"uid\": ", 1);
        let name = name.clone();
        assert_eq!(differing(&sent, &stored), [name], "{resource}: a planted space is found");
    }
    let definition = format!("customresourcedefinitions.apiextensions.k8s.io/widgets.{group}");
    assert!(taken.names().await.contains(&definition));
}

#[tokio::test]
async fn a_whole_cluster_is_captured_and_nothing_that_must_not_be() {
    let (client, site) = (client().await, Site::new().await);

    let taken = site.take(&client, &SelectionFields::default()).await;

    let names = taken.names().await;
    assert!(names.contains(&"namespaces/default".to_owned()));
    assert!(names.contains(&"clusterroles.rbac.authorization.k8s.io/cluster-admin".to_owned()));
    assert!(names.iter().any(|name| name.starts_with("apiservices.apiregistration.k8s.io/")));
    for never in
        ["nodes/", "events", "leases.", "kube-system", "namespaces/kube-", "componentstatuses", "csinodes"]
    {
        let found: Vec<&String> = names
            .iter()
            .filter(|name| name.starts_with(never) || name.contains(&format!("/{never}/")))
            .collect();
        assert!(found.is_empty(), "{never}: {found:?}");
    }
    assert!(taken.captured.lists.iter().all(|list| !list.resource_version.is_empty()));
    let uid = Api::<Namespace>::all(client).get("kube-system").await.unwrap().metadata.uid.unwrap();
    assert_eq!(taken.captured.cluster.uid.as_str(), uid);
}

#[tokio::test]
async fn the_server_and_we_agree_on_label_requirements() {
    let (client, site) = (client().await, Site::new().await);
    let namespace = "capture-labels";
    fresh_namespace(&client, namespace).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for (name, labels) in [
        ("prod-web", &[("env", "prod"), ("tier", "web")][..]),
        ("prod-db", &[("env", "prod"), ("tier", "db")]),
        ("dev", &[("env", "dev")]),
        ("none", &[]),
    ] {
        maps.create(&PostParams::default(), &config_map(name, &[], labels)).await.unwrap();
    }
    let cases: &[(&[&str], &[&str])] = &[
        (&["env=prod"], &["prod-db", "prod-web"]),
        (&["env=prod;tier!=web"], &["prod-db"]),
        (&["env in (prod, dev)", "tier"], &["prod-db", "prod-web"]),
        (&["env notin (prod)"], &["dev", "kube-root-ca.crt", "none"]),
        (&["!env"], &["kube-root-ca.crt", "none"]),
    ];

    for (labels, expected) in cases {
        let (included, types, labels) = (strings(&[namespace]), strings(&["configmaps"]), strings(labels));
        let fields = SelectionFields {
            included_namespaces: &included,
            included_resource_types: &types,
            label_selectors: &labels,
            ..SelectionFields::default()
        };
        let taken = site.take(&client, &fields).await;
        let index = taken.index().await;
        let mut names: Vec<&str> = index
            .iter()
            .filter(|entry| entry.resource == "configmaps")
            .map(|entry| entry.name.as_str())
            .collect();
        names.sort_unstable();
        names.retain(|name| *name != "kube-root-ca.crt");
        let expected: Vec<&str> =
            expected.iter().copied().filter(|name| *name != "kube-root-ca.crt").collect();
        assert_eq!(names, expected, "{labels:?}");
    }
}

#[tokio::test]
async fn opting_out_by_annotation_is_seen_in_real_objects() {
    let (client, site) = (client().await, Site::new().await);
    let namespace = "capture-opt-out";
    fresh_namespace(&client, namespace).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut marked = config_map("marked", &[], &[]);
    marked.metadata.annotations = Some(BTreeMap::from([(OPT_OUT.to_owned(), "true".to_owned())]));
    maps.create(&PostParams::default(), &marked).await.unwrap();
    maps.create(&PostParams::default(), &config_map("kept", &[], &[])).await.unwrap();
    let included = strings(&[namespace]);

    let taken = site
        .take(&client, &SelectionFields { included_namespaces: &included, ..SelectionFields::default() })
        .await;

    let names = taken.names().await;
    assert!(names.contains(&format!("configmaps/{namespace}/kept")));
    assert!(!names.contains(&format!("configmaps/{namespace}/marked")));
    assert_eq!(taken.problems(code::OBJECTS_LEFT_OUT).len(), 1);
}

#[tokio::test]
async fn an_aggregated_api_without_a_server_is_a_named_warning() {
    let (client, site) = (client().await, Site::new().await);
    let services = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("apiregistration.k8s.io", "v1", "APIService"),
        "apiservices",
    );
    let name = "v1.down.capture.test";
    delete_cluster_wide(&client, &services, name).await;
    let service: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name},
        "spec": {"group": "down.capture.test", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": {"namespace": "default", "name": "not-there"}}
    }))
    .unwrap();
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &services);
    api.create(&PostParams::default(), &service).await.unwrap();
    let mut group_is_known = false;
    for _ in 0..100 {
        group_is_known = discovery(&client).await.contains("down.capture.test");
        if group_is_known {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(group_is_known, "the API server does not mention the group");

    let taken = site.take(&client, &SelectionFields::default()).await;

    delete_cluster_wide(&client, &services, name).await;
    let problems = taken.problems(code::RESOURCE_NOT_LISTED);
    assert!(problems.iter().any(|problem| problem.message.contains("down.capture.test")), "{problems:?}");
    assert!(taken.names().await.contains(&"namespaces/default".to_owned()));
}

async fn discovery(client: &Client) -> String {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let request = http::Request::get("/apis").header("accept", accept).body(Vec::new()).unwrap();
    let text = client.request_text(request).await.unwrap();
    serde_json::from_str::<Value>(&text).unwrap().to_string()
}
