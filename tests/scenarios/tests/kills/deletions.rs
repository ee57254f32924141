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
