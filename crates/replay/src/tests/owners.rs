use super::*;
use crate::codes;

fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true}])
}

fn with_operator() -> Scene {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.add(
        "customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        json!({
            "metadata": {"name": "clusters.db.example.com"},
            "spec": {
                "group": "db.example.com", "scope": "Namespaced",
                "names": {"kind": "Cluster", "plural": "clusters"},
                "versions": [{"name": "v1", "served": true}],
            },
        }),
    );
    scene.add(
        "clusters",
        "db.example.com/v1",
        "Cluster",
        json!({
            "metadata": {"name": "pg", "namespace": "shop", "uid": "old-cluster"},
        }),
    );
    let by_cluster = owner("db.example.com/v1", "Cluster", "pg", "old-cluster");
    scene.add(
        "statefulsets",
        "apps/v1",
        "StatefulSet",
        json!({
            "metadata": {
                "name": "pg", "namespace": "shop", "uid": "old-set", "ownerReferences": by_cluster.clone(),
            },
            "spec": {"selector": {}},
        }),
    );
    scene.add(
        "secrets",
        "v1",
        "Secret",
        json!({
            "metadata": {"name": "pg-password", "namespace": "shop", "ownerReferences": by_cluster.clone()},
        }),
    );
    scene.add_claim("shop", "pg-data", by_cluster);
    scene
}

fn uid(scene: &Scene, resource: &str, name: &str) -> Value {
    scene.cluster.object(resource, Some("shop"), name).unwrap()["metadata"]["uid"].clone()
}

fn owner_uid(scene: &Scene, resource: &str, name: &str) -> Value {
    let object = scene.cluster.object(resource, Some("shop"), name).unwrap();
    object["metadata"]["ownerReferences"][0]["uid"].clone()
}

#[tokio::test]
async fn everything_is_linked_to_the_new_owner_and_data_came_before_it() {
    let scene = with_operator();

    scene.execute().await;

    let cluster = uid(&scene, "clusters.db.example.com", "pg");
    assert_eq!(owner_uid(&scene, "statefulsets.apps", "pg"), cluster);
    assert_eq!(owner_uid(&scene, "secrets", "pg-password"), cluster);
    assert_eq!(owner_uid(&scene, "persistentvolumeclaims", "pg-data"), cluster);
    let writes = scene.cluster.writes();
    let at = |what: &str| writes.iter().position(|write| write == what).unwrap();
    assert!(at("create persistentvolumeclaims/shop/pg-data") < at("create clusters.db.example.com/shop/pg"));
    assert!(at("create clusters.db.example.com/shop/pg") < at("create statefulsets.apps/shop/pg"));
    assert!(at("create clusters.db.example.com/shop/pg") < at("patch secrets/shop/pg-password"));
}

#[tokio::test]
async fn an_owner_that_is_there_already_is_linked_to() {
    let scene = with_operator();
    scene.put_namespace("shop");
    let definition = json!({
        "metadata": {"name": "clusters.db.example.com"},
        "spec": {
            "group": "db.example.com", "scope": "Namespaced",
            "names": {"kind": "Cluster", "plural": "clusters"},
            "versions": [{"name": "v1", "served": true}],
        },
    });
    scene.cluster.put(object("apiextensions.k8s.io/v1", "CustomResourceDefinition", definition));
    scene.cluster.put(object(
        "db.example.com/v1",
        "Cluster",
        json!({
            "metadata": {"name": "pg", "namespace": "shop"},
        }),
    ));

    let (_, rows) = scene.execute().await;

    assert_eq!(action(&rows, "clusters.db.example.com/shop/pg"), &Action::Unchanged);
    let cluster = uid(&scene, "clusters.db.example.com", "pg");
    assert_eq!(owner_uid(&scene, "statefulsets.apps", "pg"), cluster);
    assert_eq!(owner_uid(&scene, "secrets", "pg-password"), cluster);
}

#[tokio::test]
async fn an_absent_owner_is_dropped_and_reported() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    let gone = owner("apps/v1", "Deployment", "gone", "old");
    scene.add(
        "services",
        "v1",
        "Service",
        json!({
            "metadata": {"name": "web", "namespace": "shop", "ownerReferences": gone.clone()},
        }),
    );
    scene.add(
        "secrets",
        "v1",
        "Secret",
        json!({
            "metadata": {"name": "key", "namespace": "shop", "ownerReferences": gone},
        }),
    );

    let (outcomes, _) = scene.execute().await;

    let reported: Vec<_> = outcomes
        .problems
        .iter()
        .filter(|problem| problem.code == codes::OWNER_ABSENT)
        .filter_map(|problem| problem.target.as_deref())
        .collect();
    assert!(reported.contains(&"services/shop/web") && reported.contains(&"secrets/shop/key"));
    assert_eq!(owner_uid(&scene, "services", "web"), Value::Null);
}

#[tokio::test]
async fn what_a_controller_derives_is_left_to_it() {
    let mut scene = Scene::default();
    scene.add_namespace("shop");
    scene.add(
        "deployments",
        "apps/v1",
        "Deployment",
        json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "d"}, "spec": {"selector": {}},
        }),
    );
    scene.add(
        "replicasets",
        "apps/v1",
        "ReplicaSet",
        json!({"metadata": {
            "name": "web-1", "namespace": "shop", "uid": "r",
            "ownerReferences": owner("apps/v1", "Deployment", "web", "d"),
        }}),
    );
    scene.add("pods", "v1", "Pod", json!({"metadata": {
        "name": "web-1-x", "namespace": "shop", "ownerReferences": owner("apps/v1", "ReplicaSet", "web-1", "r"),
    }}));

    let (outcomes, rows) = scene.execute().await;

    assert_eq!(action(&rows, "replicasets.apps/shop/web-1").word(), "leave");
    assert_eq!(action(&rows, "pods/shop/web-1-x").word(), "leave");
    assert_eq!(outcomes.counts.left, 2);
}

#[tokio::test]
async fn a_derived_object_without_its_owner_is_restored_on_its_own() {
    let mut scene = Scene::default();
    scene.put_namespace("shop");
    scene.spec.included_resource_types = vec!["pods".into()];
    scene.add(
        "replicasets",
        "apps/v1",
        "ReplicaSet",
        json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "r"},
        }),
    );
    scene.add("pods", "v1", "Pod", json!({"metadata": {
        "name": "web-1-x", "namespace": "shop", "ownerReferences": owner("apps/v1", "ReplicaSet", "web-1", "r"),
    }}));

    let (_, rows) = scene.execute().await;

    assert_eq!(action(&rows, "pods/shop/web-1-x"), &Action::Create);
    assert_eq!(owner_uid(&scene, "pods", "web-1-x"), Value::Null);
}
