//! `cofferdam preflight --active` and `--deep` on a cluster with a node: what a pod reaches, what comes back out of a
//! snapshot, and that nothing of it stays.

use scenarios::{Cluster, Dropped, IMAGE, Installation, Preflight, binary, run, volumes::Faults, wait_until};
use serde_json::{Value, json};
use std::{
    process::{Command, Stdio},
    time::Duration,
};

const PROBES: &str = "cofferdam-preflight";
const LABEL: &str = "clusterbackup.dataprotection.microsoft.com/probe=preflight";
const SOON: Duration = Duration::from_secs(60);

/// Everything in the cluster that probes have made and that is still there.
fn left(cluster: &Cluster) -> Vec<String> {
    let items = |what: &[&str]| {
        let list = cluster.get(what).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    };
    let mut left: Vec<String> = Vec::new();
    left.extend(cluster.get(&["namespace", PROBES]).map(|_| format!("namespace {PROBES}")));
    for kind in ["jobs", "pods", "persistentvolumeclaims", "volumesnapshots"] {
        left.extend(
            items(&[kind, "-A", "-l", LABEL]).iter().map(|one| format!("{kind} {}", one["metadata"]["name"])),
        );
    }
    let of_probes = |one: &Value, path: &str| one.pointer(path).is_some_and(|namespace| namespace == PROBES);
    for (kind, path) in [
        ("persistentvolumes", "/spec/claimRef/namespace"),
        ("volumesnapshotcontents", "/spec/volumeSnapshotRef/namespace"),
    ] {
        let all = items(&[kind]);
        left.extend(
            all.iter()
                .filter(|one| of_probes(one, path))
                .map(|one| format!("{kind} {}", one["metadata"]["name"])),
        );
    }
    left
}

#[test]
fn on_a_healthy_cluster_a_pod_reaches_everything_a_volume_comes_back_and_nothing_stays() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "active");
    let arguments = installation.store.arguments();
    let mut before: Vec<&str> = vec!["--active", "--yes", "--image", IMAGE];
    before.extend(arguments.iter().map(String::as_str));

    let before = Preflight::run(&cluster, &before);
    let left_before = left(&cluster);
    installation.install(&[]).ok();
    let after = Preflight::run(&cluster, &["--active", "--deep", "--yes"]);

    for (found, when) in [(&before, "before"), (&after, "after")] {
        println!("{when}: {}", found.evidence("P16"));
        found.expect("P16", "Passed", "object store 10.213.0.1:9000");
        found.expect("P16", "Passed", "API server kubernetes.default.svc:443");
        assert_eq!(found.failed(), [""; 0], "a false alarm {when} the installation: {found:?}");
    }
    println!("{}", after.evidence("C3"));
    after.expect("C3", "Passed", "csi.cofferdam.test: write ");
    let times = &after.check("C3")["details"]["numbers"];
    for step in ["write", "snapshot", "restore", "remove"] {
        assert!(times[step].as_u64().is_some_and(|took| took > 0), "{step}: {times}");
    }
    assert_eq!(before.result("C3"), "NotApplicable", "it was not asked for");
    assert_eq!(left_before, [""; 0], "left behind before the installation");
    assert_eq!(left(&cluster), [""; 0], "left behind after it");
}

#[test]
fn egress_that_is_dropped_to_one_endpoint_is_named_with_it_alone_until_it_is_let_through() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "dropped");
    let arguments = installation.store.arguments();
    let mut active: Vec<&str> = vec!["--active", "--yes", "--image", IMAGE];
    active.extend(arguments.iter().map(String::as_str));

    let dropped = Dropped::to(&cluster, "10.213.0.1", "9000");
    let shut = Preflight::run(&cluster, &active);
    drop(dropped);
    let open = Preflight::run(&cluster, &active);

    shut.expect("P16", "Failed Block", "object store 10.213.0.1:9000: TCP timed out");
    assert!(!shut.evidence("P16").contains("API server"), "{:#}", shut.check("P16"));
    assert_eq!(shut.failed(), ["P16"], "{shut:?}");
    assert_eq!(shut.check("P16")["details"]["address"], "10.213.0.1:9000");
    assert!(shut.fix("P16").contains("Allow TCP to 10.213.0.1:9000"), "{}", shut.fix("P16"));
    assert_eq!(shut.code, 5);
    open.expect("P16", "Passed", "object store 10.213.0.1:9000");
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_the_one_thing_that_is_named() {
    let cluster = Cluster::one();
    let bad = "nowhere.invalid/cofferdam:1";

    let found = Preflight::run(&cluster, &["--active", "--deep", "--yes", "--image", bad]);

    found.expect("P15", "Failed Block", bad);
    for id in ["P16", "C3"] {
        assert_eq!(found.result(id), "Skipped", "{:#}", found.check(id));
        assert!(found.evidence(id).contains("P15"), "{:#}", found.check(id));
    }
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn a_namespace_of_that_name_that_is_somebody_elses_is_not_touched() {
    let cluster = Cluster::one();
    cluster.kubectl(&["create", "namespace", PROBES]);
    cluster.kubectl(&["create", "configmap", "-n", PROBES, "theirs"]);

    let found = Preflight::run(&cluster, &["--active", "--deep", "--yes", "--image", IMAGE]);
    let kept = cluster.get(&["configmap", "-n", PROBES, "theirs"]);
    cluster.delete_namespace(PROBES);

    for id in ["P16", "C3"] {
        found.expect(id, "NotObservable", "is not one of probes");
    }
    assert!(kept.is_some(), "it was somebody else's");
}

#[test]
fn a_run_that_is_interrupted_removes_what_it_made() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "interrupted");
    let mut command = Command::new(binary("cofferdam"));
    command.args(["preflight", "--deep", "--yes", "--image", IMAGE]).env("KUBECONFIG", &cluster.kubeconfig);
    let mut deep = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a preflight");
    wait_until("a claim is made", SOON, || match left(&cluster) {
        left if left.iter().any(|one| one.starts_with("persistentvolumeclaims ")) => Ok(()),
        left => Err(format!("{left:?}")),
    });

    let mut interrupt = Command::new("kill");
    interrupt.args(["-INT", &deep.id().to_string()]);
    run(interrupt, "").ok();
    let ended = deep.wait().expect("it ended");

    assert_eq!(ended.code(), Some(4), "stopped on request");
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn a_driver_that_cuts_no_snapshots_is_named_with_its_own_words_and_a_killed_run_is_swept_by_the_next() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "killed");
    let deep = ["--deep", "--yes", "--image", IMAGE];
    let faults = Faults::plan(&cluster, json!({"snapshot": {"fail": "out of luck"}}));

    let mut command = Command::new(binary("cofferdam"));
    command.arg("preflight").args(deep).env("KUBECONFIG", &cluster.kubeconfig);
    let mut killed = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a preflight");
    wait_until("a snapshot is asked for", SOON, || match left(&cluster) {
        left if left.iter().any(|one| one.starts_with("volumesnapshots ")) => Ok(()),
        left => Err(format!("{left:?}")),
    });
    killed.kill().expect("it runs");
    killed.wait().expect("it ended");
    let behind = left(&cluster);
    let failing = cluster.cofferdam(&[&["preflight", "-o", "json"], &deep[..]].concat());
    drop(faults);

    assert!(behind.contains(&format!("namespace {PROBES}")), "{behind:?}");
    assert!(
        failing.stderr.contains(&format!("namespace/{PROBES}")),
        "it says what it swept: {}",
        failing.stderr
    );
    let failing = Preflight::of(&failing);
    failing.expect("C3", "Failed Block", "csi.cofferdam.test with StorageClass standard");
    failing.expect("C3", "Failed Block", "snapshot: ");
    failing.expect("C3", "Failed Block", "out of luck");
    assert_eq!(left(&cluster), [""; 0], "left behind after a failure");
}
