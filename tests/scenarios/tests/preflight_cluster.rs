//! `cofferdam preflight` with a kubeconfig alone: each thing that is broken is named by its check, and only by it.

use scenarios::{Cluster, Halted, Preflight, binary, run, wait_until};
use std::{process::Command, time::Duration};

const SOON: Duration = Duration::from_secs(60);

/// Breaks something with a manifest, and takes it away again.
fn broken(
    cluster: &Cluster,
    manifest: &str,
    namespace: &str,
    arguments: &[&str],
    id: &str,
) -> [Preflight; 2] {
    cluster.delete_namespace(namespace);
    cluster.apply(manifest);
    // A moment goes by until controllers have written what is seen.
    let seen = wait_until("the check fails", SOON, || {
        let found = Preflight::run(cluster, arguments);
        if found.result(id).starts_with("Failed") { Ok(found) } else { Err(format!("{:#}", found.check(id))) }
    });
    cluster.try_kubectl(&["delete", "-f", "-", "--ignore-not-found", "--wait=true"], manifest).ok();
    [seen, Preflight::run(cluster, arguments)]
}

#[test]
fn a_webhook_without_a_service_is_named_until_it_is_gone() {
    let cluster = Cluster::one();
    let manifest = r#"{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",
        "metadata":{"name":"pf-webhook"},"webhooks":[{"name":"left.behind.example","failurePolicy":"Fail",
        "sideEffects":"None","admissionReviewVersions":["v1"],
        "clientConfig":{"service":{"namespace":"gone","name":"hook"}},
        "rules":[{"apiGroups":["example.com"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["things"]}]}]}"#;

    let [seen, after] = broken(&cluster, manifest, "pf-none", &[], "P44");

    seen.expect(
        "P44",
        "Failed Warn",
        "validating/pf-webhook/left.behind.example: the service gone/hook does not exist",
    );
    assert_eq!(seen.failed(), ["P44"], "{seen:?}");
    assert_eq!(after.result("P44"), "Passed", "{:#}", after.check("P44"));
}

#[test]
fn a_claim_that_waits_and_one_of_a_class_that_is_not_there_are_told_apart() {
    let cluster = Cluster::one();
    let claim = |class: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"List","items":[
            {{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"pf-claims"}}}},
            {{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{{"name":"waits","namespace":"pf-claims"}},
              "spec":{{"accessModes":["ReadWriteOnce"],"storageClassName":"{class}",
              "resources":{{"requests":{{"storage":"1Mi"}}}}}}}}]}}"#
        )
    };

    let [no_class, after] = broken(&cluster, &claim("pf-no-such-class"), "pf-claims", &[], "P35");
    // Without a class of its own nobody makes a volume for it.
    let [waits, _] = broken(&cluster, &claim(""), "pf-claims", &[], "P34");

    no_class.expect("P35", "Failed Warn", "pf-claims/waits (pf-no-such-class)");
    assert_eq!(no_class.failed(), ["P35"], "{no_class:?}");
    waits.expect("P34", "Failed Warn", "pf-claims/waits (Pending)");
    assert_eq!(waits.failed(), ["P34"], "{waits:?}");
    assert_eq!(after.result("P35"), "Passed", "{:#}", after.check("P35"));
}

#[test]
fn an_extension_like_the_originals_blocks_ours() {
    let cluster = Cluster::one();
    let manifest = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"pf-original"}},
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"dataprotection-microsoft-controller",
          "namespace":"pf-original","labels":{"app.kubernetes.io/name":"dataprotection-microsoft-kubernetes"}},
          "spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},
          "spec":{"containers":[{"name":"c","image":"original.example/controller"}]}}}}]}"#;

    let [seen, after] = broken(&cluster, manifest, "pf-original", &[], "C2");

    seen.expect("C2", "Failed Block", "pf-original/dataprotection-microsoft-controller");
    assert_eq!(seen.failed(), ["C2"], "{seen:?}");
    assert_eq!(seen.code, 5);
    assert_eq!(after.result("C2"), "Passed", "{:#}", after.check("C2"));
}

#[test]
fn a_snapshot_controller_that_does_nothing_is_named_by_its_lease_until_it_goes_on() {
    let cluster = Cluster::one();
    // A lease counts for a minute after its last renewal; one that went on takes a new one over in a few seconds.
    let until = |result: &str| {
        wait_until(&format!("P12 is {result}"), Duration::from_secs(90), || {
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
    assert_eq!(idle.check("P12")["details"]["objects"], serde_json::json!([lease]));
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
    found.expect("P51", "Failed Block", "not there: default/pf-hook");
    there.expect("P36", "Passed", "all 2 are there");
    assert_eq!(there.result("P51"), "NotApplicable", "{:#}", there.check("P51"));
}

#[test]
fn a_cluster_is_its_own_target_but_for_what_stands_there_already() {
    let cluster = Cluster::one();

    let found = Preflight::run(&cluster, &["--target-kubeconfig", &cluster.kubeconfig]);

    found.expect("P47", "Passed", "serves every resource");
    for id in ["P2", "P46", "P50"] {
        assert!(
            ["Passed", "Failed Block", "Failed Warn"].contains(&found.result(id).as_str()),
            "{:#}",
            found.check(id)
        );
    }
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
    assert_eq!(found.failed(), ["P4"], "{found:?}");
    // Everybody may ask for the resources that are served; nothing else is open to a stranger.
    for check in found.document["checks"].as_array().unwrap() {
        assert_ne!(check["result"], "Passed", "{check:#}");
    }
    for id in ["P11", "P13", "P17", "P19", "P27", "P28", "P34", "P37", "P43", "P44"] {
        found.expect(id, "NotObservable", "forbidden");
    }
}
