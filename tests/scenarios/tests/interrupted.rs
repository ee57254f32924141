//! Backups that are cancelled, run out of time, or lose their process in an orderly way.

use scenarios::checks::{incomplete, left_behind, nothing};
use scenarios::{LONG, NAMESPACE, World, everything};
use serde_json::Value;
use std::time::Duration;

/// Steps after which a backup is cancelled, and whether the recovery point exists by then. The first list is played
/// by default; a kill at every step is another test.
const CORE: [(&str, bool); 5] = [
    ("begin", false),
    ("record-intent", false),
    ("pre-hook", false),
    ("start-capture", false),
    ("commit", true),
];
const MORE: [(&str, bool); 9] = [
    ("find-commit", false),
    ("prepare", false),
    ("await-turn", false),
    ("request-snapshots", false),
    ("await-cut", false),
    ("thaw", false),
    ("anchor", false),
    ("await-capture", false),
    ("await-ready", false),
];

#[test]
fn a_backup_can_be_cancelled_at_any_step() {
    let world = World::new("cancelled", "standard");
    let more = if everything() { &MORE[..] } else { &[] };

    for (step, committed) in CORE.iter().chain(more) {
        let name = format!("after-{step}");
        let uid = world.backup(&name, &[]);
        let (start, hold) = world.extension().hold_at(&format!("backup/{step}/after"));
        let running = start.run();
        hold.reached(LONG);
        world.cluster.cofferdam(&["backup", "cancel", &name]).ok();
        std::thread::sleep(Duration::from_millis(300));
        hold.release();
        let backup = world.ended("backups", &name);
        running.kill();

        let phase = backup["status"]["phase"].as_str().unwrap_or_default();
        assert_eq!(phase, if *committed { "Completed" } else { "Cancelled" }, "{step}: {}", backup["status"]);
        assert_eq!(world.contents(&uid).len(), usize::from(*committed), "{step}: snapshots");
        nothing(&left_behind(&world, &backup));
        nothing(&incomplete(&world, &uid));
    }

    world.down();
}

#[test]
fn a_restore_that_is_cancelled_before_it_writes_leaves_nothing_and_says_so() {
    let world = World::new("restore-cancelled", "standard");
    world.cluster.delete_namespace("restore-cancelled-copy");
    world.backup("point", &[]);
    let running = world.extension().run();
    world.ended("backups", "point");
    running.kill();
    let map = ["--map", "restore-cancelled:restore-cancelled-copy"];
    world
        .cluster
        .cofferdam(&[&["restore", "create", "stopped", "--from-backup", "point"], &map[..]].concat())
        .ok();

    let (start, hold) = world.extension().hold_at("restore/open/after");
    let running = start.run();
    hold.reached(LONG);
    let restore = "restores.clusterbackup.dataprotection.microsoft.com";
    let cancel = r#"{"spec":{"cancel":true}}"#;
    world.cluster.kubectl(&["patch", restore, "stopped", "-n", NAMESPACE, "--type=merge", "-p", cancel]);
    std::thread::sleep(Duration::from_millis(300));
    hold.release();
    let ended = world.ended("restores", "stopped");
    running.kill();

    assert_eq!(ended["status"]["phase"], "Cancelled", "{}", ended["status"]);
    assert_eq!(world.cluster.get(&["namespace", "restore-cancelled-copy"]), None);
    world.down();
}

#[test]
fn a_hook_that_hangs_is_interrupted_by_a_cancellation_and_by_the_deadline() {
    let world = World::new("hanging", "standard");
    world.cluster.apply(
        "{apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1, kind: BackupHook, \
          metadata: {name: hang, namespace: hanging}, spec: {name: hang, includedNamespaces: [hanging], \
          preHooks: [{exec: {command: [sleep, '600'], timeout: 10m}}], \
          postHooks: [{exec: {command: [rm, -f, /tmp/frozen]}}]}}",
    );
    let running = world.extension().run();
    world.backup("cancelled", &["--hook", "hanging/hang"]);
    scenarios::wait_until("the marker", LONG, || {
        let files = world.cluster.exec("hanging", "app", &["ls", "/tmp"]);
        if files.contains("frozen") { Ok(()) } else { Err(files) }
    });
    // Its turn comes once the first has let go of the pod.
    world.backup("late", &["--hook", "hanging/hang", "--deadline", "60s"]);

    world.cluster.cofferdam(&["backup", "cancel", "cancelled"]).ok();
    let cancelled = world.ended("backups", "cancelled");
    let late = world.ended("backups", "late");
    running.kill();

    assert_eq!(cancelled["status"]["phase"], "Cancelled", "{}", cancelled["status"]);
    assert_eq!(world.cluster.cofferdam(&["backup", "show", "cancelled", "--wait"]).code, 4);
    let warned = codes(&cancelled).contains(&"UserErrorHookExecutionFailed".to_owned());
    assert!(warned, "nobody said that the hook may still run: {}", cancelled["status"]);
    assert_eq!(late["status"]["phase"], "Failed", "{}", late["status"]);
    assert!(codes(&late).contains(&"DeadlineExceeded".to_owned()), "{}", late["status"]);
    nothing(&left_behind(&world, &cancelled));
    nothing(&left_behind(&world, &late));
    world.down();
}

#[test]
fn a_terminated_extension_thaws_before_it_ends_and_its_successor_completes_the_backup() {
    let world = World::new("terminated", "standard");
    let uid = world.backup("interrupted", &[]);
    let (start, hold) = world.extension().hold_at("backup/start-capture/after");
    let first = start.run();
    hold.reached(LONG);
    assert!(
        world.cluster.exec("terminated", "app", &["ls", "/tmp"]).contains("frozen"),
        "the hook froze nothing"
    );

    let ending = std::thread::spawn(move || first.terminate(Duration::from_secs(60)));
    std::thread::sleep(Duration::from_millis(500));
    hold.release();
    let (code, took) = ending.join().expect("it ends");
    let afterwards = world.cluster.exec("terminated", "app", &["ls", "/tmp"]);
    let second = world.extension().run();
    let backup = world.ended("backups", "interrupted");
    second.kill();

    assert_eq!(code, 0);
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!afterwards.contains("frozen"), "the application stayed frozen when the extension had ended");
    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    assert_eq!(backup["status"]["attempt"], 2, "{}", backup["status"]);
    nothing(&left_behind(&world, &backup));
    nothing(&incomplete(&world, &uid));
    world.down();
}

fn codes(object: &Value) -> Vec<String> {
    let problems = object["status"]["problems"].as_array().cloned().unwrap_or_default();
    problems.iter().filter_map(|problem| problem["code"].as_str().map(str::to_owned)).collect()
}
