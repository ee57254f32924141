//! The checks themselves: a planted defect turns them red.

use scenarios::World;
use scenarios::checks::{incomplete, left_behind, nothing};

#[test]
fn the_checks_see_a_frozen_application_and_an_orphaned_snapshot() {
    let world = World::new("kills-planted", "standard");
    world.backup("planted", &[]);
    let running = world.extension().run();
    let backup = world.ended("backups", "planted");
    running.kill();
    let uid = backup["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let before = left_behind(&world, &backup);

    world.cluster.exec(&world.app, "app", &["touch", "/tmp/frozen"]);
    let frozen = left_behind(&world, &backup);
    world.cluster.exec(&world.app, "app", &["rm", "/tmp/frozen"]);
    let mut uncommitted = backup.clone();
    // The path of the result file names the backup; that names no snapshot.
    uncommitted["status"] = serde_json::json!({"phase": "Failed", "problems": [], "resultFile": format!("default:results/{uid}-1")});
    let orphaned = left_behind(&world, &uncommitted);
    world.cluster.apply(&unlabelled(&uid));
    let with_unlabelled = world.contents(&uid).len();
    world.cluster.kubectl(&["delete", "volumesnapshotcontent", "kills-unlabelled", "--wait=false"]);
    let label = format!("clusterbackup.dataprotection.microsoft.com/recovery-point={uid}");
    world.cluster.kubectl(&["delete", "volumesnapshotcontents", "-l", &label, "--wait=false"]);
    let torn = incomplete(&world, &uid);

    nothing(&before);
    assert!(frozen.iter().any(|wrong| wrong.contains("frozen")), "{frozen:?}");
    assert!(orphaned.iter().any(|wrong| wrong.contains("orphaned")), "{orphaned:?}");
    assert_eq!(with_unlabelled, 2, "a content that was never retained is seen, too");
    assert!(torn.iter().any(|wrong| wrong.contains("which has no content")), "{torn:?}");
    world.down();
}

/// What is left of a snapshot that was cut and whose backup was killed before it retained it.
fn unlabelled(uid: &str) -> String {
    serde_json::json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
        "metadata": {"name": "kills-unlabelled"},
        "spec": {"driver": "nobody.cofferdam.test", "deletionPolicy": "Retain",
            "source": {"snapshotHandle": "nothing"},
            "volumeSnapshotRef": {"name": format!("cofferdam-{uid}-1"), "namespace": "kills-planted"}},
    })
    .to_string()
}
