//! What is never installed.

use crate::{
    made::{extra, greeter, publish},
    world::{World, api, apply},
};
use packages::{Digest, SigningKey, wire::ExtensionState};
use serde_json::{Value, json};

#[tokio::test]
async fn forged_altered_and_mislabelled_packages_are_refused_and_nothing_is_touched() {
    let mut world = World::new(&["refused"]).await;
    let honest = world.publish(&greeter("refused", "1.0.0", |_| {}));
    let (forger, _) = SigningKey::generate().unwrap();
    let forged = publish(&greeter("refused", "1.0.1", |_| {}), &forger);
    world.put(&forged);
    let mut altered = honest.clone();
    altered.package = String::from_utf8(altered.package).unwrap().replace("hello", "hullo").into_bytes();
    let old = world.publish(&greeter("refused", "0.9.0", |_| {}));
    let other = publish(&greeter("another", "1.0.0", |_| {}), &world.key);
    world.put(&other);
    let mut absent = honest.clone();
    absent.digest = Digest::of(b"absent");

    let cases = [
        (&forged, "1.0.1", "PackageNotSigned"),
        (&old, "1.0.0", "PackageVersionMismatch"),
        (&other, "1.0.0", "PackageTypeMismatch"),
        (&absent, "1.0.0", "PackageNotFound"),
        (&altered, "1.0.0", "PackageDigestMismatch"),
    ];
    for (published, version, code) in cases {
        if code == "PackageDigestMismatch" {
            world.put(&altered);
        }
        world.wish("refused", version, published, json!({}));
        let report = world.work("refused").await;
        assert_eq!(report.state, ExtensionState::Failed, "{code}: {report:?}");
        assert_eq!(report.error.unwrap().code, code);
        assert!(world.find("v1/Namespace", None, "refused").await.is_none(), "{code}");
    }

    world.wished("refused").package.reference = "registry.invalid/greeters:1.0.0".into();
    world.wished("refused").generation += 1;
    assert_eq!(world.work("refused").await.error.unwrap().code, "PackageRegistryNotAllowed");
    world.end().await;
}

#[tokio::test]
async fn what_the_owner_of_the_cluster_did_not_allow_cannot_be_installed_though_it_is_signed() {
    let mut world = World::new(&["bounded"]).await;
    // Signed, but it wants more than the rights that were granted: an object with a name of its own.
    let greedy = world.publish(&greeter("bounded", "1.0.0", |package| {
        package["objects"].as_array_mut().unwrap().push(extra("bounded", "surprise"));
    }));
    // Signed, but it binds its account to a role that was never named.
    let climbing = world.publish(&greeter("bounded", "1.0.1", |package| {
        package["objects"][4]["object"]["roleRef"]["name"] = json!("cluster-admin");
    }));

    for (version, published) in [("1.0.0", &greedy), ("1.0.1", &climbing)] {
        world.wish("bounded", version, published, json!({}));
        let report = world.work("bounded").await;
        assert_eq!(report.state, ExtensionState::Failed, "{report:?}");
        assert_eq!(report.error.unwrap().code, "AgentNotPermitted", "{version}");
        assert!(world.find("v1/Namespace", None, "bounded").await.is_none(), "it was removed again");
    }
    world.end().await;
}

#[tokio::test]
async fn objects_of_others_are_not_taken_over() {
    let mut world = World::new(&["occupied"]).await;
    let first = world.publish(&greeter("occupied", "1.0.0", |_| {}));
    let theirs: Value = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "occupied"}, "rules": []});
    apply(&world.admin, &theirs).await;

    world.wish("occupied", "1.0.0", &first, json!({}));
    let report = world.work("occupied").await;

    let error = report.error.unwrap();
    assert_eq!(error.code, "ObjectExists");
    assert!(error.message.contains("ClusterRole occupied"), "{}", error.message);
    let roles = api(&world.admin, "rbac.authorization.k8s.io/v1/ClusterRole", None);
    roles.delete("occupied", &Default::default()).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_all_named_and_nothing_is_touched() {
    let mut world = World::new(&["misset"]).await;
    let first = world.publish(&greeter("misset", "1.0.0", |_| {}));

    world.wish("misset", "1.0.0", &first, json!({"replicas": "9", "greeting": "g".repeat(41)}));
    let report = world.work("misset").await;

    let error = report.error.unwrap();
    assert_eq!(error.code, "InvalidSettings");
    assert!(error.message.contains("replicas") && error.message.contains("greeting"), "{}", error.message);
    assert!(world.find("v1/Namespace", None, "misset").await.is_none());
    world.end().await;
}
