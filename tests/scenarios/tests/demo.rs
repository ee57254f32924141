//! The demo is a test: what a newcomer sees first must always work.

use scenarios::{Cluster, Managed, NAMESPACE, everything, run};
use std::process::Command;

#[test]
fn the_demo_loses_an_application_and_brings_it_back_in_three_places() {
    // What the vault of the demo installed goes when the test ends.
    let (one, two) = (Managed(Cluster::named("one")), Managed(Cluster::named("two")));
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut demo = Command::new(format!("{root}/demo/run"));
    demo.env("COFFERDAM_DEMO_BUILT", "1").env("COFFERDAM_DEMO_KEEP", "1");

    let shown = run(demo, "").ok();

    assert!(shown.contains("Everything is back"), "{shown}");
    for (cluster, namespace) in [(&one.0, "shop"), (&one.0, "shop-copy"), (&two.0, "shop")] {
        let pod = cluster.get(&["pod", "-n", namespace, "database-0"]).expect("the restored database");
        assert_eq!(pod["status"]["phase"], "Running", "{namespace} in {}", cluster.name);
        cluster.delete_namespace(namespace);
    }
    if everything() {
        // It finds both as a newcomer would.
        one.clear();
        two.clear();
        on_a_cluster_that_is_there(&one.0);
    }
}

/// The planted defects for the demo's comparison of objects.
#[test]
fn the_comparison_of_the_demo_sees_what_changed_and_only_that() {
    let normal = |items: serde_json::Value| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/normal.py");
        let mut python = Command::new("python3");
        python.arg(script).arg("shop");
        run(python, &serde_json::json!({ "items": items }).to_string()).ok()
    };
    let object = |uid: &str, value: &str| {
        serde_json::json!({"kind": "ConfigMap", "data": {"title": value},
            "metadata": {"name": "page", "namespace": "shop", "uid": uid}})
    };

    let before = normal(serde_json::json!([object("1", "open")]));

    assert_eq!(before, normal(serde_json::json!([object("2", "open")])), "another identity is no difference");
    assert_ne!(before, normal(serde_json::json!([object("1", "closed")])));
    assert_ne!(before, normal(serde_json::json!([])));
    assert_ne!(before, normal(serde_json::json!([object("1", "open"), object("1", "open")])));
}

fn on_a_cluster_that_is_there(cluster: &Cluster) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let demo = || {
        let mut demo = Command::new(format!("{root}/demo/run"));
        demo.env("COFFERDAM_DEMO_BUILT", "1").env("COFFERDAM_DEMO_KEEP", "1");
        demo.env("COFFERDAM_DEMO_EXISTING", "1").env("KUBECONFIG", &cluster.kubeconfig);
        run(demo, "")
    };

    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    let refused = demo();
    cluster.delete_namespace(NAMESPACE);
    cluster.kubectl(&["delete", "crd", "discounts.shop.example", "--ignore-not-found"]);
    let shown = demo().ok();

    assert_eq!(refused.code, 1, "an installation that is there is left alone: {}", refused.stdout);
    assert!(refused.stderr.contains(NAMESPACE), "{}", refused.stderr);
    assert!(shown.contains("Everything is back"), "{shown}");
    assert_eq!(cluster.get(&["namespace", "shop"]), None, "the demo takes away what it made");
}
