//! Kills during deletions: a recovery point is listed and complete, or it is gone with its snapshots.

use super::{at_each, name_of, points};
use extension::delete_backup::decide::Step;
use scenarios::checks::{incomplete, nothing};
use scenarios::{LONG, World};

/// Steps that no deletion in this world takes.
const SPARED: [(&str, &str); 1] =
    [("wait", "no store of the testbed refuses a deletion because of its retention")];

#[test]
fn a_deletion_ends_as_without_a_kill() {
    let world = World::new("kills-deleted", "standard");
    let all = points("delete-backup", &Step::all_names(), &SPARED);
    for point in &all {
        world.backup(&name_of(point), &[]);
    }
    let running = world.extension().run();
    for point in &all {
        let backup = world.ended("backups", &name_of(point));
        assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    }
    running.kill();

    at_each(&all, |at| {
        let name = name_of(at);
        let backup = world.installed.resource("backups", &name);
        let id = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned();
        world.cluster.cofferdam(&["backup", "delete", &name, "--yes"]).ok();
        world.extension().kill_at(at).run().killed(LONG).expect("it kills itself");
        nothing(&incomplete(&world, &id));

        let second = world.extension().run();
        let deletion = world.ended("deletebackups", &format!("delete-{id}"));
        second.kill();

        assert_eq!(deletion["status"]["phase"], "Completed", "{}", deletion["status"]);
        assert!(!world.points().iter().any(|point| point["id"] == id.as_str()), "it is still listed");
        assert_eq!(world.contents(&id).len(), 0, "its snapshots are still there");
        nothing(&incomplete(&world, &id));
    });

    world.down();
}

/// A snapshot whose anchor someone deleted is found by the manifest alone, which is the first to go.
#[test]
fn a_snapshot_without_anchor_goes_even_when_the_deletion_is_killed_after_the_manifest_went() {
    let world = World::new("kills-unanchored", "standard");
    let running = world.extension().run();
    world.backup("unanchored", &[]);
    let backup = world.ended("backups", "unanchored");
    running.kill();
    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    let id = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned();
    let anchors = world.contents(&id);
    assert_eq!(anchors.len(), 1, "{anchors:?}");
    let handle = anchors[0]["status"]["snapshotHandle"].as_str().expect("a handle").to_owned();
    let name = anchors[0]["metadata"]["name"].as_str().expect("a name");
    assert!(in_the_pool(&handle), "{handle}");

    world.cluster.kubectl(&["delete", "volumesnapshotcontent", name]);
    let kept = in_the_pool(&handle);
    world.cluster.cofferdam(&["backup", "delete", "unanchored", "--yes"]).ok();
    world.extension().kill_at("delete-backup/forget/after").run().killed(LONG).expect("it kills itself");
    let after_the_kill = in_the_pool(&handle);
    let second = world.extension().run();
    let deletion = world.ended("deletebackups", &format!("delete-{id}"));
    second.kill();

    assert!(kept && after_the_kill, "the storage keeps what an anchor with Retain stood for");
    assert_eq!(deletion["status"]["phase"], "Completed", "{}", deletion["status"]);
    assert_eq!(deletion["status"]["snapshotsDeleted"], 1, "{}", deletion["status"]);
    assert!(!in_the_pool(&handle), "{handle} is orphaned");
    world.down();
}

/// Whether the storage system of the testbed has this snapshot.
fn in_the_pool(handle: &str) -> bool {
    let snapshots = "/var/lib/cofferdam-testbed/pool/csi.cofferdam.test/snapshots";
    let mut entries = std::fs::read_dir(snapshots).expect("the pool").flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().contains(handle))
}
