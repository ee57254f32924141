//! Installing, changing, upgrading, going back.

use crate::{
    made::{extra, greeter},
    world::World,
};
use packages::wire::{ExtensionState, Level};
use serde_json::json;

#[tokio::test]
async fn an_extension_is_installed_changed_and_upgraded_with_the_rights_of_the_manifest_alone() {
    let mut world = World::new(&["upgraded"]).await;
    let with_extra = greeter("upgraded", "1.0.0", |package| {
        package["objects"].as_array_mut().unwrap().push(extra("upgraded", "extra"));
    });
    let first = world.publish(&with_extra);
    let second = world.publish(&greeter("upgraded", "1.1.0", |_| {}));

    world.wish("upgraded", "1.0.0", &first, json!({}));
    let installed = world.work("upgraded").await;

    assert_eq!(
        (installed.state, installed.version.as_deref()),
        (ExtensionState::Installed, Some("1.0.0")),
        "{installed:?}"
    );
    assert_eq!(world.greeting("upgraded").await.as_deref(), Some("hello"));
    assert!(world.find("v1/ConfigMap", Some("upgraded"), "upgraded-extra").await.is_some());
    assert!(world.find("v1/Secret", Some("upgraded"), "upgraded").await.is_none(), "no password was set");

    world.wish("upgraded", "1.0.0", &first, json!({"greeting": "good day", "gretting": "x"}));
    world.wished("upgraded").protected_settings = [("password".to_owned(), json!("word"))].into();
    let changed = world.work("upgraded").await;

    assert_eq!((changed.state, changed.generation), (ExtensionState::Installed, 2), "{changed:?}");
    assert_eq!(world.greeting("upgraded").await.as_deref(), Some("good day"));
    assert!(world.find("v1/Secret", Some("upgraded"), "upgraded").await.is_some());
    let warning = changed.statuses.iter().find(|status| status.code == "UnknownSetting").unwrap();
    assert_eq!(warning.level, Level::Warning);
    assert!(warning.message.contains("gretting") && !warning.time.is_empty());

    world.wish("upgraded", "1.1.0", &second, json!({}));
    let upgraded = world.work("upgraded").await;

    assert_eq!(
        (upgraded.state, upgraded.version.as_deref()),
        (ExtensionState::Installed, Some("1.1.0")),
        "{upgraded:?}"
    );
    assert!(
        world.find("v1/ConfigMap", Some("upgraded"), "upgraded-extra").await.is_none(),
        "the new version has it not"
    );
    assert!(
        world.find("v1/Secret", Some("upgraded"), "upgraded").await.is_none(),
        "the password was taken away"
    );
    world.end().await;
}

#[tokio::test]
async fn what_somebody_deleted_comes_back_and_the_registry_is_not_needed_for_it() {
    let mut world = World::new(&["repaired"]).await;
    let published = world.publish(&greeter("repaired", "1.0.0", |_| {}));
    world.wish("repaired", "1.0.0", &published, json!({"greeting": "kept"}));
    world.work("repaired").await;
    let out_of_reach = format!("{}-gone", world.wished("repaired").package.reference);
    world.wished("repaired").package.reference = out_of_reach;

    world.delete("apps/v1/Deployment", "repaired", "repaired").await;
    world.delete("v1/ConfigMap", "repaired", "repaired").await;
    let repaired = world.work("repaired").await;

    assert_eq!(repaired.state, ExtensionState::Installed, "{repaired:?}");
    assert!(world.find("apps/v1/Deployment", Some("repaired"), "repaired").await.is_some());
    assert_eq!(world.greeting("repaired").await.as_deref(), Some("kept"));
    world.end().await;
}

#[tokio::test]
async fn an_upgrade_that_does_not_become_ready_goes_back_to_the_version_before() {
    let mut world = World::new(&["returned"]).await;
    let first = world.publish(&greeter("returned", "1.0.0", |_| {}));
    let second = world.publish(&greeter("returned", "2.0.0", |package| {
        package["objects"].as_array_mut().unwrap().push(extra("returned", "extra"));
    }));
    world.wish("returned", "1.0.0", &first, json!({"greeting": "first"}));
    world.work("returned").await;

    world.wish("returned", "2.0.0", &second, json!({"greeting": "second", "replicas": 1}));
    let failed = world.work("returned").await;

    assert_eq!(
        (failed.state, failed.version.as_deref()),
        (ExtensionState::Failed, Some("1.0.0")),
        "{failed:?}"
    );
    let error = failed.error.unwrap();
    assert!(["InstallationTimedOut", "PodsUnschedulable"].contains(&error.code.as_str()), "{error:?}");
    assert_eq!(world.greeting("returned").await.as_deref(), Some("first"));
    assert!(world.find("v1/ConfigMap", Some("returned"), "returned-extra").await.is_none());
    let deployment = world.find("apps/v1/Deployment", Some("returned"), "returned").await.unwrap();
    assert_eq!(deployment["spec"]["replicas"], 0);

    world.wish("returned", "2.0.0", &second, json!({"greeting": "third"}));
    let healed = world.work("returned").await;

    assert_eq!(
        (healed.state, healed.version.as_deref()),
        (ExtensionState::Installed, Some("2.0.0")),
        "{healed:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_first_installation_that_does_not_become_ready_leaves_nothing() {
    let mut world = World::new(&["vanished"]).await;
    let first = world.publish(&greeter("vanished", "1.0.0", |_| {}));

    world.wish("vanished", "1.0.0", &first, json!({"replicas": 1}));
    let failed = world.work("vanished").await;

    assert_eq!((failed.state, failed.version.as_deref()), (ExtensionState::Failed, None), "{failed:?}");
    assert!(world.find("v1/Namespace", None, "vanished").await.is_none());
    assert!(world.find("rbac.authorization.k8s.io/v1/ClusterRole", None, "vanished").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn two_types_live_side_by_side() {
    let mut world = World::new(&["lefty", "righty"]).await;
    let left = world.publish(&greeter("lefty", "1.0.0", |_| {}));
    let right = world.publish(&greeter("righty", "3.0.0", |_| {}));

    world.wish("lefty", "1.0.0", &left, json!({}));
    world.wish("righty", "3.0.0", &right, json!({"greeting": "good day"}));
    // Nobody says where it shall live: its package does.
    world.wished("righty").namespace.clear();
    let mut agent = world.start();
    world.settle(&mut agent, 300).await;

    for name in ["lefty", "righty"] {
        assert_eq!(world.told(&mut agent, name).await.state, ExtensionState::Installed);
    }
    world.unwish("lefty").await;
    world.settle(&mut agent, 300).await;
    assert_eq!(world.told(&mut agent, "lefty").await.state, ExtensionState::Removed);
    assert_eq!(world.told(&mut agent, "righty").await.state, ExtensionState::Installed);
    assert!(world.find("v1/Namespace", None, "lefty").await.is_none());
    assert_eq!(world.greeting("righty").await.as_deref(), Some("good day"));
    world.end().await;
}

#[tokio::test]
async fn the_report_tells_what_the_cluster_is() {
    let world = World::new(&["reporter"]).await;

    let facts = world.start().report(None).await.cluster;

    assert_eq!(facts.uid.len(), 36, "{facts:?}");
    assert!(facts.kubernetes_version.starts_with("v1."));
    assert!(facts.token_issuer.is_some());
    assert!(facts.token_keys.unwrap()["keys"].as_array().is_some_and(|keys| !keys.is_empty()));
    world.end().await;
}

#[tokio::test]
async fn an_upgrade_that_failed_and_is_taken_back_leaves_what_was_there_and_a_later_one_is_taken() {
    let mut world = World::new(&["resumed"]).await;
    let first = world.publish(&greeter("resumed", "1.0.0", |_| {}));
    let broken = world.publish(&greeter("resumed", "1.1.0", |package| {
        package["settings"]["replicas"]["default"] = json!(1);
    }));
    let mended = world.publish(&greeter("resumed", "1.1.1", |_| {}));
    world.wish("resumed", "1.0.0", &first, json!({}));
    world.work("resumed").await;
    let before = world.wished("resumed").clone();
    let applied = world.find("apps/v1/Deployment", Some("resumed"), "resumed").await.unwrap();

    world.wish("resumed", "1.1.0", &broken, json!({}));
    let failed = world.work("resumed").await;
    *world.wished("resumed") = before;
    let back = world.work("resumed").await;
    let after = world.find("apps/v1/Deployment", Some("resumed"), "resumed").await.unwrap();
    world.wish("resumed", "1.1.1", &mended, json!({}));
    world.wished("resumed").generation = 3;
    let later = world.work("resumed").await;

    assert_eq!((failed.state, failed.generation), (ExtensionState::Failed, 2), "{failed:?}");
    assert_eq!(
        (back.state, back.generation, back.version.as_deref(), back.error),
        (ExtensionState::Installed, 1, Some("1.0.0"), None)
    );
    assert_eq!(after["spec"], applied["spec"]);
    assert_eq!(
        (later.state, later.version.as_deref()),
        (ExtensionState::Installed, Some("1.1.1")),
        "{later:?}"
    );
    world.end().await;
}
