//! `cofferdam preflight` before an installation: each check fails for its reason and passes after its fix.

use scenarios::{
    Cluster, IMAGE, Installation, NAMESPACE, Preflight, Ran, Start, Store, azure, azure::Container, binary,
    owner_policy, run, snapshots, velero,
};
use serde_json::json;
use std::{collections::BTreeSet, process::Command, time::Duration};

const SOON: Duration = Duration::from_secs(60);

/// Whose a bucket is.
const MARKER: &str = "cofferdam-owner.json";

/// Runs a line that preflight printed, as the administrator of the cluster; `line` begins with `kubectl`.
fn follow(cluster: &Cluster, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words.first(), Some(&"kubectl"), "{line}");
    cluster.kubectl(&words[1..]);
}

/// A bucket that no other test uses.
fn bucket(cluster: &Cluster, purpose: &str) -> Store {
    Store::bucket(&format!("preflight-{purpose}-{}-{}", cluster.name, std::process::id()))
}

fn preflight_at(cluster: &Cluster, store: &Store, more: &[&str]) -> Preflight {
    let arguments = store.arguments();
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.extend(more);
    Preflight::run(cluster, &all)
}

#[test]
fn before_an_installation_nothing_blocks_a_fit_cluster() {
    let cluster = Cluster::one();
    let prepared = Installation::prepared(&cluster, "preflight-fit");

    // The kubelet lists a loaded image with its next report.
    let found = scenarios::wait_until("the node lists the image", SOON, || {
        let found = preflight_at(&cluster, &prepared.store, &["--image", IMAGE]);
        if found.result("P15") == "Passed" { Ok(found) } else { Err(found.evidence("P15").to_owned()) }
    });
    let arguments = prepared.store.arguments();
    let mut table = vec!["preflight", "--image", IMAGE];
    table.extend(arguments.iter().map(String::as_str));
    let table = cluster.cofferdam(&table);

    assert_eq!(
        found.document["ready"],
        serde_json::Value::Null,
        "nothing blocks, and not all was seen: {found:?}"
    );
    let seen =
        ["C1", "C2", "P4", "P6", "P10", "P11", "P12", "P13", "P15", "P17", "P18", "P19", "P26", "P27", "P28"];
    for id in seen.into_iter().chain(["P29", "P31", "P33", "P34", "P35", "P37", "P43", "P44"]) {
        assert_eq!(found.result(id), "Passed", "{:#}", found.check(id));
    }
    for id in ["P1", "P2", "P8", "P30", "P36", "P41", "P46", "P47", "P50", "P51"] {
        assert_eq!(found.result(id), "NotApplicable", "{:#}", found.check(id));
    }
    for id in ["P3", "P7", "P16", "P22"] {
        assert_eq!(found.result(id), "NotObservable", "{:#}", found.check(id));
    }
    assert_eq!(found.failed(), [""; 0], "a false alarm: {found:?}");
    assert_eq!(table.code, found.code, "the exit code does not depend on the format");
    assert!(table.stdout.contains("P6    ok "), "{}", table.stdout);
    assert!(prepared.store.objects("").is_empty(), "the probe left something behind");
}

#[test]
fn a_person_without_rights_is_told_which_and_the_printed_command_grants_them() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.kubectl(&["delete", "clusterrolebinding", "cofferdam-installer", "--ignore-not-found"]);
        cluster.delete_namespace("limited");
    };
    clean();
    cluster.kubectl(&["create", "namespace", "limited"]);
    cluster.kubectl(&["create", "serviceaccount", "-n", "limited", "visitor"]);
    let token = cluster.kubectl(&["create", "token", "-n", "limited", "visitor"]);
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let admin: String = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    std::fs::write(&kubeconfig, admin).unwrap();
    let kubeconfig = kubeconfig.display().to_string();
    let config = |arguments: &[&str]| {
        let mut command = Command::new(binary("testbed"));
        command.args(["kubectl", "--name", &cluster.name, "--", "--kubeconfig", &kubeconfig, "config"]);
        command.args(arguments);
        run(command, "").ok();
    };
    config(&["set-credentials", "visitor", "--token", token.trim()]);
    config(&["set-context", "--current", "--user", "visitor"]);
    let visitor = ["--kubeconfig", &kubeconfig];

    let before = Preflight::run(&cluster, &visitor);
    let install = [&["install", "--image", IMAGE], &visitor[..]].concat();
    let refused: Ran = cluster.cofferdam(&install);
    let (_, line) = before.fix("P4").split_once("or: ").expect("a command");
    follow(&cluster, line);
    let after = Preflight::run(&cluster, &visitor);

    before.expect("P4", "Failed Block", "system:serviceaccount:limited:visitor lacks: ");
    before.expect_code("P4", None);
    assert_eq!(before.code, 5);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was installed"), "{}", refused.stderr);
    after.expect("P4", "Passed", "holds every right");
    clean();
}

#[test]
fn a_store_that_cannot_be_used_blocks_with_the_stores_own_words() {
    let cluster = Cluster::one();
    let name = format!("preflight-late-{}-{}", cluster.name, std::process::id());
    let missing = Store { url: "http://10.213.0.1:9000".to_owned(), bucket: name.clone() };
    let container = Container::new(&format!("preflight-{}-{}", cluster.name, std::process::id()));
    let azure = |key: &str, value: &str| {
        let arguments = container.arguments(key, value);
        Preflight::run(&cluster, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    drop(bucket(&cluster, "up"));

    let before = preflight_at(&cluster, &missing, &[]);
    drop(Store::bucket(&name));
    let after = preflight_at(&cluster, &missing, &[]);
    let wrong_key = azure("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", "d3Jvbmctd3Jvbmctd3Jvbmc=");
    let read_only = azure("AZURE_STORAGE_SAS_TOKEN", azure::READ_ONLY_SIGNATURE);
    let right = azure("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", azure::KEY);

    before.expect("P6", "Failed Block", "NoSuchBucket");
    before.expect_code("P6", "UserErrorNoDefaultBackupStorageLocationFound");
    before.expect("P10", "NotObservable", "could not be listed");
    assert!(before.fix("P6").contains("Create the bucket"), "{before:?}");
    after.expect("P6", "Passed", "a probe object went in and out");
    wrong_key.expect("P6", "Failed Block", "list on ");
    wrong_key.expect_code("P6", "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation");
    assert!(wrong_key.fix("P6").contains("credential"), "{wrong_key:?}");
    read_only.expect("P6", "Failed Block", "create on ");
    read_only.expect_code("P6", "UserErrorBackupFailedBackupStorageLocationReadOnly");
    assert!(!read_only.document.to_string().contains("sig="), "a signature was printed");
    right.expect("P6", "Passed", "a probe object went in and out");
}

#[test]
fn a_store_out_of_reach_from_here_is_not_judged_from_here() {
    let cluster = Cluster::one();
    cluster.delete_namespace(NAMESPACE);
    let nobody = Store { url: "http://10.213.0.1:9".to_owned(), bucket: "backups".to_owned() };

    let found = preflight_at(&cluster, &nobody, &[]);

    found.expect("P6", "NotObservable", "not reachable from here");
    found.expect("P10", "NotObservable", "could not be listed");
}

#[test]
fn what_lies_in_the_bucket_is_respected() {
    let cluster = Cluster::one();
    let store = bucket(&cluster, "contents");
    let folder = "configuration.backupStorageLocation.prefix=folder";

    store.put("holiday.jpg", b"sand");
    let unrelated = preflight_at(&cluster, &store, &[]);
    let refused = install(&cluster, &store, &["--without-deployment"]);
    let allowed = preflight_at(&cluster, &store, &["--set", "allowUnrelatedFiles=true"]);
    let beside = preflight_at(&cluster, &store, &["--set", folder]);
    store.remove("holiday.jpg");
    store.put(
        "cofferdam-owner.json",
        br#"{"product":"cofferdam","cluster":"somebody-else","created":"2026-01-01T00:00:00Z"}"#,
    );
    let others = preflight_at(&cluster, &store, &["--set", "allowUnrelatedFiles=true"]);
    let taken = install(&cluster, &store, &["--without-deployment"]);
    store.put("cofferdam-owner.json", b"{");
    let broken = preflight_at(&cluster, &store, &[]);

    unrelated.expect("P10", "Failed Block", "it holds holiday.jpg");
    unrelated.expect_code("P10", "UserErrorBackupStorageLocationNotEmpty");
    unrelated.expect("P6", "NotObservable", "nothing is written beside");
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("allowUnrelatedFiles=true"), "{}", refused.stderr);
    allowed.expect("P10", "Passed", "lets holiday.jpg stay");
    beside.expect("P10", "Passed", "the location is empty");
    others.expect("P26", "Failed Block", "belongs to the cluster somebody-else");
    others.expect_code("P26", "UserErrorBackupStorageLocationOwnedByAnotherCluster");
    assert_eq!(others.result("P10"), "NotApplicable", "{:#}", others.check("P10"));
    assert_eq!(taken.code, 5, "{}", taken.stderr);
    assert!(taken.stderr.contains("somebody-else"), "{}", taken.stderr);
    broken.expect("P10", "Failed Block", "cannot be understood");
    broken.expect_code("P10", "RepositoryDamaged");
    assert_eq!(store.objects(""), ["cofferdam-owner.json"], "something was written beside the marker");
}

#[test]
fn a_bucket_of_another_cluster_is_named_as_that_and_a_folder_of_its_own_tells_the_two_apart() {
    let (cluster, other) = (Cluster::one(), Cluster::two());
    let theirs = Installation::beside(&other, "preflight-shared");
    Installation::beside(&cluster, "preflight-sharing");
    let writes = Start::new(&other, "preflight-shared").run();
    scenarios::wait_until("the other cluster owns the bucket", std::time::Duration::from_secs(60), || {
        let there = theirs.store.objects("");
        if there.iter().any(|key| key == MARKER) { Ok(()) } else { Err(format!("{there:?}")) }
    });
    writes.kill();
    let before = (theirs.store.objects(""), theirs.store.object(MARKER));
    let uid = other.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    let add = |more: &[&str]| {
        let arguments = theirs.store.arguments();
        let mut all = vec!["location", "add", "shared"];
        all.extend(arguments.iter().map(String::as_str));
        all.extend(more);
        cluster.cofferdam(&all).ok();
        Preflight::run(&cluster, &["--location", "shared"])
    };

    let taken = add(&[]);
    let line = taken.commands("P26", "cofferdam").first().copied().unwrap_or_default().to_owned();
    let folder = line.split(' ').find(|word| word.contains(".prefix=")).expect("a setting with a folder");
    let apart = add(&["--set", &folder.replace("FOLDER", "of-its-own")]);
    cluster.kubectl(&["delete", "configmap", "-n", NAMESPACE, "location-shared"]);

    taken.expect("P26", "Failed Block", &format!("belongs to the cluster {}", uid.trim()));
    taken.expect_code("P26", "UserErrorBackupStorageLocationOwnedByAnotherCluster");
    assert_eq!((taken.failed(), taken.code), (vec!["P26"], 5), "{taken:?}");
    taken.expect("P10", "NotApplicable", "P26");
    taken.expect("P6", "NotObservable", "nothing is written where another cluster may write");
    assert!(line.starts_with("cofferdam location add NAME --set "), "{line}");
    apart.expect("P26", "Passed", "no cluster has claimed the location yet");
    apart.expect("P10", "Passed", "the location is empty");
    apart.expect("P6", "Passed", "a probe object went in and out");
    assert_eq!(apart.failed(), [""; 0], "{apart:?}");
    let after = (theirs.store.objects(""), theirs.store.object(MARKER));
    assert_eq!(after, before, "something was written beside what the other cluster has there");
}

fn install(cluster: &Cluster, store: &Store, more: &[&str]) -> Ran {
    let arguments = store.arguments();
    let mut all = vec!["install", "--image", IMAGE];
    all.extend(arguments.iter().map(String::as_str));
    all.extend(more);
    cluster.cofferdam(&all)
}

#[test]
fn volumes_without_a_driver_or_without_snapshots_are_named() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace("volumes-seen");
        cluster.kubectl(&["delete", "pv", "pf-absent", "pf-host", "--ignore-not-found"]);
        cluster.kubectl(&["delete", "csidriver", "absent.example", "--ignore-not-found"]);
    };
    clean();
    cluster.kubectl(&["create", "namespace", "volumes-seen"]);
    cluster.apply(&volume("pf-absent", r#""csi":{"driver":"absent.example","volumeHandle":"h"}"#));
    cluster.apply(&volume("pf-host", r#""hostPath":{"path":"/tmp"}"#));

    let before = Preflight::run(&cluster, &[]);
    cluster.apply(r#"{"apiVersion":"storage.k8s.io/v1","kind":"CSIDriver","metadata":{"name":"absent.example"},"spec":{}}"#);
    let driver_there = Preflight::run(&cluster, &[]);
    clean();
    let after = Preflight::run(&cluster, &[]);

    before.expect("P11", "Failed Warn", "absent.example");
    before.expect_code("P11", None);
    before.expect("P13", "Failed Warn", "volumes-seen/pf-absent (no VolumeSnapshotClass for absent.example)");
    before.expect_code("P13", "VolumeNotProtected");
    before.expect("P13", "Failed Warn", "volumes-seen/pf-host (hostPath is not a CSI volume)");
    driver_there.expect("P11", "Passed", "absent.example");
    assert!(!after.evidence("P13").contains("volumes-seen"), "{after:?}");
}

/// A volume and a claim that name each other.
fn volume(name: &str, source: &str) -> String {
    let common = r#""accessModes":["ReadWriteOnce"],"storageClassName":"""#;
    format!(
        r#"{{"apiVersion":"v1","kind":"List","items":[
        {{"apiVersion":"v1","kind":"PersistentVolume","metadata":{{"name":"{name}"}},"spec":{{{common},{source},
          "capacity":{{"storage":"1Mi"}},"claimRef":{{"namespace":"volumes-seen","name":"{name}"}}}}}},
        {{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{{"name":"{name}","namespace":"volumes-seen"}},
          "spec":{{{common},"volumeName":"{name}","resources":{{"requests":{{"storage":"1Mi"}}}}}}}}]}}"#
    )
}

#[test]
fn traces_of_velero_block_where_they_collide_and_under_the_rules_of_aks() {
    let cluster = Cluster::one();
    let store = bucket(&cluster, "velero");
    let clean = || {
        cluster.delete_namespace(velero::NAMESPACE);
        velero::forget(&cluster, &["pf-labelled"]);
    };
    clean();
    let none = preflight_at(&cluster, &store, &["--profile", "aks"]);
    velero::leave(
        &cluster,
        &[
            velero::namespace(velero::NAMESPACE, json!({"velero.io/what-ever": "true"})),
            velero::deployment(),
            velero::definition("BackupStorageLocation", "backupstoragelocations"),
            velero::class("pf-labelled", "nobody.example"),
        ],
    );
    let beside = preflight_at(&cluster, &store, &[]);
    let aks = preflight_at(&cluster, &store, &["--profile", "aks"]);
    cluster.apply(&format!(
        r#"{{"apiVersion":"velero.io/v1","kind":"BackupStorageLocation","metadata":{{"name":"default","namespace":"velero"}},
        "spec":{{"objectStorage":{{"bucket":"{}"}}}}}}"#,
        store.bucket
    ));
    let collides = preflight_at(&cluster, &store, &[]);
    let label = aks.fix("P18").to_owned();
    follow(&cluster, &label);
    cluster.kubectl(&["annotate", "namespace", "velero", "velero.io/what-ever-"]);
    clean();
    let after = preflight_at(&cluster, &store, &["--profile", "aks"]);

    none.expect("P17", "Passed", "no Velero was found");
    beside.expect("P17", "Passed", "collides with nothing of ours");
    beside.expect("P18", "Passed", "pf-labelled");
    beside.expect("P19", "Passed", "namespaces/velero");
    assert_eq!(beside.check("P19")["information"], true, "what does no harm is told and no more");
    aks.expect("P18", "Failed Warn", "pf-labelled");
    aks.expect_code("P18", None);
    aks.expect("P19", "Failed Warn", "namespaces/velero");
    aks.expect_code("P19", None);
    aks.expect("P17", "Failed Block", "velero/velero");
    aks.expect_code("P17", None);
    collides.expect("P17", "Failed Block", &store.bucket);
    collides.expect_code("P17", None);
    for id in ["P17", "P18", "P19"] {
        assert_eq!(after.result(id), "Passed", "{:#}", after.check(id));
    }
}

#[test]
fn a_policy_that_rejects_the_pod_is_met_before_the_pod_is() {
    let cluster = Cluster::one();
    let clean = || {
        for kind in ["validatingadmissionpolicy", "validatingadmissionpolicybinding"] {
            cluster.kubectl(&["delete", kind, "pf-owner", "--ignore-not-found"]);
        }
        cluster.delete_namespace(NAMESPACE);
    };
    clean();
    cluster.apply(&owner_policy("pf-owner", "pf-owner", &[NAMESPACE]));
    let no_namespace = Preflight::run(&cluster, &["--image", IMAGE]);
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    // A new policy takes a moment to count.
    let rejected = scenarios::wait_until("the policy rejects", Duration::from_secs(20), || {
        let found = Preflight::run(&cluster, &["--image", IMAGE]);
        if found.result("P20") == "Failed Block" { Ok(found) } else { Err(format!("{found:?}")) }
    });
    cluster.kubectl(&["label", "namespace", NAMESPACE, "policies=none"]);
    let admitted = scenarios::wait_until("the namespace is excluded", Duration::from_secs(20), || {
        let found = Preflight::run(&cluster, &["--image", IMAGE]);
        if found.result("P20") == "Passed" { Ok(found) } else { Err(format!("{found:?}")) }
    });
    clean();

    no_namespace.expect("P20", "NotObservable", "ValidatingAdmissionPolicy");
    rejected.expect("P20", "Failed Block", "every pod needs an owner");
    rejected.expect_code("P20", None);
    assert!(rejected.fix("P20").contains(NAMESPACE), "{rejected:?}");
    admitted.expect("P20", "Passed", "a dry run of the pod was admitted");
}

#[test]
fn an_image_that_nodes_cannot_fetch_is_named_by_the_installation_and_by_preflight() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "preflight-image");
    let bad = "nowhere.invalid/cofferdam:1";

    let failed = installation.install_as(bad, &["--timeout", "15s"]);
    let seen = scenarios::wait_until("the pod reports", SOON, || {
        let found = Preflight::run(&cluster, &[]);
        if found.result("P15") == "Failed Block" { Ok(found) } else { Err(format!("{found:?}")) }
    });
    installation.install(&[]).ok();
    let after = Preflight::run(&cluster, &[]);

    assert_eq!(failed.code, 1, "{}", failed.stderr);
    seen.expect("P15", "Failed Block", bad);
    seen.expect_code("P15", None);
    assert!(seen.fix("P15").contains("--image"), "{seen:?}");
    after.expect("P15", "Passed", IMAGE);
    after.expect("P1", "Passed", "dataprotection-microsoft/cofferdam-extension: 1 of 1 pods are available");
    after.expect("P30", "Passed", "1 pods");
    after.expect("P43", "Passed", "no NetworkPolicy");
    assert_eq!(seen.result("P1"), "Skipped", "{:#}", seen.check("P1"));
    assert_eq!(after.failed(), [""; 0], "a false alarm: {after:?}");
    after.expect("P4", "Passed", "system:serviceaccount:dataprotection-microsoft:cofferdam-extension");
    after.expect("P6", "Passed", "a probe object went in and out");
    after.expect("P10", "Passed", "names this cluster");
}

#[test]
fn a_cluster_without_the_snapshot_api_is_refused_unless_that_is_skipped_by_name() {
    let name = format!("{}bare", Cluster::one().name);
    let testbed = |arguments: &[&str]| {
        let mut command = Command::new(binary("testbed"));
        command.args(arguments);
        run(command, "")
    };
    testbed(&["up", "--name", &name, "--control-plane-only"]).ok();
    let cluster = Cluster::named(&name);
    let store = bucket(&cluster, "bare");

    let found = preflight_at(&cluster, &store, &[]);
    let refused = install(&cluster, &store, &["--without-deployment"]);
    let untouched = cluster.get(&["namespace", NAMESPACE]);
    let skipped = install(&cluster, &store, &["--without-deployment", "--skip-preflight", "P12"]);
    cluster.kubectl(&["create", "configmap", "-n", "default", "bare"]);
    let running = Start::new(&cluster, "bare").run();
    let backup = ["backup", "create", "bare", "--include-namespaces", "default", "--wait", "-o", "json"];
    let backed_up = cluster.cofferdam(&backup);
    cluster.kubectl(&["delete", "configmap", "-n", "default", "bare"]);
    let restore = ["restore", "create", "bare", "--from-backup", "bare", "--wait", "-o", "json"];
    let restored = cluster.cofferdam(&restore);
    running.kill();
    let (one, before) = (Cluster::one(), preflight_at(&cluster, &store, &[]));
    // What the first half of the command would fetch is what another cluster has.
    let (_, create) = before.commands("P12", "kubectl")[0].rsplit_once(" | kubectl ").expect("two commands");
    let definitions = snapshots::definitions(&one);
    cluster.try_kubectl(&create.split(' ').collect::<Vec<_>>(), &definitions).ok();
    let controller = snapshots::Controller::beside(&cluster, &one);
    let mended = scenarios::wait_until("the controller has its lease", SOON, || {
        let found = preflight_at(&cluster, &store, &[]);
        if found.result("P12") == "Passed" { Ok(found) } else { Err(format!("{:#}", found.check("P12"))) }
    });
    drop(controller);
    testbed(&["down", "--name", &name]).ok();

    for ended in [backed_up, restored] {
        assert_eq!(
            ended.code, 0,
            "no snapshots are needed, and none are missed: {}{}",
            ended.stdout, ended.stderr
        );
    }
    found.expect("P12", "Failed Block", "does not serve volumesnapshots");
    found.expect_code("P12", None);
    for id in ["P13", "P18"] {
        found.expect(id, "Skipped", "P12");
    }
    assert!(found.fix("P12").starts_with("Install the snapshot CRDs and the snapshot controller: kubectl "));
    let mut changed = mended.changed_since(&before);
    // It waits for P12 too, and for a node.
    changed.remove("C3");
    assert_eq!(changed, BTreeSet::from(["P12", "P13", "P18"]), "and nothing else");
    for id in ["P12", "P13", "P18"] {
        assert_eq!(mended.result(id), "Passed", "{:#}", mended.check(id));
    }
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("--skip-preflight P12"), "{}", refused.stderr);
    assert_eq!(untouched, None, "a refused installation wrote something");
    assert_eq!(skipped.code, 0, "{}", skipped.stderr);
    assert!(skipped.stderr.contains("skipped as asked for: P12"), "{}", skipped.stderr);
}
