//! Which objects of a scripted cluster get into the recovery point, and what is said about the others.

mod common;

use capture::{Budget, claims};
use common::fake_api::{CONFIG_MAPS, FakeApi, NAMESPACES, Resource, SECRETS, WIDGETS, What};
use common::{EXTENSION, Site};
use protection::claims::ClaimVolume;
use protection::{Selection, SelectionFields, Severity, code};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const fn resource(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> Resource {
    Resource { group, version: "v1", kind, plural, namespaced }
}

const PODS: Resource = resource("", "Pod", "pods", true);
const CLAIMS: Resource = resource("", "PersistentVolumeClaim", "persistentvolumeclaims", true);
const VOLUMES: Resource = resource("", "PersistentVolume", "persistentvolumes", false);
const ACCOUNTS: Resource = resource("", "ServiceAccount", "serviceaccounts", true);
const CLASSES: Resource = resource("storage.k8s.io", "StorageClass", "storageclasses", false);
const PRIORITIES: Resource = resource("scheduling.k8s.io", "PriorityClass", "priorityclasses", false);
const DEFINITIONS: Resource =
    resource("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false);
const RBAC: &str = "rbac.authorization.k8s.io";
const BINDINGS: Resource = resource(RBAC, "ClusterRoleBinding", "clusterrolebindings", false);
const ROLES: Resource = resource(RBAC, "ClusterRole", "clusterroles", false);
const LOCAL_BINDINGS: Resource = resource(RBAC, "RoleBinding", "rolebindings", true);

/// Namespace `shop` uses one of each cluster-scoped thing, `bank` another; a third belongs to nobody.
async fn cluster() -> FakeApi {
    let all = [
        CONFIG_MAPS,
        SECRETS,
        PODS,
        CLAIMS,
        VOLUMES,
        ACCOUNTS,
        WIDGETS,
        DEFINITIONS,
        PRIORITIES,
        BINDINGS,
        LOCAL_BINDINGS,
        ROLES,
        CLASSES,
    ];
    let api = FakeApi::start(&["bank", "empty", "shop"], &all).await;
    for namespace in ["bank", "shop"] {
        api.add(&PODS, namespace, "pod", json!({"spec": {"priorityClassName": format!("prio-{namespace}")}}));
        api.add(&CONFIG_MAPS, namespace, "map", json!({"metadata": {"labels": {"env": "prod"}}}));
        let volume = format!("pv-{namespace}");
        api.add(&CLAIMS, namespace, "data", json!({"metadata": {"labels": {"env": "prod"}}, "spec": {"volumeName": volume,
            "storageClassName": format!("class-{namespace}"), "resources": {"requests": {"storage": "1Gi"}}}, "status": {"phase": "Bound"}}));
        api.add(&ACCOUNTS, namespace, "runner", json!({}));
        api.add(
            &LOCAL_BINDINGS,
            namespace,
            "local",
            json!({"roleRef": {"kind": "ClusterRole", "name": format!("local-{namespace}")}}),
        );
    }
    api.add(&WIDGETS, "shop", "w", json!({}));
    for name in ["bank", "shop", "nobody"] {
        let subjects = json!([{"kind": "ServiceAccount", "name": "runner", "namespace": name}]);
        let role = json!({"kind": "ClusterRole", "name": format!("role-{name}")});
        api.add(&BINDINGS, "", &format!("binding-{name}"), json!({"subjects": subjects, "roleRef": role}));
        api.add(&ROLES, "", &format!("role-{name}"), json!({}));
        api.add(&ROLES, "", &format!("local-{name}"), json!({}));
        api.add(&PRIORITIES, "", &format!("prio-{name}"), json!({}));
        api.add(&CLASSES, "", &format!("class-{name}"), json!({}));
        api.add(&CLASSES, "", &format!("pv-class-{name}"), json!({}));
        let spec = json!({"csi": {"driver": "d", "volumeHandle": name}, "storageClassName": format!("pv-class-{name}")});
        api.add(&VOLUMES, "", &format!("pv-{name}"), json!({"spec": spec}));
    }
    api.add(&DEFINITIONS, "", "widgets.example.com", json!({}));
    api.add(&DEFINITIONS, "", "gadgets.example.com", json!({}));
    api
}

fn strings(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

const RELATED_TO_SHOP: [&str; 11] = [
    "clusterrolebindings.rbac.authorization.k8s.io/binding-shop",
    "clusterroles.rbac.authorization.k8s.io/local-shop",
    "clusterroles.rbac.authorization.k8s.io/role-shop",
    "customresourcedefinitions.apiextensions.k8s.io/widgets.example.com",
    "namespaces/shop",
    "persistentvolumes/pv-shop",
    "priorityclasses.scheduling.k8s.io/prio-shop",
    "storageclasses.storage.k8s.io/class-shop",
    "storageclasses.storage.k8s.io/pv-class-shop",
    "widgets.example.com/shop/w",
    "pods/shop/pod",
];

#[tokio::test]
async fn without_cluster_scope_exactly_the_related_cluster_objects_come_along() {
    let (api, site) = (cluster().await, Site::new().await);
    let included = strings(&["shop"]);
    let fields = SelectionFields {
        included_namespaces: &included,
        include_cluster_scope_resources: false,
        ..SelectionFields::default()
    };

    let taken = site.take(&api.client(), &fields).await;

    let mut expected: Vec<String> = strings(&RELATED_TO_SHOP);
    expected.extend(strings(&[
        "configmaps/shop/map",
        "persistentvolumeclaims/shop/data",
        "rolebindings.rbac.authorization.k8s.io/shop/local",
        "serviceaccounts/shop/runner",
    ]));
    expected.sort();
    assert_eq!(taken.names().await, expected);
    assert_eq!(taken.captured.problems, []);
}

#[tokio::test]
async fn with_cluster_scope_every_cluster_object_comes_along_but_only_selected_namespaces() {
    let (api, site) = (cluster().await, Site::new().await);
    let included = strings(&["shop"]);
    let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };

    let taken = site.take(&api.client(), &fields).await;

    let names = taken.names().await;
    for name in ["prio", "class", "pv-class"] {
        assert!(names.iter().any(|found| found.ends_with(&format!("/{name}-nobody"))), "{name}");
    }
    let namespaces: Vec<&String> = names.iter().filter(|name| name.starts_with("namespaces/")).collect();
    assert_eq!(namespaces, ["namespaces/shop"]);
    assert!(!names.iter().any(|name| name.contains("/bank/")));
}

#[tokio::test]
async fn included_types_bring_what_they_need_and_nothing_else() {
    let (api, site) = (cluster().await, Site::new().await);
    let types = strings(&["persistentvolumeclaims"]);
    let fields = SelectionFields { included_resource_types: &types, ..SelectionFields::default() };

    let taken = site.take(&api.client(), &fields).await;

    assert_eq!(
        taken.names().await,
        [
            "namespaces/bank",
            "namespaces/shop",
            "persistentvolumeclaims/bank/data",
            "persistentvolumeclaims/shop/data",
            "persistentvolumes/pv-bank",
            "persistentvolumes/pv-shop",
            "storageclasses.storage.k8s.io/class-bank",
            "storageclasses.storage.k8s.io/class-shop",
            "storageclasses.storage.k8s.io/pv-class-bank",
            "storageclasses.storage.k8s.io/pv-class-shop",
        ]
    );
}

#[tokio::test]
async fn excluded_types_are_out_even_when_they_relate() {
    let (api, site) = (cluster().await, Site::new().await);
    let excluded = strings(&["v1/PersistentVolume", "storageclasses.storage.k8s.io", "v1/Secret"]);
    let fields = SelectionFields { excluded_resource_types: &excluded, ..SelectionFields::default() };

    let taken = site.take(&api.client(), &fields).await;

    let names = taken.names().await;
    assert!(
        !names
            .iter()
            .any(|name| name.starts_with("persistentvolumes/") || name.starts_with("storageclasses"))
    );
    assert!(api.requests("/secrets").is_empty(), "what is excluded is not even read");
    let claim = &taken.captured.claims[0];
    assert_eq!(claim.volume, ClaimVolume::Missing { name: "pv-bank".to_owned() });
}

#[tokio::test]
async fn label_requirements_hold_for_every_object_but_not_for_what_relates() {
    let (api, site) = (cluster().await, Site::new().await);
    api.add(&CONFIG_MAPS, "shop", "test", json!({"metadata": {"labels": {"env": "test"}}}));
    let labels = strings(&["env=prod;tier!=web"]);
    let fields = SelectionFields { label_selectors: &labels, ..SelectionFields::default() };

    let taken = site.take(&api.client(), &fields).await;

    assert_eq!(
        taken.names().await,
        [
            "configmaps/bank/map",
            "configmaps/shop/map",
            "namespaces/bank",
            "namespaces/shop",
            "persistentvolumeclaims/bank/data",
            "persistentvolumeclaims/shop/data",
            "persistentvolumes/pv-bank",
            "persistentvolumes/pv-shop",
            "storageclasses.storage.k8s.io/class-bank",
            "storageclasses.storage.k8s.io/class-shop",
            "storageclasses.storage.k8s.io/pv-class-bank",
            "storageclasses.storage.k8s.io/pv-class-shop",
        ]
    );
    let asked = api.requests("configmaps");
    assert!(asked.iter().all(|path| path.contains("labelSelector=env%3Dprod%2Ctier%21%3Dweb")), "{asked:?}");
}

#[tokio::test]
async fn a_namespace_that_was_asked_for_comes_along_even_empty() {
    let (api, site) = (cluster().await, Site::new().await);
    let (included, labels) = (strings(&["e*"]), strings(&["env=prod"]));
    let fields = SelectionFields {
        included_namespaces: &included,
        label_selectors: &labels,
        ..SelectionFields::default()
    };

    let taken = site.take(&api.client(), &fields).await;

    assert_eq!(taken.names().await, ["namespaces/empty"]);
}

#[tokio::test]
async fn what_opts_out_or_is_being_deleted_is_left_out_and_counted() {
    let (api, site) = (FakeApi::start(&["shop"], &[CONFIG_MAPS, SECRETS]).await, Site::new().await);
    let mark = json!({"velero.io/exclude-from-backup": "true"});
    api.add(&CONFIG_MAPS, "shop", "by-annotation", json!({"metadata": {"annotations": mark}}));
    api.add(&CONFIG_MAPS, "shop", "by-label", json!({"metadata": {"labels": mark}}));
    api.add(
        &CONFIG_MAPS,
        "shop",
        "kept",
        json!({"metadata": {"labels": {"velero.io/exclude-from-backup": "false"}}}),
    );
    api.add(&SECRETS, "shop", "leaving", json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    api.add(&NAMESPACES, "", "marked", json!({"metadata": {"labels": mark}}));
    api.add(&CONFIG_MAPS, "marked", "inside", json!({}));

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(taken.names().await, ["configmaps/marked/inside", "configmaps/shop/kept", "namespaces/shop"]);
    let problems = taken.problems(code::OBJECTS_LEFT_OUT);
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "3 objects opt out with velero.io/exclude-from-backup: configmaps/shop/by-annotation, configmaps/shop/by-label, namespaces/marked.",
            "1 objects were being deleted: secrets/shop/leaving."
        ]
    );
    assert!(problems.iter().all(|problem| problem.severity == Severity::Information));
}

#[tokio::test]
async fn other_velero_labels_and_annotations_change_nothing_and_are_named_once() {
    let (api, site) = (FakeApi::start(&["shop"], &[PODS, CONFIG_MAPS]).await, Site::new().await);
    let hook = json!({"pre.hook.backup.velero.io/command": "[\"/bin/false\"]", "backup.velero.io/backup-volumes": "data"});
    for name in ["a", "b"] {
        api.add(
            &PODS,
            "shop",
            name,
            json!({"metadata": {"annotations": hook, "labels": {"velero.io/restore-name": "r"}}}),
        );
    }

    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    assert_eq!(taken.names().await, ["namespaces/shop", "pods/shop/a", "pods/shop/b"]);
    let problems = taken.problems(code::VELERO_ANNOTATION);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Information);
    for key in
        ["pre.hook.backup.velero.io/command", "backup.velero.io/backup-volumes", "velero.io/restore-name"]
    {
        assert!(problems[0].message.contains(key), "{}", problems[0].message);
    }
}

#[tokio::test]
async fn namespaces_that_lead_nowhere_are_warnings() {
    let (api, site) = (cluster().await, Site::new().await);
    let included = strings(&["shop", "shpo", "team-*"]);
    let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };

    let taken = site.take(&api.client(), &fields).await;

    let targets: Vec<&str> = taken
        .problems(code::NAMESPACE_NOT_FOUND)
        .iter()
        .filter_map(|problem| problem.target.as_deref())
        .collect();
    assert_eq!(targets, ["namespaces/shpo", "namespaces/team-*"]);
    assert!(taken.names().await.contains(&"configmaps/shop/map".to_owned()));
}

#[tokio::test]
async fn few_namespaces_of_many_are_listed_one_by_one() {
    let (api, site) =
        (FakeApi::start(&["a", "b", "c", "d", "e", "f", "g"], &[CONFIG_MAPS]).await, Site::new().await);
    for namespace in ["a", "b", "c"] {
        api.add(&CONFIG_MAPS, namespace, "map", json!({}));
    }
    let included = strings(&["a", "b"]);
    let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };

    let taken = site.take(&api.client(), &fields).await;

    assert_eq!(taken.names().await, ["configmaps/a/map", "configmaps/b/map", "namespaces/a", "namespaces/b"]);
    let mut asked = api.requests("configmaps");
    asked.sort();
    assert_eq!(
        asked,
        ["/api/v1/namespaces/a/configmaps?limit=100", "/api/v1/namespaces/b/configmaps?limit=100"]
    );
    let lists = taken.captured.lists.iter().filter(|list| list.resource == "configmaps");
    assert_eq!(lists.map(|list| list.namespace.as_deref()).collect::<Vec<_>>(), [Some("a"), Some("b")]);
}

/// The second answer is the planted defect: an object that the server passes for one of a selected namespace.
#[tokio::test]
async fn an_object_of_another_namespace_is_left_out_and_one_that_is_passed_off_would_be_seen() {
    let (api, site) =
        (FakeApi::start(&["a", "b", "c", "d", "e", "f", "g"], &[CONFIG_MAPS]).await, Site::new().await);
    api.add(&CONFIG_MAPS, "c", "strange", json!({}));
    api.mixes_namespaces();
    let included = strings(&["a", "b"]);
    let fields = SelectionFields { included_namespaces: &included, ..SelectionFields::default() };

    let mixed = site.take(&api.client(), &fields).await.names().await;
    let passed_off = r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1"},
        "items":[{"metadata":{"name":"strange","namespace":"a","uid":"7"}}]}"#;
    api.fault("namespaces/a/configmaps", 1, What::Body(passed_off));
    let deceived = site.take(&api.client(), &fields).await.names().await;

    assert_eq!(mixed, ["namespaces/a", "namespaces/b"]);
    assert_eq!(deceived, ["configmaps/a/strange", "namespaces/a", "namespaces/b"]);
}

#[tokio::test]
async fn the_claims_are_known_before_and_after_the_capture_alike() {
    let (api, site) = (cluster().await, Site::new().await);
    let mark = json!({"metadata": {"annotations": {"velero.io/exclude-from-backup": "true"}}});
    api.add(&CLAIMS, "shop", "scratch", mark);
    api.add(&CLAIMS, "shop", "waiting", json!({"spec": {}, "status": {"phase": "Pending"}}));
    let selection = Selection::everything(EXTENSION);

    let before =
        claims(&api.client(), &selection, &Budget::default(), &CancellationToken::new()).await.unwrap();
    let taken = site.take(&api.client(), &SelectionFields::default()).await;

    let names: Vec<String> = before.claims.iter().map(|claim| claim.target()).collect();
    assert_eq!(
        names,
        [
            "persistentvolumeclaims/bank/data",
            "persistentvolumeclaims/shop/data",
            "persistentvolumeclaims/shop/waiting"
        ]
    );
    assert_eq!(taken.captured.claims, before.claims);
    assert_eq!(before.claims[1].bound().unwrap().name, "pv-shop");
    assert_eq!(before.claims[2].volume, ClaimVolume::Unbound);
    assert_eq!(before.problems.len(), 1);
    assert_eq!(before.problems[0].target.as_deref(), Some("persistentvolumeclaims/shop/scratch"));
}

#[tokio::test]
async fn a_captured_claim_that_nobody_decided_on_is_a_warning() {
    let (api, site) = (cluster().await, Site::new().await);

    let manifest = site.take(&api.client(), &SelectionFields::default()).await.manifest().await;

    let late: Vec<&str> = manifest
        .problems
        .iter()
        .filter(|problem| problem.code == code::VOLUME_NOT_PROTECTED && problem.severity == Severity::Warning)
        .filter_map(|problem| problem.target.as_deref())
        .collect();
    assert_eq!(late, ["persistentvolumeclaims/bank/data", "persistentvolumeclaims/shop/data"]);
}
