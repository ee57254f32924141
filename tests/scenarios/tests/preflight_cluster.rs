//! `cofferdam preflight` with a kubeconfig alone: each thing that is broken is named by its check, and only by it.

use scenarios::{Cluster, Halted, NAMESPACE, Preflight, binary, run, velero, volumes, wait_until};
use serde_json::{Value, json};
use std::{collections::BTreeSet, process::Command, time::Duration};

const SOON: Duration = Duration::from_secs(60);

/// Breaks something with a manifest, and looks until this check fails.
fn broken(cluster: &Cluster, manifest: &str, arguments: &[&str], id: &str) -> Preflight {
    cluster.apply(manifest);
    // A moment goes by until controllers have written what is seen.
    until(cluster, arguments, id, |result| result.starts_with("Failed"))
}

/// Looks until a check ends as it should.
fn until(cluster: &Cluster, arguments: &[&str], id: &str, well: impl Fn(&str) -> bool) -> Preflight {
    wait_until(&format!("how {id} ends"), SOON, || {
        let found = Preflight::run(cluster, arguments);
        if well(&found.result(id)) { Ok(found) } else { Err(format!("{:#}", found.check(id))) }
    })
}

/// A command of `kubectl` that preflight printed, up to the comment behind it, with names in the place of words in capitals.
fn follow(cluster: &Cluster, line: &str, names: &[(&str, &str)]) -> String {
    let command = line.split(" # ").next().unwrap_or_default();
    let words = command.split(' ').map(|word| match names.iter().find(|(capitals, _)| *capitals == word) {
        Some((_, name)) => *name,
        None => word,
    });
    let words: Vec<&str> = words.collect();
    assert_eq!(words.first(), Some(&"kubectl"), "{line}");
    cluster.kubectl(&words[1..])
}

#[test]
fn a_webhook_without_a_service_is_named_until_the_printed_command_has_taken_it_away() {
    let cluster = Cluster::one();
    let clean =
        || cluster.kubectl(&["delete", "validatingwebhookconfiguration", "pf-webhook", "--ignore-not-found"]);
    clean();
    let manifest = r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",
        "metadata":{"name":"pf-webhook"},"webhooks":[{"name":"left.behind.example","failurePolicy":"Fail",
        "sideEffects":"None","admissionReviewVersions":["v1"],
        "clientConfig":{"service":{"namespace":"gone","name":"hook"}},
        "rules":[{"apiGroups":["example.com"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["things"]}]}]}"#;

    let seen = broken(&cluster, manifest, &[], "P44");
    let done = follow(&cluster, seen.commands("P44", "kubectl")[0], &[]);
    let after = Preflight::run(&cluster, &[]);
    clean();

    seen.expect(
        "P44",
        "Failed Warn",
        "validating/pf-webhook/left.behind.example: the service gone/hook does not exist",
    );
    assert_eq!((seen.failed(), seen.code), (vec!["P44"], 3), "{seen:?}");
    seen.expect_code("P44", "KubernetesBackupGenericWarning");
    assert!(done.contains("\"pf-webhook\" deleted"), "{done}");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

/// A namespace with a claim of this class.
fn claim(namespace: &str, class: &str) -> Vec<Value> {
    vec![velero::namespace(namespace, json!({})), volumes::claim(namespace, "waits", class, json!({}))]
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

#[test]
fn a_claim_of_a_class_that_is_not_there_is_named_until_the_class_is_made() {
    let cluster = Cluster::one();
    let (namespace, class) = ("pf-classes", "pf-no-such-class");
    let clean = || {
        cluster.delete_namespace(namespace);
        cluster.kubectl(&["delete", "storageclass", class, "--ignore-not-found"]);
    };
    clean();

    let seen = broken(&cluster, &list(&claim(namespace, class)), &[], "P35");
    // As the printed line says: see which there are, then make the missing one.
    let (look, then) = seen.commands("P35", "kubectl")[0].split_once("; ").expect("two steps");
    let there = follow(&cluster, look, &[]);
    cluster.apply(
        &json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
            "provisioner": "csi.cofferdam.test"})
        .to_string(),
    );
    let after = until(&cluster, &[], "P34", |result| result == "Passed");
    clean();

    seen.expect("P35", "Failed Warn", &format!("{namespace}/waits ({class})"));
    assert_eq!((seen.failed(), seen.code), (vec!["P35"], 3), "{seen:?}");
    seen.expect_code("P35", "UserErrorStorageClassMissingForPVC");
    assert!(then.starts_with("then create the missing one"), "{then}");
    assert!(there.contains("standard") && !there.contains(class), "{there}");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

#[test]
fn a_claim_that_waits_is_named_until_it_has_the_volume_that_its_events_miss() {
    let cluster = Cluster::one();
    let namespace = "pf-claims";
    let clean = || {
        cluster.delete_namespace(namespace);
        cluster.kubectl(&["delete", "pv", "pf-claims-waits", "--ignore-not-found"]);
    };
    clean();
    let source = json!({"csi": {"driver": "csi.cofferdam.test", "volumeHandle": "pf-claims"}});
    let [volume, _] = volumes::fixed(namespace, "waits", "", source);

    // Without a class of its own nobody makes a volume for it.
    let seen = broken(&cluster, &list(&claim(namespace, "")), &[], "P34");
    let describe = seen.commands("P34", "kubectl")[0];
    let names = [("CLAIM", "waits"), ("NAMESPACE", namespace)];
    wait_until("its events say why", SOON, || match follow(&cluster, describe, &names) {
        said if said.contains("no persistent volumes available for this claim") => Ok(()),
        said => Err(said),
    });
    cluster.apply(&volume.to_string());
    let after = until(&cluster, &[], "P34", |result| result == "Passed");
    clean();

    seen.expect("P34", "Failed Warn", &format!("{namespace}/waits (Pending)"));
    assert_eq!((seen.failed(), seen.code), (vec!["P34"], 3), "{seen:?}");
    seen.expect_code("P34", "UserErrorPVCNotBoundToVolume");
    assert!(seen.fix("P34").contains("a volume that fits"), "{}", seen.fix("P34"));
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

/// The command with which the document begins a move over the same storage.
fn documented_move() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/volumes.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let (_, section) = text.split_once("## From an in-tree volume to CSI").expect("the section");
    let command =
        section.split('`').find(|code| code.starts_with("kubectl patch pv OLD ")).expect("a command");
    command.replace('\'', "")
}

#[test]
fn nfs_and_other_volumes_of_kubernetes_itself_are_named_until_they_are_moved_as_the_document_says() {
    let cluster = Cluster::one();
    let namespace = "pf-in-tree";
    let clean = || {
        cluster.delete_namespace(namespace);
        cluster.kubectl(&["delete", "pv", "pf-in-tree-data", "--ignore-not-found"]);
    };
    let disk = json!({"diskName": "d", "diskURI": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d",
        "kind": "Managed"});
    let in_csi = json!({"csi": {"driver": "csi.cofferdam.test", "volumeHandle": "pf-in-tree"}});

    for (kind, source) in [("nfs", json!({"server": "10.213.0.1", "path": "/export"})), ("azureDisk", disk)] {
        clean();
        volumes::world(
            &cluster,
            namespace,
            volumes::fixed(namespace, "data", "standard", json!({kind: source})).into(),
        );
        volumes::bound(&cluster, namespace, &["data"]);

        let seen = until(&cluster, &[], "P13", |result| result.starts_with("Failed"));
        follow(&cluster, &documented_move(), &[("OLD", "pf-in-tree-data")]);
        cluster.kubectl(&["delete", "pvc", "-n", namespace, "data", "--timeout=60s"]);
        cluster.kubectl(&["delete", "pv", "pf-in-tree-data", "--timeout=60s"]);
        cluster.apply(&list(&volumes::fixed(namespace, "data", "standard", in_csi.clone())));
        volumes::bound(&cluster, namespace, &["data"]);
        let after = Preflight::run(&cluster, &[]);

        seen.expect("P13", "Failed Warn", &format!("{namespace}/data ({kind} is not a CSI volume)"));
        seen.expect_code("P13", "VolumeNotProtected");
        assert_eq!((seen.failed(), seen.code), (vec!["P13"], 3), "{seen:?}");
        let fix = format!(
            "Migrate volumes of the kind {kind} to a CSI driver: docs/volumes.md#from-an-in-tree-volume-to-csi"
        );
        assert!(seen.fix("P13").starts_with(&fix), "{}", seen.fix("P13"));
        assert_eq!(after.failed(), [""; 0], "{after:?}");
    }
    clean();
}

#[test]
fn a_static_volume_without_a_class_is_told_and_on_aks_named_until_it_is_given_one() {
    let cluster = Cluster::one();
    let namespace = "pf-classless";
    let clean = || {
        cluster.delete_namespace(namespace);
        cluster.kubectl(&["delete", "pv", "pf-classless-data", "--ignore-not-found"]);
    };
    clean();
    let aks = ["--profile", "aks"];
    let before = Preflight::run(&cluster, &aks);
    let source = json!({"csi": {"driver": "csi.cofferdam.test", "volumeHandle": "pf-classless"}});
    volumes::world(&cluster, namespace, volumes::fixed(namespace, "data", "", source).into());
    volumes::bound(&cluster, namespace, &["data"]);

    let seen = until(&cluster, &aks, "P33", |result| result.starts_with("Failed"));
    let ours = Preflight::run(&cluster, &[]);
    let patch = seen.commands("P33", "kubectl")[0].replace('\'', "").replace("\"CLASS\"", "\"standard\"");
    follow(&cluster, &patch, &[("VOLUME", "pf-classless-data")]);
    let after = Preflight::run(&cluster, &aks);
    clean();

    seen.expect("P33", "Failed Warn", &format!("without a class: {namespace}/data"));
    assert_eq!(seen.changed_since(&before), BTreeSet::from(["P33"]), "and nothing else");
    ours.expect("P33", "Passed", &format!("{namespace}/data"));
    assert_eq!((&ours.check("P33")["information"], ours.failed()), (&true.into(), vec![]), "{ours:?}");
    assert_eq!(after.changed_since(&before), BTreeSet::new(), "it has one");
}

#[test]
fn an_extension_like_the_originals_blocks_ours_until_what_is_left_of_it_is_deleted() {
    let cluster = Cluster::one();
    let namespace = "pf-original";
    cluster.delete_namespace(namespace);
    let manifest = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"pf-original"}},
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"dataprotection-microsoft-controller",
          "namespace":"pf-original","labels":{"app.kubernetes.io/name":"dataprotection-microsoft-kubernetes"}},
          "spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
          "spec":{"containers":[{"name":"c","image":"original.example/controller"}]}}}}]}"#;

    let seen = broken(&cluster, manifest, &[], "C2");
    let object = seen.check("C2")["details"]["objects"][0].as_str().unwrap_or_default().to_owned();
    let (there, name) = object.split_once('/').expect("a namespace and a name");
    let commands = seen.commands("C2", "kubectl");
    let [look, delete] = commands[..] else { panic!("{commands:?}") };
    let shown = follow(&cluster, look, &[]);
    follow(&cluster, delete, &[("NAME", name), ("NAMESPACE", there)]);
    let after = Preflight::run(&cluster, &[]);
    cluster.delete_namespace(namespace);

    seen.expect("C2", "Failed Block", "pf-original/dataprotection-microsoft-controller");
    seen.expect_code("C2", None);
    assert_eq!((seen.failed(), seen.code), (vec!["C2"], 5), "{seen:?}");
    assert!(shown.contains(name), "{shown}");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

#[test]
fn a_snapshot_controller_that_does_nothing_is_named_by_its_lease_until_it_goes_on() {
    let cluster = Cluster::one();
    // A lease counts for four times its length after its last renewal; one that went on takes a new one over in a few seconds.
    let until = |result: &str| {
        wait_until(&format!("P12 is {result}"), Duration::from_secs(150), || {
            let found = Preflight::run(&cluster, &[]);
            if found.result("P12") == result { Ok(found) } else { Err(format!("{:#}", found.check("P12"))) }
        })
    };
    let before = until("Passed");

    let halted = Halted::component(&cluster, "snapshot-controller");
    let idle = until("Failed Warn");
    // The first command of the fix shows where it ran.
    let (_, look) = idle.fix("P12").split_once("Lease ran: ").expect("where to look");
    let (look, _) = look.split_once(". If ").expect("the end of the command");
    let words: Vec<&str> = look.split(' ').collect();
    let shown = cluster.kubectl(&words[1..]);
    drop(halted);
    let after = until("Passed");

    let lease = "kube-system/snapshot-controller-leader";
    before.expect("P12", "Passed", &format!("the API is served; Lease {lease} is being renewed"));
    idle.expect("P12", "Failed Warn", &format!("nobody renews the Lease {lease} of its controller any more"));
    assert_eq!((idle.failed(), idle.code), (vec!["P12"], 3), "{idle:?}");
    idle.expect_code("P12", "CSISnapshottingTimedOut");
    assert_eq!(idle.check("P12")["details"]["objects"], json!([lease]));
    let (_, holder) = shown.split_once("holderIdentity: ").expect("a holder");
    let holder = holder.lines().next().unwrap_or_default().trim_matches(['"', '\'']);
    assert!(!holder.is_empty() && idle.evidence("P12").contains(holder), "{holder}: {idle:?}");
    assert_eq!(after.failed(), [""; 0], "{after:?}");
}

#[test]
fn what_a_configuration_names_must_be_there() {
    let cluster = Cluster::one();
    let named = ["--include-namespaces", "default,pf-absent", "--backup-hook", "default/pf-hook"];

    let found = Preflight::run(&cluster, &named);
    let there = Preflight::run(&cluster, &["--include-namespaces", "default,kube-system"]);

    found.expect("P36", "Failed Warn", "not there: pf-absent");
    found.expect_code("P36", "UserErrorNamespaceNotFound");
    found.expect("P51", "Failed Block", "not there: default/pf-hook");
    found.expect_code("P51", "UserErrorHookNotFound");
    there.expect("P36", "Passed", "all 2 are there");
    assert_eq!(there.result("P51"), "NotApplicable", "{:#}", there.check("P51"));
}

#[test]
fn a_cluster_is_its_own_target_but_for_what_stands_there_already() {
    let cluster = Cluster::one();
    cluster.delete_namespace(NAMESPACE);
    volumes::world(&cluster, "pf-own", vec![volumes::claim("pf-own", "data", "", json!({}))]);

    let found = Preflight::run(&cluster, &["--target-kubeconfig", &cluster.kubeconfig]);
    cluster.delete_namespace("pf-own");

    found.expect("P47", "Passed", "serves every resource");
    found.expect("P2", "Failed Block", "the target has no Backup Extension");
    found.expect("P50", "Failed Warn", "they exist in the target: ");
    let objects = found.check("P50")["details"]["objects"].to_string();
    assert!(objects.contains("pf-own/data"), "{objects}");
}

#[test]
fn whoever_may_look_at_nothing_is_told_so_by_every_check() {
    let cluster = Cluster::one();
    cluster.delete_namespace("pf-blind");
    cluster.kubectl(&["create", "namespace", "pf-blind"]);
    cluster.kubectl(&["create", "serviceaccount", "-n", "pf-blind", "blind"]);
    let token = cluster.kubectl(&["create", "token", "-n", "pf-blind", "blind"]);
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig").display().to_string();
    std::fs::copy(&cluster.kubeconfig, &kubeconfig).unwrap();
    for arguments in [
        ["set-credentials", "blind", "--token", token.trim()],
        ["set-context", "--current", "--user", "blind"],
    ] {
        let mut command = Command::new(binary("testbed"));
        command.args(["kubectl", "--name", &cluster.name, "--", "--kubeconfig", &kubeconfig, "config"]);
        command.args(arguments);
        run(command, "").ok();
    }

    let found = Preflight::run(&cluster, &["--kubeconfig", &kubeconfig]);
    cluster.delete_namespace("pf-blind");

    found.expect("P4", "Failed Block", "system:serviceaccount:pf-blind:blind lacks: ");
    found.expect_code("P4", None);
    assert_eq!(found.failed(), ["P4"], "{found:?}");
    // Everybody may ask for the resources that are served; nothing else is open to a stranger.
    for check in found.document["checks"].as_array().unwrap() {
        assert_ne!(check["result"], "Passed", "{check:#}");
    }
    for id in ["P11", "P13", "P17", "P19", "P27", "P28", "P34", "P37", "P43", "P44"] {
        found.expect(id, "NotObservable", "forbidden");
    }
}
