//! The demo is a test: what a newcomer sees first must always work.

use scenarios::{Cluster, run};
use std::process::Command;

#[test]
fn the_demo_loses_an_application_and_brings_it_back_in_three_places() {
    let one = Cluster::named("one");
    let two = Cluster::named("two");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut demo = Command::new(format!("{root}/demo/run"));
    demo.env("COFFERDAM_DEMO_BUILT", "1").env("COFFERDAM_DEMO_KEEP", "1");

    let shown = run(demo, "").ok();

    assert!(shown.contains("Everything is back"), "{shown}");
    for (cluster, namespace) in [(&one, "shop"), (&one, "shop-copy"), (&two, "shop")] {
        let pod = cluster.get(&["pod", "-n", namespace, "database-0"]).expect("the restored database");
        assert_eq!(pod["status"]["phase"], "Running", "{namespace} in {}", cluster.name);
        cluster.delete_namespace(namespace);
    }
}
