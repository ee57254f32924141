//! Volumes on real clusters: blocks, groups, restore modes, missing classes, foreign pools.

use scenarios::volumes::{back_up, bound, claim, pod, restore, world};
use scenarios::{Cluster, Installation, NAMESPACE, load_workload, run};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn blocks_come_back_and_the_restore_mode_and_the_target_s_classes_decide_about_data() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "blocks");
    let passing = r#"{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"passing"},"provisioner":"csi.cofferdam.test"}"#;
    cluster.apply(passing);
    world(
        &cluster,
        "raw",
        vec![
            claim("raw", "raw", "standard", json!({"spec": {"volumeMode": "Block"}})),
            claim("raw", "classless", "passing", json!({})),
            pod("raw", "app", "raw", true),
        ],
    );
    cluster.wait_ready("raw", "app=app", SOON);
    bound(&cluster, "raw", &["classless"]);
    let sum = |namespace: &str| cluster.exec(namespace, "app", &["sh", "-c", "sha256sum < /dev/raw"]);
    cluster.exec(
        "raw",
        "app",
        &["sh", "-c", "head -c 300000 /dev/urandom | dd of=/dev/raw bs=512 seek=7 conv=notrunc; sync"],
    );
    let before = sum("raw");
    let backup = back_up(&installed, "raw", "raw", &[]);
    cluster.kubectl(&["delete", "storageclass", "passing"]);
    for namespace in ["raw-data", "raw-empty"] {
        cluster.delete_namespace(namespace);
    }

    let with = restore(
        &installed,
        "with",
        "raw",
        &["--map", "raw:raw-data", "--exclude-resources", "storageclasses.storage.k8s.io"],
    );
    let without = restore(&installed, "without", "raw", &["--map", "raw:raw-empty", "--without-volume-data"]);

    assert_eq!(backup["status"]["phase"], "Completed", "{}", backup["status"]);
    cluster.wait_ready("raw-data", "app=app", SOON);
    assert_eq!(sum("raw-data"), before);
    assert_eq!(with["status"]["phase"], "CompletedWithWarnings", "{}", with["status"]);
    let refused = cluster.cofferdam(&["restore", "show", "with", "--all"]).ok();
    assert!(
        refused.contains("UserErrorStorageClassMissing") || refused.contains("no storage class passing"),
        "{refused}"
    );
    assert_eq!(
        cluster.get(&["pvc", "-n", "raw-data", "classless"]),
        None,
        "no empty claim passes for restored"
    );
    let empty = cluster.get(&["pvc", "-n", "raw-empty", "raw"]).expect("the claim without data");
    assert_eq!(empty["spec"]["dataSource"], Value::Null, "{}", without["status"]);
    cluster.wait_ready("raw-empty", "app=app", SOON);
    assert_ne!(sum("raw-empty"), before);
    let left = cluster.kubectl(&["get", "volumesnapshots", "-A", "-o", "name"]);
    assert_eq!(left.trim(), "", "temporary snapshots are gone");
    for namespace in ["raw", "raw-data", "raw-empty"] {
        cluster.delete_namespace(namespace);
    }
}

#[test]
fn claims_that_share_a_label_are_cut_at_one_instant_and_restored_together() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "groups");
    let grouped = json!({"metadata": {"labels": {"group": "db"}}});
    world(
        &cluster,
        "groups",
        vec![
            claim("groups", "data", "standard", grouped.clone()),
            claim("groups", "log", "standard", grouped),
            claim("groups", "alone", "standard", json!({})),
        ],
    );
    bound(&cluster, "groups", &["data", "log", "alone"]);

    let ended = back_up(&installed, "groups", "groups", &["--volume-group-label", "group"]);
    let id = ended["status"]["recoveryPoint"]["id"].as_str().expect("an id").to_owned();
    let manifest = cluster.cofferdam(&["recovery-point", "browse", &id, "-o", "json"]).json();
    cluster.delete_namespace("groups");
    let restored = restore(&installed, "groups", "groups", &[]);

    assert_eq!(ended["status"]["phase"], "Completed", "{}", ended["status"]);
    let of = |name: &str, field: &str| {
        let volumes = manifest["manifest"]["volumes"].as_array().expect("volumes");
        volumes.iter().find(|one| one["claim"] == name).expect("the claim")["protection"][field].clone()
    };
    assert!(of("data", "group").is_string());
    assert_eq!((of("data", "group"), of("data", "cut")), (of("log", "group"), of("log", "cut")));
    assert_eq!(of("alone", "group"), Value::Null);
    let left = cluster.kubectl(&["get", "volumesnapshots,volumegroupsnapshots", "-A", "-o", "name"]);
    assert_eq!(left.trim(), "");
    assert_eq!(restored["status"]["phase"], "Completed", "{}", restored["status"]);
    bound(&cluster, "groups", &["data", "log", "alone"]);
    cluster.delete_namespace("groups");
}

#[test]
fn a_cluster_with_another_pool_is_told_before_the_restore_and_goes_without_a_trace() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "foreign");
    world(&cluster, "far", vec![claim("far", "data", "standard", json!({}))]);
    bound(&cluster, "far", &["data"]);
    let backup = back_up(&installed, "far", "far", &[]);
    let name = format!("{}-far", cluster.name);
    let testbed = |args: &[&str]| {
        let mut command = std::process::Command::new(scenarios::binary("testbed"));
        command.args(args);
        run(command, "").ok()
    };
    testbed(&["up", "--name", &name, "--foreign-pool"]);
    let other = Cluster::named(&name);
    load_workload(&other, "shell");
    let there = Installation::fresh(&other, "foreign");
    let password = cluster.get(&["secrets", "-n", NAMESPACE]).expect("Secrets");
    let encoded = password["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find_map(|one| one["data"]["repository-password"].as_str());
    let mut decode = std::process::Command::new("base64");
    decode.arg("-d");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), run(decode, encoded.expect("the password")).ok())
        .expect("the password's file");
    let mut add: Vec<String> = ["location", "add", "far", "--role", "source", "--repository-password-file"]
        .map(str::to_owned)
        .to_vec();
    add.push(file.path().display().to_string());
    add.extend(installed.store.arguments());
    other.cofferdam(&add.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    let id = backup["status"]["recoveryPoint"]["id"].as_str().expect("an id").to_owned();

    let plan = other.cofferdam(&["restore", "plan", "--point", &id, "--location", "far"]);
    let probes = other.kubectl(&["get", "volumesnapshotcontents", "-o", "name"]);
    world(
        &other,
        "devices",
        vec![
            claim("devices", "raw", "standard", json!({"spec": {"volumeMode": "Block"}})),
            pod("devices", "app", "raw", true),
        ],
    );
    other.wait_ready("devices", "app=app", SOON);
    testbed(&["down", "--name", &name]);

    let said = format!("{}{}", plan.stdout, plan.stderr);
    assert!(said.contains("SnapshotNotReachableFromThisCluster"), "{said}\n{}", there.store.bucket);
    assert_eq!(probes.trim(), "", "a plan leaves nothing behind");
    let mut losetup = std::process::Command::new("losetup");
    losetup.args(["--list", "--noheadings", "--raw", "--output", "BACK-FILE"]);
    let loops = run(losetup, "").ok();
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    let ours = format!("/{name}/");
    assert!(!loops.contains(&ours), "{loops}");
    assert!(!mounts.contains(&ours), "{mounts}");
    let groups = std::fs::read_dir("/sys/fs/cgroup").expect("control groups").flatten();
    let left: Vec<_> =
        groups.map(|one| one.path().join(format!("cofferdam-{name}"))).filter(|one| one.exists()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    cluster.delete_namespace("far");
}
