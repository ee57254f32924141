//! Several backups at once, and several extensions.

use scenarios::checks::{incomplete, left_behind, nothing};
use scenarios::{Extension, LONG, NAMESPACE, Start, World, wait_until};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn backups_at_the_same_time_do_not_disturb_each_other() {
    let world = World::new("together", "standard");
    world.cluster.delete_namespace("neighbour");
    world.cluster.kubectl(&["create", "namespace", "neighbour"]);
    world.cluster.kubectl(&["create", "configmap", "-n", "neighbour", "shapes", "--from-literal=a=round"]);
    // The application stays frozen for a while, so that a second backup would thaw it under the first.
    world.cluster.apply(
        "{apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1, kind: BackupHook, \
          metadata: {name: alone, namespace: together}, spec: {name: alone, includedNamespaces: [together], \
          preHooks: [{exec: {command: [mkdir, /tmp/alone]}}, {exec: {command: [sleep, '2']}}], \
          postHooks: [{exec: {command: [rmdir, /tmp/alone]}}]}}",
    );
    for name in ["first", "second", "third"] {
        world.backup(name, &["--hook", "together/alone"]);
    }
    let neighbour = ["backup", "create", "neighbour", "--include-namespaces", "neighbour"];
    world.cluster.cofferdam(&neighbour).ok();

    let running = world.extension().run();
    let names = ["first", "second", "third", "neighbour"];
    let ended = names.map(|name| world.ended("backups", name));
    running.kill();

    for backup in &ended {
        assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
        nothing(&left_behind(&world, backup));
        nothing(&incomplete(&world, backup["metadata"]["uid"].as_str().expect("a uid")));
    }
    let handles: BTreeSet<String> = ended[..3]
        .iter()
        .flat_map(|backup| world.contents(backup["metadata"]["uid"].as_str().expect("a uid")))
        .map(|content| content["status"]["snapshotHandle"].to_string())
        .collect();
    assert_eq!(handles.len(), 3, "each backup has a snapshot of its own: {handles:?}");
    world.cluster.delete_namespace("neighbour");
    world.down();
}

#[test]
fn a_create_that_is_repeated_is_refused_and_a_spec_cannot_be_changed() {
    let world = World::new("repeated", "standard");
    world.backup("once", &[]);
    let again = world.cluster.cofferdam(&["backup", "create", "once", "--include-namespaces", "repeated"]);
    let kind = "backup.clusterbackup.dataprotection.microsoft.com/once";
    let patch = |patch: &str| {
        world.cluster.try_kubectl(&["patch", kind, "-n", NAMESPACE, "--type=merge", "-p", patch], "")
    };

    let changed = patch(r#"{"spec":{"includedNamespaces":["other"]}}"#);
    let cancelled = patch(r#"{"spec":{"cancel":true}}"#);
    let uncancelled = patch(r#"{"spec":{"cancel":false}}"#);

    assert_ne!(again.code, 0);
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    assert_ne!(changed.code, 0);
    assert!(changed.stderr.contains("immutable"), "{}", changed.stderr);
    cancelled.ok();
    assert_ne!(uncancelled.code, 0);
    let running = world.extension().run();
    let backup = world.ended("backups", "once");
    running.kill();
    assert_eq!(backup["status"]["phase"], "Cancelled", "{}", backup["status"]);
    world.down();
}

#[test]
fn only_a_deletion_that_is_asked_for_deletes_data() {
    let world = World::new("deleted", "standard");
    let running = world.extension().run();
    world.backup("kept", &[]);
    let backup = world.ended("backups", "kept");
    let id = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned();

    world.cluster.kubectl(&[
        "delete",
        "backups.clusterbackup.dataprotection.microsoft.com",
        "kept",
        "-n",
        NAMESPACE,
    ]);
    let kept = (world.points().len(), world.contents(&id).len());
    world.cluster.cofferdam(&["backup", "delete", &id, "--point", "--yes", "--wait"]).ok();
    let left = (world.points().len(), world.contents(&id).len());
    running.kill();

    assert_eq!(kept, (1, 1), "the recovery point and its snapshot outlive the object");
    assert_eq!(left, (0, 0), "a DeleteBackup removes both");
    world.down();
}

#[test]
fn a_deletion_of_a_backup_that_is_at_work_waits_for_its_end() {
    let world = World::new("awaited", "standard");
    let uid = world.backup("busy", &[]);
    let (start, hold) = world.extension().hold_at("backup/anchor/after");
    let running = start.run();
    hold.reached(LONG);

    world.cluster.apply(&format!(
        "{{apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1, kind: DeleteBackup, \
          metadata: {{name: early, namespace: {NAMESPACE}}}, \
          spec: {{recoveryPoint: {{location: default, id: {uid}}}}}}}"
    ));
    wait_until("the deletion is tried", LONG, || {
        let log = running.log();
        if log.contains("is still at work") { Ok(()) } else { Err(log) }
    });
    let meanwhile = world.contents(&uid).len();
    hold.release();
    let backup = world.ended("backups", "busy");
    let deletion = world.ended("deletebackups", "early");
    running.kill();

    assert_eq!(meanwhile, 1, "the snapshot of a backup that was at work is gone");
    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    assert_eq!(deletion["status"]["phase"], "Completed", "{}", deletion["status"]);
    assert_eq!((world.points().len(), world.contents(&uid).len()), (0, 0));
    world.down();
}

#[test]
fn a_deletion_waits_for_the_restore_that_reads_the_recovery_point() {
    let world = World::new("reading", "standard");
    let uid = world.backup("read", &[]);
    let (start, hold) = world.extension().hold_at("restore/open/after");
    let running = start.run();
    world.ended("backups", "read");
    world
        .cluster
        .cofferdam(&["restore", "create", "first", "--from-backup", "read", "--map", "reading:reading-copy"])
        .ok();
    hold.reached(LONG);

    world.cluster.cofferdam(&["backup", "delete", "read", "--yes"]).ok();
    wait_until("the deletion is tried", LONG, || {
        let log = running.log();
        if log.contains("reads the recovery point") { Ok(()) } else { Err(log) }
    });
    let meanwhile = world.contents(&uid).len();
    hold.release();
    let first = world.ended("restores", "first");
    let deletion = world.ended("deletebackups", &format!("delete-{uid}"));
    running.kill();

    assert_eq!(meanwhile, 1, "the snapshot that a restore reads is gone");
    assert_eq!(first["status"]["phase"], "Completed", "{}", first["status"]);
    let text = world.cluster.exec("reading-copy", "app", &["cat", "/data/text"]);
    assert_eq!(text.trim(), "precious");
    assert_eq!(deletion["status"]["phase"], "Completed", "{}", deletion["status"]);
    assert_eq!((world.points().len(), world.contents(&uid).len()), (0, 0));
    world.cluster.delete_namespace("reading-copy");
    world.down();
}

#[test]
fn the_second_extension_takes_over_when_the_leader_is_killed() {
    let world = World::new("led", "standard");
    let port = |offset: u16| 20_000 + (std::process::id() % 20_000) as u16 + offset;
    let start = |name: &str, port: u16| {
        Start::new(&world.cluster, name).argument("--listen").argument(&format!("127.0.0.1:{port}"))
    };
    let (first, second) = (port(0), port(1));
    let (with_hold, hold) = start("led-first", first).hold_at("backup/start-capture/after");
    let leader = with_hold.run();
    leads(&leader, first);
    let other = start("led-second", second).run();
    ready(&other, second);
    let uid = world.backup("handed-over", &[]);
    hold.reached(LONG);

    let before = (get(first, "/metrics"), get(second, "/metrics"));
    leader.kill();
    let backup = world.ended("backups", "handed-over");
    let after = get(second, "/metrics");
    let alive = get(second, "/healthz");
    other.kill();

    assert!(before.0.contains("cofferdam_leader 1") && before.1.contains("cofferdam_leader 0"), "{before:?}");
    assert!(after.contains("cofferdam_leader 1"), "{after}");
    assert!(after.contains(r#"cofferdam_operations_total{kind="Backup",phase="Completed"} 1"#), "{after}");
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    assert_eq!(backup["status"]["attempt"], 2, "{}", backup["status"]);
    nothing(&left_behind(&world, &backup));
    nothing(&incomplete(&world, &uid));
    world.down();
}

fn ready(extension: &Extension, port: u16) {
    wait_until("an extension that is ready", LONG, || {
        let answer = get(port, "/readyz");
        if answer.starts_with("HTTP/1.1 200") {
            Ok(())
        } else {
            Err(format!("{answer}\n{}", extension.log()))
        }
    });
}

fn leads(extension: &Extension, port: u16) {
    wait_until("an extension that leads", LONG, || {
        let answer = get(port, "/metrics");
        if answer.contains("cofferdam_leader 1") { Ok(()) } else { Err(extension.log()) }
    });
}

/// What an address of this machine answers, head and body; nothing when nobody listens.
fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let mut answer = String::new();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    match stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)) {
        Ok(_) => answer,
        Err(error) => error.to_string(),
    }
}
