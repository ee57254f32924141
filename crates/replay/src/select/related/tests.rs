use crate::options::Budget;
use crate::select::select;
use crate::source::MemorySource;
use protection::selection::{Selection, SelectionFields};
use serde_json::{Value, json};

fn add(source: &mut MemorySource, resource: &str, version: &str, kind: &str, rest: Value) {
    let mut object = json!({"apiVersion": version, "kind": kind});
    json_patch::merge(&mut object, &rest);
    source.add(resource, object);
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn cluster() -> MemorySource {
    let mut source = MemorySource::default();
    for name in ["shop", "other"] {
        add(&mut source, "namespaces", "v1", "Namespace", json!({"metadata": {"name": name}}));
    }
    for (resource, version, kind, names) in [
        ("storageclasses", "storage.k8s.io/v1", "StorageClass", ["fast", "slow"]),
        ("priorityclasses", "scheduling.k8s.io/v1", "PriorityClass", ["high", "low"]),
        ("clusterroles", RBAC, "ClusterRole", ["reader", "writer"]),
        (
            "customresourcedefinitions",
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            ["widgets.example.com", "gadgets.example.com"],
        ),
    ] {
        for name in names {
            add(&mut source, resource, version, kind, json!({"metadata": {"name": name}}));
        }
    }
    add(
        &mut source,
        "persistentvolumes",
        "v1",
        "PersistentVolume",
        json!({"metadata": {"name": "pv-1"}, "spec": {"storageClassName": "fast"}}),
    );
    add(
        &mut source,
        "clusterrolebindings",
        RBAC,
        "ClusterRoleBinding",
        json!({
            "metadata": {"name": "web-reads"},
            "roleRef": {"kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}],
        }),
    );
    add(
        &mut source,
        "clusterrolebindings",
        RBAC,
        "ClusterRoleBinding",
        json!({
            "metadata": {"name": "others-write"},
            "roleRef": {"kind": "ClusterRole", "name": "writer"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "other", "name": "web"}],
        }),
    );
    add(
        &mut source,
        "serviceaccounts",
        "v1",
        "ServiceAccount",
        json!({
            "metadata": {"name": "web", "namespace": "shop"},
        }),
    );
    add(
        &mut source,
        "persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
        json!({
            "metadata": {"name": "data", "namespace": "shop", "labels": {"app": "db"}},
            "spec": {"volumeName": "pv-1"},
        }),
    );
    add(
        &mut source,
        "deployments",
        "apps/v1",
        "Deployment",
        json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"template": {"spec": {"priorityClassName": "high"}}},
        }),
    );
    add(
        &mut source,
        "widgets",
        "example.com/v1",
        "Widget",
        json!({
            "metadata": {"name": "w", "namespace": "shop"},
        }),
    );
    source
}

async fn selected(fields: SelectionFields<'_>) -> Vec<String> {
    let selection = Selection::parse(&fields, "extension").unwrap();
    let selected = select(&cluster(), &selection, &Budget::default()).await.unwrap();
    let mut names: Vec<String> =
        selected.items.iter().map(|item| format!("{}/{}", item.kind.resource, item.name)).collect();
    names.sort();
    names
}

#[tokio::test]
async fn without_cluster_scope_exactly_what_is_referred_to_comes_along() {
    let namespaces = ["shop".to_owned()];

    let names = selected(SelectionFields {
        included_namespaces: &namespaces,
        include_cluster_scope_resources: false,
        ..SelectionFields::default()
    })
    .await;

    assert_eq!(
        names,
        [
            "clusterrolebindings/web-reads",
            "clusterroles/reader",
            "customresourcedefinitions/widgets.example.com",
            "deployments/web",
            "namespaces/shop",
            "persistentvolumeclaims/data",
            "persistentvolumes/pv-1",
            "priorityclasses/high",
            "serviceaccounts/web",
            "storageclasses/fast",
            "widgets/w",
        ]
    );
}

#[tokio::test]
async fn an_excluded_type_does_not_come_along() {
    let (namespaces, excluded) = (["shop".to_owned()], ["clusterroles".to_owned(), "namespaces".to_owned()]);

    let names = selected(SelectionFields {
        included_namespaces: &namespaces,
        excluded_resource_types: &excluded,
        include_cluster_scope_resources: false,
        ..SelectionFields::default()
    })
    .await;

    assert!(names.contains(&"clusterrolebindings/web-reads".to_owned()));
    assert!(!names.iter().any(|name| name.starts_with("clusterroles/") || name.starts_with("namespaces/")));
}

#[tokio::test]
async fn labels_select_by_the_captured_object_and_its_relations_come_along() {
    let labels = ["app=db".to_owned()];

    let names = selected(SelectionFields { label_selectors: &labels, ..SelectionFields::default() }).await;

    assert_eq!(
        names,
        ["namespaces/shop", "persistentvolumeclaims/data", "persistentvolumes/pv-1", "storageclasses/fast",]
    );
}

#[tokio::test]
async fn with_cluster_scope_everything_of_the_cluster_is_in() {
    let namespaces = ["shop".to_owned()];

    let names =
        selected(SelectionFields { included_namespaces: &namespaces, ..SelectionFields::default() }).await;

    assert!(names.contains(&"clusterroles/writer".to_owned()));
    assert!(names.contains(&"storageclasses/slow".to_owned()));
    assert!(!names.contains(&"namespaces/other".to_owned()));
}
