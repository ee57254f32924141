//! Preflight where there is no room: a quota, taints, a node whose processors are all asked for, a claim without its volume.
//! Each is named by its check and only by it, and all is well after what the check says was done.

use scenarios::{Cluster, IMAGE, Installation, NAMESPACE, Preflight, volumes, wait_until};
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// Looks until a check ends so: the cluster's own controllers take a moment.
fn until(cluster: &Cluster, arguments: &[&str], id: &str, result: &str) -> Preflight {
    wait_until(&format!("{id} is {result}"), SOON, || {
        let found = Preflight::run(cluster, arguments);
        if found.result(id) == result { Ok(found) } else { Err(format!("{:#}", found.check(id))) }
    })
}

/// What hangs on a check is not judged before that one is mended.
fn behind(found: &Preflight, id: &str, because: &str) {
    found.expect(id, "Skipped", because);
}

#[test]
fn a_quota_without_room_for_the_pod_is_named_until_it_is_raised() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "quota");
    let before = ["--image", IMAGE];
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    let quota = |pods: u32| {
        cluster.apply(
            &json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": pods.to_string()}},
                "metadata": {"name": "tight", "namespace": NAMESPACE}})
            .to_string(),
        );
    };

    quota(0);
    let refused = wait_until("the quota counts", SOON, || {
        let found = Preflight::run(&cluster, &before);
        if found.evidence("P20").contains("exceeded quota") { Ok(found) } else { Err(format!("{found:?}")) }
    });
    quota(1);
    let raised = until(&cluster, &before, "P20", "Passed");
    installation.install(&[]).ok();
    let full = until(&cluster, &[], "P20", "Failed Warn");
    quota(3);
    let wide = until(&cluster, &[], "P20", "Passed");
    cluster.delete_namespace(NAMESPACE);

    refused.expect("P20", "Failed Block", &format!("the ResourceQuota {NAMESPACE}/tight leaves no room"));
    refused.expect_code("P20", None);
    assert_eq!((refused.failed(), refused.code), (vec!["P20"], 5), "{refused:?}");
    assert_eq!(refused.fix("P20"), format!("kubectl edit resourcequota tight -n {NAMESPACE}"));
    behind(&refused, "P1", "P20");
    assert_eq!(raised.failed(), [""; 0], "{raised:?}");
    // What runs is well; an upgrade would need one pod more.
    full.expect("P20", "Failed Warn", "another pod beside it");
    full.expect_code("P20", None);
    full.expect("P1", "Passed", "1 of 1 pods");
    assert_eq!(full.failed(), ["P20"], "{full:?}");
    assert_eq!(wide.failed(), [""; 0], "{wide:?}");
}

#[test]
fn a_limit_range_that_refuses_the_pod_is_named_until_the_pod_asks_for_what_it_allows() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "limits");
    let before = ["--image", IMAGE];
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    until(&cluster, &before, "P20", "Passed");
    cluster.apply(
        &json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small", "namespace": NAMESPACE},
            "spec": {"limits": [{"type": "Container", "max": {"cpu": "600m"}}]}})
        .to_string(),
    );

    let refused = until(&cluster, &before, "P20", "Failed Block");
    let (raise, install) = refused.fix("P20").split_once("; or: ").expect("two ways");
    let less: Vec<&str> = install.split(' ').skip(2).chain(before).collect();
    let smaller = Preflight::run(&cluster, &less);
    cluster.kubectl(&["delete", "limitrange", "-n", NAMESPACE, "small"]);
    let after = until(&cluster, &before, "P20", "Passed");
    cluster.delete_namespace(NAMESPACE);

    refused.expect("P20", "Failed Block", "maximum cpu usage per Container is 600m, but limit is ");
    assert_eq!((refused.failed(), refused.code), (vec!["P20"], 5), "{refused:?}");
    let named = json!([format!("a LimitRange of namespace {NAMESPACE}")]);
    assert_eq!(refused.check("P20")["details"]["objects"], named);
    assert_eq!(raise, format!("kubectl edit limitrange -n {NAMESPACE}"));
    assert_eq!(install, "cofferdam install --set resources.limits.cpu=600m");
    behind(&refused, "P1", "P20");
    smaller.expect("P20", "Passed", "a dry run of the pod was admitted");
    assert_eq!(smaller.failed(), [""; 0], "{smaller:?}");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

/// A taint on every node of a cluster, until this is dropped.
struct Tainted<'a>(&'a Cluster);

impl<'a> Tainted<'a> {
    fn all(cluster: &'a Cluster) -> Self {
        let tainted = Self(cluster);
        cluster.kubectl(&["taint", "nodes", "--all", "--overwrite", "pf-reserved=yes:NoSchedule"]);
        tainted
    }
}

impl Drop for Tainted<'_> {
    fn drop(&mut self) {
        // It may be gone already.
        self.0.try_kubectl(&["taint", "nodes", "--all", "pf-reserved-"], "");
    }
}

#[test]
fn taints_on_every_node_are_named_and_no_probe_waits_behind_them() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "taints");
    let tainted = Tainted::all(&cluster);

    let kept_away = Preflight::run(&cluster, &["--active", "--deep", "--yes", "--image", IMAGE]);
    let probes = cluster.get(&["namespace", "cofferdam-preflight"]);
    let evidence = kept_away.check("P29")["details"]["objects"][0].as_str().unwrap_or_default().to_owned();
    let (node, taint) = evidence.split_once(" (").expect("a node and its taint");
    let line = kept_away.fix("P29").split("; or: ").next().unwrap_or_default();
    let line = line.replace("NODE", node).replace("TAINT", taint.trim_end_matches(')'));
    let words: Vec<&str> = line.split(' ').collect();
    cluster.kubectl(&words[1..]);
    let after = Preflight::run(&cluster, &["--image", IMAGE]);
    drop(tainted);

    kept_away.expect("P29", "Failed Block", "pf-reserved:NoSchedule");
    kept_away.expect_code("P29", None);
    assert_eq!((kept_away.failed(), kept_away.code), (vec!["P29"], 5), "{kept_away:?}");
    for id in ["P1", "P16", "C3"] {
        behind(&kept_away, id, "P29");
    }
    assert_eq!(probes, None, "something was made that could find no node");
    after.expect("P29", "Passed", "1 of 1 Linux nodes");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

/// Nodes that take no pods, until this is dropped.
struct Closed<'a>(&'a Cluster, Vec<String>);

impl<'a> Closed<'a> {
    fn all(cluster: &'a Cluster) -> Self {
        let names = cluster.kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"]);
        let closed = Self(cluster, names.split_whitespace().map(str::to_owned).collect());
        closed.all_of_them("cordon");
        closed
    }

    fn all_of_them(&self, verb: &str) {
        for name in &self.1 {
            self.0.try_kubectl(&[verb, name], "");
        }
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.all_of_them("uncordon");
    }
}

#[test]
fn where_no_node_takes_pods_that_is_the_cause_and_no_probe_waits_for_one() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "cordoned");
    let closed = Closed::all(&cluster);

    let shut = Preflight::run(&cluster, &["--active", "--deep", "--yes", "--image", IMAGE]);
    let probes = cluster.get(&["namespace", "cofferdam-preflight"]);
    // As the last of its fixes says.
    let fix = shut.fix("P28").contains("kubectl uncordon NODE");
    drop(closed);
    let after = Preflight::run(&cluster, &["--image", IMAGE]);

    shut.expect("P28", "Failed Block", "no node is ready and takes pods: ");
    shut.expect_code("P28", None);
    assert_eq!((shut.failed(), shut.code), (vec!["P28"], 5), "{shut:?}");
    for id in ["P1", "P29"] {
        behind(&shut, id, "P28");
    }
    // Skipped behind P29, which is skipped itself.
    behind(&shut, "P16", "P29");
    assert_eq!(probes, None, "something was made that could find no node");
    assert!(fix, "{}", shut.fix("P28"));
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

#[test]
fn a_node_whose_processors_are_all_asked_for_is_full_until_the_pod_asks_for_less() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "full");
    let before = ["--image", IMAGE];
    cluster.delete_namespace("pf-full");
    let free = Preflight::run(&cluster, &before).check("P28")["details"]["numbers"]["freeMilliCpu"].as_u64();
    let asks = free.expect("what is free").saturating_sub(200);
    volumes::world(
        &cluster,
        "pf-full",
        vec![json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "large", "namespace": "pf-full"},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                "name": "app", "image": "cofferdam.test/pause:1", "imagePullPolicy": "IfNotPresent",
                "resources": {"requests": {"cpu": format!("{asks}m")}},
            }]},
        })],
    );

    let full = until(&cluster, &before, "P28", "Failed Block");
    let fix =
        full.fix("P28").split("; or: ").find(|one| one.starts_with("cofferdam install ")).unwrap_or_default();
    let less: Vec<&str> = fix.split(' ').skip(2).chain(before).collect();
    let smaller = Preflight::run(&cluster, &less);
    cluster.delete_namespace("pf-full");
    let after = until(&cluster, &before, "P28", "Passed");

    full.expect(
        "P28",
        "Failed Block",
        "the pod asks for 500 m CPU and 256 MiB; the most that a node has free is 200 m CPU",
    );
    full.expect_code("P28", None);
    assert_eq!((full.failed(), full.code), (vec!["P28"], 5), "{full:?}");
    for id in ["P1", "P29"] {
        behind(&full, id, "P28");
    }
    smaller.expect("P28", "Passed", "have 100 m CPU");
    assert_eq!(smaller.failed(), [""; 0], "{smaller:?}");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

#[test]
fn a_claim_that_has_lost_its_volume_is_named_as_lost_until_it_is_gone() {
    let cluster = Cluster::one();
    let fixed = volumes::fixed("pf-lost", "data", "", json!({"hostPath": {"path": "/tmp"}}));
    volumes::world(&cluster, "pf-lost", fixed.to_vec());
    volumes::bound(&cluster, "pf-lost", &["data"]);
    let unprotected = Preflight::run(&cluster, &[]);

    cluster.kubectl(&["delete", "pv", "pf-lost-data", "--wait=false"]);
    let free = r#"{"metadata":{"finalizers":null}}"#;
    cluster.try_kubectl(&["patch", "pv", "pf-lost-data", "--type=merge", "-p", free], "");
    let lost = until(&cluster, &[], "P34", "Failed Warn");
    cluster.kubectl(&["delete", "pvc", "-n", "pf-lost", "data", "--timeout=60s"]);
    let after = Preflight::run(&cluster, &[]);
    cluster.delete_namespace("pf-lost");

    assert_eq!(unprotected.failed(), ["P13"], "while it had its volume: {unprotected:?}");
    lost.expect("P34", "Failed Warn", "pf-lost/data (Lost)");
    lost.expect_code("P34", "UserErrorPVCHasNoVolume");
    assert_eq!((lost.failed(), lost.code), (vec!["P34"], 3), "{lost:?}");
    assert!(lost.fix("P34").contains("delete it, and restore it"), "{}", lost.fix("P34"));
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}
