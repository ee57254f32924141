//! `cofferdam preflight --active` and `--deep` on a cluster with a node: what a pod reaches, what comes back out of a
//! snapshot, and that nothing of it stays.

use scenarios::{
    Cluster, Dropped, IMAGE, Installation, Preflight, Ran, binary, run, volumes::Faults, wait_until,
};
use serde_json::{Value, json};
use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

const PROBES: &str = "cofferdam-preflight";
const LABEL: &str = "clusterbackup.dataprotection.microsoft.com/probe=preflight";
const SOON: Duration = Duration::from_secs(60);

/// A run that goes on while other things happen.
fn started(cluster: &Cluster, arguments: &[&str]) -> Child {
    let mut command = Command::new(binary("cofferdam"));
    command.arg("preflight").args(arguments).env("KUBECONFIG", &cluster.kubeconfig);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a preflight")
}

/// What it said in the end.
fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().expect("it ended");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A run of `--deep` that was killed when this was there.
fn killed(cluster: &Cluster, at: &str) -> Vec<String> {
    let mut run = started(cluster, &["--deep", "--yes", "--image", IMAGE]);
    wait_until(at, SOON, || match left(cluster) {
        left if left.iter().any(|one| one.starts_with(at)) => Ok(()),
        left => Err(format!("{left:?}")),
    });
    run.kill().expect("it runs");
    run.wait().expect("it ended");
    left(cluster)
}

/// Everything in the cluster that probes have made and that is still there.
fn left(cluster: &Cluster) -> Vec<String> {
    let items = |what: &[&str]| {
        let list = cluster.get(what).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    };
    let mut left: Vec<String> = Vec::new();
    left.extend(cluster.get(&["namespace", PROBES]).map(|_| format!("namespace {PROBES}")));
    for kind in ["leases", "jobs", "pods", "secrets", "persistentvolumeclaims", "volumesnapshots"] {
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
    shut.expect_code("P16", None);
    assert!(!shut.evidence("P16").contains("API server"), "{:#}", shut.check("P16"));
    assert_eq!(shut.failed(), ["P16"], "{shut:?}");
    assert_eq!(shut.check("P16")["details"]["address"], "10.213.0.1:9000");
    assert!(shut.fix("P16").contains("Allow TCP to 10.213.0.1:9000"), "{}", shut.fix("P16"));
    assert_eq!(shut.code, 5);
    open.expect("P16", "Passed", "object store 10.213.0.1:9000");
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn under_the_rules_of_aks_a_pod_tries_the_host_rules_too_and_names_those_that_are_out_of_reach() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "hosts");
    let arguments = installation.store.arguments();
    let mut active: Vec<&str> = vec!["--active", "--yes", "--image", IMAGE, "--profile", "aks"];
    active.extend(arguments.iter().map(String::as_str));

    // Nothing of Azure is reached from the pods of a testbed.
    let found = Preflight::run(&cluster, &active);

    found.expect("P16", "Failed Block", "host rule mcr.microsoft.com:443: ");
    assert!(!found.evidence("P16").contains("object store"), "{:#}", found.check("P16"));
    let named = found.check("P16")["details"].to_string();
    for host in ["data.mcr.microsoft.com:443", "ocsp.digicert.com:80", "docker.io:443"] {
        assert!(named.contains(host), "{host} is not in {named}");
    }
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn an_image_that_cannot_be_pulled_is_the_one_thing_that_is_named() {
    let cluster = Cluster::one();
    let bad = "nowhere.invalid/cofferdam:1";

    let found = Preflight::run(&cluster, &["--active", "--deep", "--yes", "--image", bad]);

    found.expect("P15", "Failed Block", bad);
    found.expect_code("P15", None);
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
fn before_an_installation_a_proxys_password_stands_in_a_secret_that_goes_with_its_job() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "password");
    let one = |kind: &str| {
        let list = cluster.get(&[kind, "-n", PROBES, "-l", LABEL]).unwrap_or_default();
        list["items"].as_array().and_then(|items| items.first().cloned())
    };
    let mut command = Command::new(binary("cofferdam"));
    command.args(["preflight", "--active", "--yes", "--image", IMAGE]).env("KUBECONFIG", &cluster.kubeconfig);
    command.args(["--set", "proxy.https=http://anna:s3cret@10.213.0.1:9"]);

    let mut active = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a preflight");
    let (job, secret) = wait_until("a Job has its Secret", SOON, || match (one("jobs"), one("secrets")) {
        (Some(job), Some(secret)) if secret["metadata"]["ownerReferences"].is_array() => Ok((job, secret)),
        other => Err(format!("{other:?}")),
    });
    let ran = wait_until("its pod has ended", SOON, || match one("pods") {
        Some(pod) if pod["status"]["containerStatuses"][0]["state"]["terminated"].is_object() => Ok(pod),
        other => Err(format!("{other:?}")),
    });
    active.wait().expect("it ended");

    assert!(!job.to_string().contains("s3cret"), "{job:#}");
    assert!(!ran.to_string().contains("anna:s3cret"), "{ran:#}");
    assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], job["metadata"]["uid"], "{secret:#}");
    assert!(secret["data"]["HTTPS_PROXY"].is_string(), "{secret:#}");
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn a_run_that_is_interrupted_removes_what_it_made() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "interrupted");
    let deep = started(&cluster, &["--deep", "--yes", "--image", IMAGE]);
    wait_until("a claim is made", SOON, || match left(&cluster) {
        left if left.iter().any(|one| one.starts_with("persistentvolumeclaims ")) => Ok(()),
        left => Err(format!("{left:?}")),
    });

    let mut interrupt = Command::new("kill");
    interrupt.args(["-INT", &deep.id().to_string()]);
    run(interrupt, "").ok();
    let ended = ended(deep);

    assert_eq!(ended.code, 4, "stopped on request: {}", ended.stderr);
    assert_eq!(left(&cluster), [""; 0]);
}

#[test]
fn a_driver_that_cuts_no_snapshots_is_named_with_its_own_words_and_a_killed_run_is_swept_by_the_next() {
    let cluster = Cluster::one();
    Installation::prepared(&cluster, "killed");
    let deep = ["--deep", "--yes", "--image", IMAGE];
    let faults = Faults::plan(&cluster, json!({"snapshot": {"fail": "out of luck"}}));

    let behind = killed(&cluster, "volumesnapshots ");
    let failing = cluster.cofferdam(&[&["preflight", "-o", "json"], &deep[..]].concat());
    drop(faults);

    assert!(behind.contains(&format!("namespace {PROBES}")), "{behind:?}");
    assert!(behind.iter().any(|one| one.starts_with("leases ")), "{behind:?}");
    for kind in ["volumesnapshot", "persistentvolumeclaim"] {
        let swept = format!("{kind}/{PROBES}/");
        assert!(failing.stderr.contains(&swept), "it says what it swept: {}", failing.stderr);
    }
    let failing = Preflight::of(&failing);
    failing.expect("C3", "Failed Block", "csi.cofferdam.test with StorageClass standard");
    failing.expect_code("C3", None);
    failing.expect("C3", "Failed Block", "snapshot: ");
    failing.expect("C3", "Failed Block", "out of luck");
    assert_eq!(left(&cluster), [""; 0], "left behind after a failure");
}

#[test]
fn two_runs_at_once_both_end_well_after_they_have_swept_what_a_killed_one_left() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "at-once");
    let arguments = installation.store.arguments();
    let mut both: Vec<&str> = vec!["-o", "json", "--active", "--deep", "--yes", "--image", IMAGE];
    both.extend(arguments.iter().map(String::as_str));
    let of_killed = killed(&cluster, "persistentvolumeclaims ");
    let leases = || {
        let found = cluster.kubectl(&["get", "leases", "-n", PROBES, "-l", LABEL, "-o", "name"]);
        found.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let old = leases();

    let runs = [started(&cluster, &both), started(&cluster, &both)];
    // The third Lease is that of the killed one.
    wait_until("both runs live", SOON, || match leases() {
        found if found.len() == 3 => Ok(()),
        found => Err(format!("{found:?}")),
    });
    let at_work = wait_until("the killed one's is gone", SOON, || match leases() {
        found if found.iter().any(|one| old.contains(one)) => Err(format!("{found:?}")),
        found => Ok(found),
    });
    let runs = runs.map(ended);

    assert_eq!((old.len(), at_work.len()), (1, 2), "{old:?} {at_work:?}");
    let swept = |ran: &Ran| ran.stderr.contains(&format!("persistentvolumeclaim/{PROBES}/"));
    assert!(runs.iter().any(swept), "{of_killed:?} {runs:?}");
    for ran in &runs {
        let found = Preflight::of(ran);
        found.expect("P16", "Passed", "object store 10.213.0.1:9000");
        found.expect("C3", "Passed", "csi.cofferdam.test: write ");
        assert_eq!(found.failed(), [""; 0], "{found:?}");
    }
    assert_eq!(left(&cluster), [""; 0], "the last one leaves nothing behind");
}

/// The rules of the table in the documents.
fn documented_rights() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/prerequisites.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let section = text.split("### Rights of probes").nth(1).expect("the section");
    let rows = section.lines().skip(1).take_while(|line| !line.starts_with('#'));
    rows.filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let names = |cell: &str| -> Vec<String> {
                cell.split(", ").map(|name| name.trim_matches('`').replace("core", "")).collect()
            };
            json!({"apiGroups": names(cells[0]), "resources": names(cells[1]), "verbs": names(cells[2])})
        })
        .collect()
}

#[test]
fn the_documented_rights_are_enough_for_probes_and_without_that_to_leases_they_say_so() {
    let cluster = Cluster::one();
    Installation::fresh(&cluster, "probe-rights");
    let rules = documented_rights();
    let visitor = Visitor::come(&cluster);
    let probes = ["--kubeconfig", &visitor.kubeconfig, "--active", "--deep", "--yes"];

    visitor.may(&rules);
    let enough = Preflight::run(&cluster, &probes);
    let fewer: Vec<Value> =
        rules.iter().filter(|rule| rule["resources"] != json!(["leases"])).cloned().collect();
    visitor.may(&fewer);
    let refused = Preflight::run(&cluster, &probes);

    enough.expect("P16", "Passed", "object store 10.213.0.1:9000");
    enough.expect("C3", "Passed", "csi.cofferdam.test: write ");
    assert_eq!(fewer.len() + 1, rules.len());
    for id in ["P16", "C3"] {
        refused.expect(id, "NotObservable", "leases.coordination.k8s.io is forbidden");
    }
    assert_eq!(left(&cluster), [""; 0]);
}

/// Somebody with rights of their own, for as long as a test.
struct Visitor<'a> {
    cluster: &'a Cluster,
    kubeconfig: String,
    _directory: tempfile::TempDir,
}

impl<'a> Visitor<'a> {
    fn come(cluster: &'a Cluster) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = directory.path().join("kubeconfig").display().to_string();
        std::fs::copy(&cluster.kubeconfig, &kubeconfig).expect("a copy");
        cluster.kubectl(&["create", "serviceaccount", "-n", "default", "pf-prober"]);
        let binding = ["--clusterrole=pf-prober", "--serviceaccount=default:pf-prober"];
        cluster.kubectl(&[&["create", "clusterrolebinding", "pf-prober"], &binding[..]].concat());
        let token = cluster.kubectl(&["create", "token", "-n", "default", "pf-prober"]);
        for words in [
            ["set-credentials", "pf-prober", "--token", token.trim()],
            ["set-context", "--current", "--user", "pf-prober"],
        ] {
            cluster.kubectl(&[&["--kubeconfig", &kubeconfig, "config"], &words[..]].concat());
        }
        Self { cluster, kubeconfig, _directory: directory }
    }

    fn may(&self, rules: &[Value]) {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "pf-prober"}, "rules": rules});
        self.cluster.apply(&role.to_string());
    }
}

impl Drop for Visitor<'_> {
    fn drop(&mut self) {
        for kind in ["clusterrolebinding", "clusterrole"] {
            self.cluster.try_kubectl(&["delete", kind, "pf-prober"], "");
        }
        self.cluster.try_kubectl(&["delete", "serviceaccount", "-n", "default", "pf-prober"], "");
    }
}
