//! Kills during backups: one that ends well, one that is cancelled, one whose files are copied.

use super::{at_each, name_of, points, step_of};
use extension::backup::decide::Step;
use scenarios::checks::{incomplete, left_behind, nothing};
use scenarios::{LONG, World};
use std::time::Duration;

/// Steps of a backup that is stopped half-way.
const WHEN_CANCELLED: [&str; 2] = ["stop-capture", "drop-snapshots"];
/// Steps of a backup with volumes that cannot be snapshot.
const WITH_COPIES: [&str; 1] = ["copy-files"];

#[test]
fn a_backup_ends_as_without_a_kill() {
    let world = World::new("kills", "standard");
    let steps = Step::all_names();
    let all = points("backup", &steps, &[]);
    let plain: Vec<String> = all.into_iter().filter(|point| !WITH_COPIES.contains(&step_of(point))).collect();

    at_each(&plain, |point| {
        if WHEN_CANCELLED.contains(&step_of(point)) {
            cancelled(&world, point);
        } else {
            completed(&world, point);
        }
    });

    world.down();
}

#[test]
fn a_backup_that_copies_files_ends_as_without_a_kill() {
    let world = World::new("kills-copies", "plain");
    let all = points("backup", &WITH_COPIES, &[]);

    at_each(&all, |point| {
        let name = name_of(point);
        let uid = world.backup(&name, &["--file-copy-volumes"]);
        world.extension().kill_at(point).run().killed(LONG).expect("it kills itself");
        nothing(&incomplete(&world, &uid));

        let second = world.extension().run();
        let backup = world.ended("backups", &name);
        second.kill();

        assert!(
            backup["status"]["phase"].as_str().is_some_and(|phase| phase.starts_with("Completed")),
            "{backup}"
        );
        nothing(&incomplete(&world, &uid));
        nothing(&left_behind(&world, &backup));
    });

    world.down();
}

fn completed(world: &World, point: &str) {
    let name = name_of(point);
    let uid = world.backup(&name, &[]);
    world.extension().kill_at(point).run().killed(LONG).expect("it kills itself");
    nothing(&incomplete(world, &uid));

    let second = world.extension().run();
    let backup = world.ended("backups", &name);
    second.kill();

    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    assert_eq!(backup["status"]["volumes"]["snapshots"], 1, "{}", backup["status"]);
    assert_eq!(world.contents(&uid).len(), 1, "one snapshot is retained");
    nothing(&incomplete(world, &uid));
    nothing(&left_behind(world, &backup));
}

/// Cancelled while the application is frozen, its snapshots are being cut and its objects captured.
fn cancelled(world: &World, point: &str) {
    let name = name_of(point);
    let uid = world.backup(&name, &[]);
    let (start, hold) = world.extension().kill_at(point).hold_at("backup/start-capture/after");
    let first = start.run();
    hold.reached(LONG);
    world.cluster.cofferdam(&["backup", "cancel", &name]).ok();
    std::thread::sleep(Duration::from_millis(500));
    hold.release();
    first.killed(LONG).expect("it kills itself");
    nothing(&incomplete(world, &uid));

    let second = world.extension().run();
    let backup = world.ended("backups", &name);
    second.kill();

    assert_eq!(backup["status"]["phase"], "Cancelled", "{}", backup["status"]);
    assert_eq!(world.contents(&uid).len(), 0, "its snapshots are dropped");
    nothing(&incomplete(world, &uid));
    nothing(&left_behind(world, &backup));
}
