//! Removing exactly what was installed.

use crate::{
    made::greeter,
    world::{World, apply},
};
use packages::wire::ExtensionState;
use serde_json::json;

#[tokio::test]
async fn removal_takes_everything_that_was_installed_and_the_namespace_last() {
    let mut world = World::new(&["removed"]).await;
    let first = world.publish(&greeter("removed", "1.0.0", |_| {}));
    world.wish("removed", "1.0.0", &first, json!({}));
    world.work("removed").await;
    apply(
        &world.admin,
        &json!({"apiVersion": "example.com/v1", "kind": "Removed",
        "metadata": {"name": "one", "namespace": "removed"}}),
    )
    .await;

    world.unwish("removed").await;
    let report = world.work("removed").await;

    assert_eq!((report.state, report.version), (ExtensionState::Removed, None));
    for (kind, namespace) in [
        ("v1/Namespace", None),
        ("rbac.authorization.k8s.io/v1/ClusterRole", None),
        ("rbac.authorization.k8s.io/v1/ClusterRoleBinding", None),
        ("apps/v1/Deployment", Some("removed")),
    ] {
        assert!(world.find(kind, namespace, "removed").await.is_none(), "{kind}");
    }
    let definition = "apiextensions.k8s.io/v1/CustomResourceDefinition";
    assert!(world.find(definition, None, "removeds.example.com").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_namespace_in_which_others_keep_something_stays_with_it() {
    let mut world = World::new(&["shared"]).await;
    let first = world.publish(&greeter("shared", "1.0.0", |_| {}));
    world.wish("shared", "1.0.0", &first, json!({}));
    world.work("shared").await;
    apply(
        &world.admin,
        &json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "repository-password", "namespace": "shared"}, "stringData": {"p": "w"}}),
    )
    .await;

    world.unwish("shared").await;
    let report = world.work("shared").await;

    assert_eq!(report.state, ExtensionState::Removed);
    assert!(report.statuses.iter().any(|status| status.code == "NamespaceLeft"), "{report:?}");
    assert!(world.find("v1/Secret", Some("shared"), "repository-password").await.is_some());
    assert!(world.find("apps/v1/Deployment", Some("shared"), "shared").await.is_none());
    assert!(world.find("v1/ResourceQuota", Some("shared"), "cofferdam-agent-count").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_namespace_that_was_there_before_is_used_and_never_removed() {
    let mut world = World::new(&["older"]).await;
    let first = world.publish(&greeter("older", "1.0.0", |_| {}));
    apply(&world.admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "older"}}))
        .await;

    world.wish("older", "1.0.0", &first, json!({}));
    let installed = world.work("older").await;
    world.unwish("older").await;
    let removed = world.work("older").await;

    assert_eq!((installed.state, removed.state), (ExtensionState::Installed, ExtensionState::Removed));
    assert!(installed.statuses.iter().any(|status| status.code == "NamespaceExisted"));
    let namespace = world.find("v1/Namespace", None, "older").await.unwrap();
    assert!(namespace["metadata"]["deletionTimestamp"].is_null());
    world.end().await;
}

#[tokio::test]
async fn an_extension_that_the_vault_no_longer_mentions_stays() {
    let mut world = World::new(&["forgotten"]).await;
    let first = world.publish(&greeter("forgotten", "1.0.0", |_| {}));
    world.wish("forgotten", "1.0.0", &first, json!({}));
    world.work("forgotten").await;

    let mentioned = std::mem::take(&mut world.desired.extensions);
    let report = world.work("forgotten").await;

    assert_eq!(report.state, ExtensionState::Installed);
    assert!(world.greeting("forgotten").await.is_some());
    world.desired.extensions = mentioned;
    world.end().await;
}

#[tokio::test]
async fn once_no_extension_is_left_the_agent_goes_with_its_manifest_and_leaves_nothing() {
    let mut world = World::new(&["farewell"]).await;
    world.disconnect().await;
    let before = world.ours().await;
    world.connect().await;
    let first = world.publish(&greeter("farewell", "1.0.0", |_| {}));
    world.wish("farewell", "1.0.0", &first, json!({}));
    let installed = world.work("farewell").await;
    let connected: Vec<String> = world.ours().await.difference(&before).cloned().collect();

    world.unwish("farewell").await;
    let removed = world.work("farewell").await;
    world.disconnect().await;
    let left = world.left(&before).await;

    assert_eq!((installed.state, removed.state), (ExtensionState::Installed, ExtensionState::Removed));
    for part in [
        "Secret kube-system/cofferdam-agent-inventory",
        "Deployment kube-system/cofferdam-gateway",
        "ClusterRole /cofferdam-agent:example.farewell",
        "Namespace /farewell",
    ] {
        assert!(connected.iter().any(|one| one == part), "{part} was never there: {connected:?}");
    }
    assert!(left.is_empty(), "{left:?}");
}
