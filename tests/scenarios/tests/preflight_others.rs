//! What others have left in a cluster or demand of it: leftovers of Velero that do no harm are told and nothing more, and a
//! policy that refuses our pods is named, by preflight and by the installation, until it leaves our namespace out.

use scenarios::{
    Cluster, IMAGE, Installation, NAMESPACE, Preflight, owner_policy, velero, volumes, wait_until,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const SOON: Duration = Duration::from_secs(60);
/// A namespace with Velero's marks.
const MARKED: &str = "pf-marked";
/// A snapshot class of the driver that all volumes of the cluster are of.
const CLASS: &str = "pf-veleros";

/// A namespace with a claim and a pod; with annotations and labels that users of Velero set and that Velero itself sets.
fn world(marked: bool) -> Vec<Value> {
    let marks = |marks: Value| if marked { marks } else { json!({}) };
    let labels = marks(json!({"velero.io/restore-name": "old", "velero.io/backup-name": "old"}));
    let annotations = marks(json!({
        "backup.velero.io/backup-volumes": "data",
        "pre.hook.backup.velero.io/command": "[\"/bin/fsfreeze\", \"--freeze\", \"/data\"]",
    }));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app", "namespace": MARKED, "annotations": annotations},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": "cofferdam.test/pause:1",
                            "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    });
    vec![
        velero::namespace(MARKED, marks(json!({"velero.io/source-cluster-k8s-gitversion": "v1.30.1"}))),
        volumes::claim(MARKED, "data", "standard", json!({"metadata": {"labels": labels}})),
        pod,
    ]
}

#[test]
fn on_a_healthy_cluster_leftovers_of_velero_are_told_and_change_nothing_else() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.delete_namespace(MARKED);
        velero::forget(&cluster, &[CLASS]);
    };
    clean();
    let installed = Installation::fresh(&cluster, "leftovers");
    velero::leave(&cluster, &world(false));
    volumes::bound(&cluster, MARKED, &["data"]);
    let preflight = |profile: &str| Preflight::run(&cluster, &["--profile", profile]);
    let (before, aks_before) = (preflight("cofferdam"), preflight("aks"));

    velero::leave(
        &cluster,
        &[
            velero::definition("Backup", "backups"),
            velero::definition("Restore", "restores"),
            velero::definition("Schedule", "schedules"),
            velero::definition("BackupStorageLocation", "backupstoragelocations"),
            velero::class(CLASS, "csi.cofferdam.test"),
        ],
    );
    velero::leave(&cluster, &world(true));
    let (seen, aks) = (preflight("cofferdam"), preflight("aks"));
    let table = cluster.cofferdam(&["preflight"]);
    let backed_up = volumes::back_up(&installed, "marked", MARKED, &[]);
    velero::forget(&cluster, &[CLASS]);
    cluster.delete_namespace(MARKED);
    let after = preflight("cofferdam");

    for check in seen.document["checks"].as_array().unwrap() {
        let (result, evidence) = (check["result"].as_str().unwrap(), check["evidence"].as_str().unwrap());
        assert!(["Passed", "NotApplicable", "NotObservable"].contains(&result), "a false alarm: {check:#}");
        assert!(result == "Passed" || !evidence.is_empty(), "no reason is given: {check:#}");
    }
    let mut wanted = before.informed();
    wanted.extend(["P17", "P18", "P19"]);
    assert_eq!(seen.informed(), wanted, "{seen:?}");
    assert_eq!((seen.changed_since(&before), seen.code), (BTreeSet::new(), before.code));
    seen.expect("P17", "Passed", "its CustomResourceDefinitions");
    seen.expect("P18", "Passed", CLASS);
    for object in ["namespaces/pf-marked", "persistentvolumeclaims/pf-marked/data", "pods/pf-marked/app"]
        .map(Value::from)
    {
        let told = seen.check("P19")["details"]["objects"].as_array().unwrap();
        assert!(told.contains(&object), "{object}: {:#}", seen.check("P19"));
    }
    assert!(table.stdout.contains("P17   info"), "{}", table.stdout);
    assert_eq!(aks.changed_since(&aks_before), BTreeSet::from(["P17", "P18", "P19"]));
    aks.expect("P17", "Failed Block", "its CustomResourceDefinitions");
    aks.expect_code("P17", None);
    aks.expect("P18", "Failed Warn", CLASS);
    aks.expect_code("P18", None);
    aks.expect("P19", "Failed Warn", "pods/pf-marked/app");
    aks.expect_code("P19", None);
    assert_eq!(aks.code, 5);
    assert_eq!(backed_up["status"]["phase"], "Completed", "they do no harm: {:#}", backed_up["status"]);
    assert_eq!(after.informed(), before.informed());
}

/// A new policy takes a moment to count.
fn until_it_counts(cluster: &Cluster) {
    cluster.kubectl(&["create", "namespace", "pf-asked"]);
    wait_until("the policy counts", SOON, || {
        let run = ["run", "asked", "-n", "pf-asked", "--image=cofferdam.test/pause:1", "--dry-run=server"];
        let asked = cluster.try_kubectl(&run, "");
        if asked.stderr.contains("every pod needs an owner") { Ok(()) } else { Err(asked.stderr) }
    });
}

#[test]
fn a_policy_is_named_by_preflight_and_by_the_installation_until_it_leaves_the_namespace_out() {
    let cluster = Cluster::one();
    let clean = || {
        cluster.kubectl(&["delete", "validatingadmissionpolicy", "pf-named", "--ignore-not-found"]);
        cluster.kubectl(&["delete", "validatingadmissionpolicybinding", "pf-where", "--ignore-not-found"]);
        cluster.delete_namespace("pf-asked");
    };
    clean();
    let installation = Installation::prepared(&cluster, "policed");
    cluster.apply(&owner_policy("pf-named", "pf-where", &[NAMESPACE, "pf-asked"]));
    until_it_counts(&cluster);
    let preflight = || Preflight::run(&cluster, &["--image", IMAGE]);

    let unasked = preflight();
    let stopped = installation.install(&[]);
    let untouched = cluster.get(&["deployment", "-n", NAMESPACE, "cofferdam-extension"]);
    let named = preflight();
    let refused = installation.install(&[]);
    cluster.kubectl(&["label", "namespace", NAMESPACE, "policies=none"]);
    let admitted = wait_until("the namespace is left out", SOON, || {
        let found = preflight();
        if found.result("P20") == "Passed" { Ok(found) } else { Err(found.evidence("P20").to_owned()) }
    });
    installation.install(&[]).ok();
    let after = Preflight::run(&cluster, &[]);
    clean();

    unasked.expect("P20", "NotObservable", "does not exist yet");
    for (ran, what) in [(&stopped, "nothing but namespaces was made"), (&refused, "nothing was installed")] {
        assert_eq!(ran.code, 5, "{}", ran.stderr);
        for part in [what, "P20 ", "ValidatingAdmissionPolicy 'pf-named' with binding 'pf-where'"] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
        }
    }
    assert_eq!(untouched, None, "it would wait for pods that never come");
    named.expect("P20", "Failed Block", "with binding 'pf-where' denied request: every pod needs an owner");
    named.expect_code("P20", None);
    assert_eq!(named.failed(), ["P20"], "{named:?}");
    assert_eq!(named.check("P20")["details"]["objects"], json!(["validatingadmissionpolicy/pf-named"]));
    assert!(named.fix("P20").contains("validatingadmissionpolicybinding/pf-where"), "{}", named.fix("P20"));
    assert_eq!(named.code, 5);
    admitted.expect("P20", "Passed", "a dry run of the pod was admitted");
    after.expect("P20", "Passed", "a dry run of the pod was admitted");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

#[test]
fn pod_security_restricted_on_the_namespace_is_no_obstacle() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "restricted");
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    for mode in ["enforce", "warn", "audit"] {
        let label = format!("pod-security.kubernetes.io/{mode}=restricted");
        cluster.kubectl(&["label", "namespace", NAMESPACE, &label]);
    }

    let before = wait_until("the namespace is set up", SOON, || {
        let found = Preflight::run(&cluster, &["--image", IMAGE]);
        // It gets its account a moment after it is made; until then nothing is said against the pod.
        assert_ne!(found.result("P20"), "Failed Block", "a false alarm: {:#}", found.check("P20"));
        if found.result("P20") == "Passed" { Ok(found) } else { Err(found.evidence("P20").to_owned()) }
    });
    installation.install(&[]).ok();
    let after = Preflight::run(&cluster, &[]);

    assert_eq!(before.failed(), [""; 0], "{before:?}");
    for id in ["P20", "P1", "P30"] {
        assert_eq!(after.result(id), "Passed", "{:#}", after.check(id));
    }
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}
