//! Kills during restores: what is there afterwards is what a restore without a kill makes.

use super::{at_each, name_of, points};
use extension::restore::decide::Step;
use scenarios::{LONG, World};
use serde_json::Value;
use std::collections::BTreeSet;

/// Stages inside the step `execute`: some objects are there already, others not.
const IN_BETWEEN: [&str; 4] = ["configuration", "claims", "network", "workloads"];

#[test]
fn a_restore_ends_as_without_a_kill() {
    let world = World::new("kills-source", "standard");
    world.backup("source", &[]);
    let running = world.extension().run();
    let backup = world.ended("backups", "source");
    let point = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned();
    request(&world, "undisturbed", &point);
    let undisturbed = world.ended("restores", "undisturbed");
    running.kill();
    let wanted = made(&world, "undisturbed");
    assert!(wanted.contains("pods/app") && wanted.contains("persistentvolumeclaims/data"), "{wanted:?}");

    let mut all = points("restore", &Step::all_names(), &[]);
    all.extend(IN_BETWEEN.iter().map(|stage| format!("restore/stage-{stage}/before")));
    at_each(&all, |at| {
        let name = name_of(at);
        request(&world, &name, &point);
        world.extension().kill_at(at).run().killed(LONG).expect("it kills itself");

        let second = world.extension().run();
        let restore = world.ended("restores", &name);
        second.kill();

        assert_eq!(restore["status"]["phase"], undisturbed["status"]["phase"], "{}", restore["status"]);
        assert_eq!(made(&world, &name), wanted);
        assert_eq!(world.cluster.exec(&name, "app", &["cat", "/data/text"]).trim(), "precious");
        assert!(world.cluster.exec(&name, "app", &["ls", "/tmp"]).contains("restored"), "the hook has run");
        let temporary = temporary(&world, &restore);
        assert!(temporary.is_empty(), "left behind: {temporary:?}");
        world.cluster.kubectl(&["delete", "namespace", &name, "--wait=false"]);
    });

    world.cluster.kubectl(&["delete", "namespace", "undisturbed", "--wait=false"]);
    world.down();
}

fn request(world: &World, name: &str, point: &str) {
    let mapping = format!("{}:{name}", world.app);
    let hook = format!("{}/greet", world.app);
    world.cluster.delete_namespace(name);
    let all = ["restore", "create", name, "--point", point, "--map", &mapping, "--hook", &hook];
    world.cluster.cofferdam(&all).ok();
}

/// What a restore has made, as `resource/name`.
fn made(world: &World, namespace: &str) -> BTreeSet<String> {
    let kinds = "configmaps,secrets,serviceaccounts,services,pods,persistentvolumeclaims,\
                 backuphooks.clusterbackup.dataprotection.microsoft.com,\
                 restorehooks.clusterbackup.dataprotection.microsoft.com";
    let names = world.cluster.kubectl(&["get", kinds, "-n", namespace, "-o", "name"]);
    names
        .lines()
        .map(|line| {
            line.replace("pod/", "pods/").replace("persistentvolumeclaim/", "persistentvolumeclaims/")
        })
        .collect()
}

/// Snapshot objects that a restore uses on its way.
fn temporary(world: &World, restore: &Value) -> Vec<String> {
    let uid = restore["metadata"]["uid"].as_str().expect("a uid");
    let label = format!("clusterbackup.dataprotection.microsoft.com/restore={uid}");
    let found = world.objects(&["volumesnapshots,volumesnapshotcontents", "-A", "-l", &label]);
    found.iter().map(|object| object["metadata"]["name"].to_string()).collect()
}
