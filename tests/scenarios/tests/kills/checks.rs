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
    uncommitted["status"] = serde_json::json!({"phase": "Failed"});
    let orphaned = left_behind(&world, &uncommitted);
    let label = format!("clusterbackup.dataprotection.microsoft.com/recovery-point={uid}");
    world.cluster.kubectl(&["delete", "volumesnapshotcontents", "-l", &label, "--wait=false"]);
    let torn = incomplete(&world, &uid);

    nothing(&before);
    assert!(frozen.iter().any(|wrong| wrong.contains("frozen")), "{frozen:?}");
    assert!(orphaned.iter().any(|wrong| wrong.contains("orphaned")), "{orphaned:?}");
    assert!(torn.iter().any(|wrong| wrong.contains("which has no content")), "{torn:?}");
    world.down();
}
