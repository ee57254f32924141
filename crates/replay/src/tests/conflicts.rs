use super::*;
use resources::ConflictPolicy;

fn scene(policy: ConflictPolicy) -> Scene {
    let mut scene = Scene::default();
    scene.spec.conflict_policy = policy;
    scene.add_namespace("shop");
    scene.put_namespace("shop");
    for name in ["same", "differs", "absent"] {
        scene.add_config_map("shop", name, "captured");
    }
    let live = |name: &str, value: &str| {
        object(
            "v1",
            "ConfigMap",
            json!({
                "metadata": {"name": name, "namespace": "shop"}, "data": {"key": value, "other": "live"},
            }),
        )
    };
    scene.cluster.put(live("same", "captured"));
    scene.cluster.put(live("differs", "live"));
    scene
}

fn data(scene: &Scene, name: &str) -> Value {
    scene.cluster.object("configmaps", Some("shop"), name).unwrap()["data"].clone()
}

#[tokio::test]
async fn skip_leaves_what_exists_and_creates_what_does_not() {
    let scene = scene(ConflictPolicy::Skip);

    let (outcomes, rows) = scene.execute().await;

    assert_eq!(action(&rows, "configmaps/shop/absent"), &Action::Create);
    assert_eq!(action(&rows, "configmaps/shop/same"), &Action::Unchanged);
    assert_eq!(action(&rows, "configmaps/shop/differs"), &Action::Skip { fields: vec!["data.key".into()] });
    assert_eq!(data(&scene, "differs"), json!({"key": "live", "other": "live"}));
    assert_eq!((outcomes.counts.created, outcomes.counts.skipped), (1, 1));
}

#[tokio::test]
async fn patch_merges_and_removes_nothing() {
    let scene = scene(ConflictPolicy::Patch);

    let (_, rows) = scene.execute().await;

    assert_eq!(action(&rows, "configmaps/shop/differs"), &Action::Patch { fields: vec!["data.key".into()] });
    assert_eq!(data(&scene, "differs"), json!({"key": "captured", "other": "live"}));
}

#[tokio::test]
async fn replace_deletes_and_creates_only_what_differs() {
    let scene = scene(ConflictPolicy::Replace);

    let (_, rows) = scene.execute().await;

    assert_eq!(
        action(&rows, "configmaps/shop/differs"),
        &Action::Replace { fields: vec!["data.key".into()] }
    );
    assert_eq!(data(&scene, "differs"), json!({"key": "captured"}));
    assert_eq!(
        scene.cluster.writes(),
        ["create configmaps/shop/absent", "delete configmaps/shop/differs", "create configmaps/shop/differs",]
    );
}

#[tokio::test]
async fn an_immutable_field_fails_with_its_path() {
    let mut scene = Scene::default();
    scene.spec.conflict_policy = ConflictPolicy::Patch;
    let web = |app: &str| {
        json!({
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": app}}},
        })
    };
    scene.add("deployments", "apps/v1", "Deployment", web("captured"));
    scene.cluster.put(object("apps/v1", "Deployment", web("live")));

    let plan = scene.plan().await;
    let (_, rows) = scene.execute().await;

    for rows in [&plan.rows, &rows] {
        match action(rows, "deployments.apps/default/web") {
            Action::Blocked(problem) => {
                assert_eq!(problem.code, crate::codes::IMMUTABLE);
                assert!(problem.message.contains("spec.selector"), "{}", problem.message);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn replacing_a_set_that_would_take_its_claims_along_is_refused() {
    let mut scene = Scene::default();
    scene.spec.conflict_policy = ConflictPolicy::Replace;
    let set = |replicas: u32| {
        json!({
            "metadata": {"name": "db", "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {}},
        })
    };
    scene.add("statefulsets", "apps/v1", "StatefulSet", set(1));
    scene.cluster.put(object("apps/v1", "StatefulSet", set(2)));
    let live = scene.cluster.object("statefulsets.apps", Some("default"), "db").unwrap();
    scene.cluster.put(object(
        "v1",
        "PersistentVolumeClaim",
        json!({"metadata": {
            "name": "data-db-0", "namespace": "default",
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": live["metadata"]["uid"],
            }],
        }}),
    ));

    let (_, rows) = scene.execute().await;

    let action = action(&rows, "statefulsets.apps/default/db");
    assert_eq!(blocked_by(action), crate::codes::REPLACE_REFUSED);
    assert!(scene.cluster.writes().is_empty());
}

#[tokio::test]
async fn a_live_default_account_gets_the_pull_secret_that_it_lacks() {
    let mut scene = Scene::default();
    scene.add(
        "serviceaccounts",
        "v1",
        "ServiceAccount",
        json!({
            "metadata": {"name": "default", "namespace": "default"},
            "imagePullSecrets": [{"name": "registry"}],
        }),
    );

    let (_, rows) = scene.execute().await;

    let account = scene.cluster.object("serviceaccounts", Some("default"), "default").unwrap();
    assert_eq!(account["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(action(&rows, "serviceaccounts/default/default").word(), "patch");
}

#[tokio::test]
async fn a_namespace_that_only_comes_along_is_not_changed() {
    let mut scene = Scene::default();
    scene.spec.conflict_policy = ConflictPolicy::Patch;
    scene.spec.included_resource_types = vec!["configmaps".into()];
    scene.add(
        "namespaces",
        "v1",
        "Namespace",
        json!({
            "metadata": {"name": "default", "labels": {"team": "captured"}},
        }),
    );
    scene.add_config_map("default", "a", "captured");

    let (_, rows) = scene.execute().await;

    assert_eq!(action(&rows, "namespaces/default").word(), "skip");
    assert_eq!(scene.cluster.writes(), ["create configmaps/default/a"]);
}
