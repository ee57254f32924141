//! A real Velero beside us: it is built from source, runs in the cluster, backs up and restores there. Under the rules of AKS
//! it blocks; under ours it warns with what was counted; and it goes step by step, each step shown first.

use scenarios::{Cluster, Preflight, Store, velero, velero::Velero, wait_until};
use std::{collections::BTreeSet, time::Duration};

const SHOP: &str = "pf-shop";
const COPY: &str = "pf-shop-copy";
const SOON: Duration = Duration::from_secs(60);

/// Velero backs a namespace up, restores it into another, and shall back it up by a schedule from now on.
fn at_work(cluster: &Cluster, velero: &Velero) {
    cluster.kubectl(&["create", "namespace", SHOP]);
    cluster.kubectl(&["create", "service", "clusterip", "-n", SHOP, "shop", "--tcp=80"]);
    velero.run(&["backup", "create", "first", "--include-namespaces", SHOP, "--wait"]).ok();
    let mapping = format!("{SHOP}:{COPY}");
    velero
        .run(&[
            "restore",
            "create",
            "first",
            "--from-backup",
            "first",
            "--namespace-mappings",
            &mapping,
            "--wait",
        ])
        .ok();
    velero
        .run(&["schedule", "create", "rare", "--schedule", "@every 240h", "--include-namespaces", SHOP])
        .ok();
    assert_eq!(velero.phase("backups", "first"), "Completed");
    assert_eq!(velero.phase("restores", "first"), "Completed");
    let restore = cluster.get(&["restores.velero.io", "-n", velero::NAMESPACE, "first"]).unwrap_or_default();
    let held = restore["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
    assert_eq!(held, 1, "only as long as it runs somebody lets go of it: {restore:#}");
}

/// A command of `kubectl` that preflight printed, word by word.
fn follow(cluster: &Cluster, line: &str, more: &[&str]) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"kubectl"), "{line}");
    cluster.kubectl(&[&words[1..], more].concat())
}

fn definitions(cluster: &Cluster) -> usize {
    let all = cluster.get(&["crd", "-l", "component=velero"]).unwrap_or_default();
    all["items"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_velero_that_runs_blocks_on_aks_warns_with_what_was_counted_here_and_goes_step_by_step() {
    let cluster = Cluster::one();
    for namespace in [SHOP, COPY] {
        cluster.delete_namespace(namespace);
    }
    let store = Store::bucket(&format!("beside-velero-{}-{}", cluster.name, std::process::id()));
    let preflight = |store: &Store, more: &[&str]| {
        let arguments = store.arguments();
        let all: Vec<&str> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Preflight::run(&cluster, &all)
    };
    let aks = ["--profile", "aks"];
    let (none, none_aks) = (preflight(&store, &[]), preflight(&store, &aks));
    let velero = Velero::install(&cluster, "beside");
    at_work(&cluster, &velero);

    let (ours, theirs) = (preflight(&store, &[]), preflight(&store, &aks));
    let shared = preflight(&velero.store, &[]);
    let fixed = preflight(&store, &["--profile", "aks", "--fix", "--yes", "--only", "P17,P19"]);
    let steps: Vec<String> = theirs.commands("P17", "kubectl").into_iter().map(str::to_owned).collect();
    let (last, first) = steps.split_last().expect("steps");
    let rehearsed: Vec<String> =
        steps.iter().map(|step| follow(&cluster, step, &["--dry-run=server"])).collect();
    let still = (velero.phase("restores", "first"), definitions(&cluster));
    let running = cluster.get(&["deployment", "-n", velero::NAMESPACE, "velero"]).unwrap_or_default();
    for step in first {
        follow(&cluster, step, &["--timeout=120s"]);
    }
    let binding = cluster.get(&["clusterrolebinding", "velero"]);
    let planned = preflight(&store, &["--profile", "aks", "--fix", "--dry-run"]);
    let left = definitions(&cluster);
    let mended = preflight(&store, &["--profile", "aks", "--fix", "--yes"]);
    let gone = wait_until("its definitions go", SOON, || {
        let found = preflight(&store, &aks);
        if found.result("P17") == "Passed" { Ok(found) } else { Err(found.evidence("P17").to_owned()) }
    });
    let kept = velero.store.objects("backups/first/");
    for namespace in [SHOP, COPY] {
        cluster.delete_namespace(namespace);
    }

    ours.expect("P17", "Failed Warn", "velero/velero");
    ours.expect_code("P17", None);
    ours.expect(
        "P17",
        "Failed Warn",
        "1 storage locations of it, none of them ours; it runs, with 1 schedules at work",
    );
    let numbers = &ours.check("P17")["details"]["numbers"];
    assert_eq!((&numbers["schedules"], &numbers["storageLocations"]), (&1.into(), &1.into()));
    assert_eq!(ours.changed_since(&none), BTreeSet::from(["P17"]), "and nothing else");
    assert_eq!(ours.check("P19")["information"], true, "it marks what it restores: {:#}", ours.check("P19"));
    theirs.expect("P17", "Failed Block", "Velero is there: velero/velero");
    theirs.expect_code("P17", None);
    theirs.expect("P19", "Failed Warn", "services/pf-shop-copy/shop");
    theirs.expect_code("P19", None);
    assert_eq!(theirs.changed_since(&none_aks), BTreeSet::from(["P17", "P19"]), "and nothing else");
    assert_eq!(theirs.code, 5);
    shared.expect(
        "P17",
        "Failed Block",
        &format!("a Velero storage location uses {}/ too", velero.store.bucket),
    );
    shared.expect_code("P17", None);
    assert_eq!(fixed.document["fixes"], serde_json::json!([]), "what runs is its owner's: {fixed:?}");
    assert!(last.contains("crd"), "{steps:?}");
    assert!(rehearsed.iter().all(|said| said.contains("(server dry run)")), "{rehearsed:?}");
    for part in [
        "restore.velero.io \"first\"",
        "deployment.apps \"velero\"",
        "namespace \"velero\"",
        "backups.velero.io\"",
    ] {
        assert!(rehearsed.concat().contains(part), "{part}: {rehearsed:?}");
    }
    assert_eq!(still.0, "Completed", "a dry run deletes nothing");
    assert_eq!(running["status"]["readyReplicas"], 1, "{running:#}");
    assert_eq!(binding, None, "nobody keeps its rights over the whole cluster");
    assert_eq!(planned.document["fixes"][0]["state"], "planned", "{planned:?}");
    assert!(still.1 > 10 && left == still.1, "{still:?}, {left}");
    assert_eq!(mended.document["fixes"][0]["state"], "done", "{mended:?}");
    assert_eq!(gone.changed_since(&none_aks), BTreeSet::new(), "all is as before it came");
    assert!(!kept.is_empty(), "its backups stay in its store");
}
