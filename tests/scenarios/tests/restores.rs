//! Restores as a person at a shell sees them: the plan, the result, and what goes wrong.

use scenarios::volumes::world;
use scenarios::{Cluster, Installation, NAMESPACE, load_workload};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const SHOP: &str = "restore-shop";

/// A namespace with three ConfigMaps and a backup of it; since then one was changed and one deleted.
fn backed_up_and_changed(cluster: &Cluster) {
    cluster.delete_namespace(SHOP);
    cluster.kubectl(&["create", "namespace", SHOP]);
    for name in ["same", "changed", "deleted"] {
        cluster.kubectl(&["create", "configmap", "-n", SHOP, name, "--from-literal=sky=blue"]);
    }
    cluster.cofferdam(&["backup", "create", "shop", "--include-namespaces", SHOP, "--wait"]).ok();
    cluster.kubectl(&["patch", "configmap", "-n", SHOP, "changed", "-p", "{\"data\":{\"sky\":\"red\"}}"]);
    cluster.kubectl(&["delete", "configmap", "-n", SHOP, "deleted"]);
}

fn objects(text: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(text).expect("JSON");
    all.as_array().cloned().expect("a list of objects")
}

fn of_shop<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    rows.iter()
        .find(|row| row["namespace"] == SHOP && row["name"] == name && row["kind"] == "ConfigMap")
        .unwrap_or_else(|| panic!("{name} is not in {rows:#?}"))
}

#[test]
fn a_person_plans_restores_filters_the_result_and_is_told_what_to_do_about_errors() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "restores");
    backed_up_and_changed(&cluster);
    let from = ["--from-backup", "shop"];

    let tree = cluster.cofferdam(&[&["restore", "plan", "first"], &from[..]].concat()).ok();
    let json = cluster.cofferdam(&[&["restore", "plan", "second", "-o", "json"], &from[..]].concat()).ok();
    let created = cluster.cofferdam(&[&["restore", "create", "third", "--wait"], &from[..]].concat());

    assert!(tree.contains(&format!("namespace {SHOP}")), "{tree}");
    for line in
        ["+ create          deleted", ". skip            changed [data.sky]", "= unchanged       same"]
    {
        assert!(tree.contains(line), "{line} is not in\n{tree}");
    }
    assert!(tree.contains("(checked by the server)"), "{tree}");
    let planned = objects(&json);
    assert_eq!(created.code, 0, "{}{}", created.stdout, created.stderr);
    installed.wait_phase("restores", "third", &["Completed"], Duration::from_secs(5));
    let done = objects(&cluster.cofferdam(&["restore", "show", "third", "--all", "-o", "json"]).ok());
    for (name, action) in [("deleted", "create"), ("changed", "skip"), ("same", "unchanged")] {
        for rows in [&planned, &done] {
            assert_eq!(of_shop(rows, name)["action"], action);
        }
        assert_eq!(of_shop(&planned, name)["fields"], of_shop(&done, name)["fields"]);
    }
    assert_eq!(planned.len(), done.len(), "plan and restore are about the same objects");

    let skipped = cluster.cofferdam(&["restore", "show", "third", "--ending", "skipped"]).ok();
    assert!(skipped.contains("changed") && skipped.contains("data.sky"), "{skipped}");
    assert!(!skipped.contains("deleted"), "{skipped}");
    let page = cluster.cofferdam(&["restore", "show", "third", "--page", "1", "--page-size", "1"]).ok();
    assert!(page.contains("more: cofferdam restore show third --page 2"), "{page}");
    let unknown = cluster.cofferdam(&["restore", "show", "nobody"]);
    assert_eq!(unknown.code, 5, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("next: "), "{}", unknown.stderr);
    modifiers_with_a_typo_are_refused(&cluster);
    a_wrong_password_at_a_source_location_is_named(&cluster, &installed);
    cluster.delete_namespace(SHOP);
}

fn modifiers_with_a_typo_are_refused(cluster: &Cluster) {
    let rules =
        "version: v1\nresourceModifierRules:\n- conditions: {groupResource: pods}\n  mergePatchs: []\n";
    cluster.kubectl(&["create", "configmap", "-n", SHOP, "typo", &format!("--from-literal=rules={rules}")]);
    let modifier = format!("{SHOP}/typo");

    let refused = cluster.cofferdam(&[
        "restore",
        "create",
        "typo",
        "--from-backup",
        "shop",
        "--modifier",
        &modifier,
        "--wait",
    ]);

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    for word in ["UserErrorResourceModifierInvalid", "line 4", "Correct the ConfigMap"] {
        assert!(refused.stderr.contains(word), "{word} is not in {}", refused.stderr);
    }
}

fn a_wrong_password_at_a_source_location_is_named(cluster: &Cluster, installed: &Installation) {
    let backup = installed.resource("backups", "shop");
    let point = backup["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned();
    let directory = tempfile::tempdir().expect("a directory");
    let password = directory.path().join("password");
    std::fs::write(&password, "not the password of this repository").expect("a file");
    let password = password.display().to_string();
    let store = installed.store.arguments();
    let mut add =
        vec!["location", "add", "elsewhere", "--role", "source", "--repository-password-file", &password];
    add.extend(store.iter().map(String::as_str));
    cluster.cofferdam(&add);

    let refused = cluster.cofferdam(&[
        "restore",
        "create",
        "locked",
        "--point",
        &point,
        "--location",
        "elsewhere",
        "--wait",
    ]);

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.to_lowercase().contains("password"), "{}", refused.stderr);
    assert!(refused.stderr.contains("repository-elsewhere"), "the Secret is named: {}", refused.stderr);
    let real = cluster.kubectl(&[
        "get",
        "secret",
        "-n",
        NAMESPACE,
        "repository-default",
        "-o",
        "jsonpath={.data.repository-password}",
    ]);
    let patch = format!("{{\"data\":{{\"repository-password\":\"{}\"}}}}", real.trim());
    cluster.kubectl(&["patch", "secret", "-n", NAMESPACE, "repository-elsewhere", "-p", &patch]);
    // Locations are opened anew when their Secret changed, at most a minute later.
    scenarios::wait_until("the source location opens", Duration::from_secs(90), || {
        let name = format!(
            "unlocked-{}",
            cluster
                .get(&["restores", "-n", NAMESPACE])
                .map_or(0, |all| { all["items"].as_array().map_or(0, Vec::len) })
        );
        let ran =
            cluster.cofferdam(&["restore", "plan", &name, "--point", &point, "--location", "elsewhere"]);
        if ran.code == 0 { Ok(()) } else { Err(ran.stderr) }
    });
}

/// Two namespaces with the same four objects each.
fn two_alike(cluster: &Cluster) {
    for namespace in ["filter-a", "filter-b"] {
        cluster.delete_namespace(namespace);
        cluster.kubectl(&["create", "namespace", namespace]);
        for (name, tier) in [("page", "web"), ("table", "db")] {
            cluster.kubectl(&["create", "configmap", "-n", namespace, name]);
            cluster.kubectl(&["label", "configmap", "-n", namespace, name, &format!("tier={tier}")]);
        }
        cluster.kubectl(&["create", "secret", "generic", "-n", namespace, "token"]);
        cluster.kubectl(&["create", "serviceaccount", "-n", namespace, "bot"]);
    }
}

/// What stands in the namespaces that a row was restored into, as `a/configmap/page`.
fn in_copies(cluster: &Cluster, row: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for side in ["a", "b"] {
        let namespace = format!("filter-{row}-{side}");
        let kinds = "configmaps,secrets,serviceaccounts";
        let names = cluster.kubectl(&["get", kinds, "-n", &namespace, "-o", "name"]);
        // Every namespace gets these from Kubernetes itself.
        let own = |name: &&str| *name != "configmap/kube-root-ca.crt" && *name != "serviceaccount/default";
        found.extend(names.lines().filter(own).map(|name| format!("{side}/{name}")));
    }
    found
}

#[test]
fn filters_of_a_restore_select_what_is_restored() {
    let cluster = Cluster::one();
    Installation::fresh(&cluster, "filters");
    two_alike(&cluster);
    let both = ["backup", "create", "both", "--include-namespaces", "filter-a,filter-b", "--wait"];
    cluster.cofferdam(&both).ok();
    let all = ["configmap/page", "configmap/table", "secret/token", "serviceaccount/bot"];
    let rows: [(&[&str], &[&str], &[&str]); 7] = [
        (&[], &all, &all),
        (&["--include-namespaces", "filter-a"], &all, &[]),
        (&["--exclude-namespaces", "*-a"], &[], &all),
        (&["--include-resources", "configmaps"], &all[..2], &all[..2]),
        (&["--exclude-resources", "v1/ConfigMap,secrets"], &all[3..], &all[3..]),
        (&["--selector", "tier=web"], &all[..1], &all[..1]),
        (&["--include-namespaces", "filter-a", "--selector", "tier!=web"], &all[1..], &[]),
    ];

    let mut wrong = Vec::new();
    for (row, (arguments, a, b)) in rows.iter().enumerate() {
        let copies = ["a", "b"].map(|side| format!("filter-{row}-{side}"));
        for copy in &copies {
            cluster.delete_namespace(copy);
            cluster.kubectl(&["create", "namespace", copy]);
        }
        let maps = ["a", "b"].map(|side| format!("filter-{side}:filter-{row}-{side}"));
        let name = format!("filter-{row}");
        let mut restore = vec!["restore", "create", &name, "--from-backup", "both", "--wait"];
        restore.extend(["--map", &maps[0], "--map", &maps[1]]);
        restore.extend(*arguments);
        let ran = cluster.cofferdam(&restore);

        let wanted = a.iter().map(|name| format!("a/{name}")).chain(b.iter().map(|name| format!("b/{name}")));
        let found = in_copies(&cluster, row);
        if ran.code != 0 || found != wanted.collect() {
            wrong.push(format!("{arguments:?}: exit code {}, restored {found:?}\n{}", ran.code, ran.stderr));
        }
        for copy in &copies {
            cluster.delete_namespace(copy);
        }
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for namespace in ["filter-a", "filter-b"] {
        cluster.delete_namespace(namespace);
    }
}

/// Two pods, the second of which is made only when the first has been ready for a while.
fn one_after_the_other() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "slow", "namespace": "hooked-restore"},
        "spec": {"replicas": 2, "serviceName": "slow", "selector": {"matchLabels": {"app": "slow"}},
            "template": {"metadata": {"labels": {"app": "slow"}}, "spec": {
                "terminationGracePeriodSeconds": 0, "containers": [{
                    "name": "app", "image": "cofferdam.test/shell:1", "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", "1000000"],
                    "readinessProbe": {"exec": {"command": ["true"]}, "initialDelaySeconds": 15},
                }]}}},
    })
}

fn restore_hook(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "RestoreHook",
        "metadata": {"name": name, "namespace": "hooked-restore"},
        "spec": {"restoreHook": [{"name": "mark", "includedNamespaces": ["hooked-restore"],
            "labelSelector": {"matchLabels": {"app": app}},
            "postHooks": [{"exec": {"command": ["touch", "/tmp/restored"], "onError": "Fail"}}]}]},
    })
}

#[test]
fn restore_hooks_reach_pods_that_are_made_late_and_one_that_reaches_none_says_so() {
    let cluster = Cluster::one();
    load_workload(&cluster, "shell");
    let installed = Installation::fresh(&cluster, "hooked-restore");
    let objects = vec![one_after_the_other(), restore_hook("all", "slow"), restore_hook("none", "nothing")];
    world(&cluster, "hooked-restore", objects);
    cluster.delete_namespace("hooked-copy");
    cluster
        .cofferdam(&["backup", "create", "hooked", "--include-namespaces", "hooked-restore", "--wait"])
        .ok();
    let mut restore = vec!["restore", "create", "hooked", "--from-backup", "hooked", "--wait"];
    restore.extend(["--map", "hooked-restore:hooked-copy", "--include-namespaces", "hooked-restore"]);
    restore.extend(["--hook", "hooked-restore/all", "--hook", "hooked-restore/none"]);

    let restored = cluster.cofferdam(&restore);

    assert_eq!(restored.code, 3, "{}{}", restored.stdout, restored.stderr);
    for pod in ["slow-0", "slow-1"] {
        assert_eq!(cluster.exec("hooked-copy", pod, &["ls", "/tmp/restored"]).trim(), "/tmp/restored");
    }
    let status = installed.resource("restores", "hooked")["status"].clone();
    assert_eq!(status["problemCount"], 1, "{status}");
    assert_eq!(status["problems"][0]["code"], "UserErrorHookExecutionFailed", "{status}");
    assert_eq!(status["problems"][0]["target"], "restorehooks/hooked-restore/none", "{status}");
    for namespace in ["hooked-restore", "hooked-copy"] {
        cluster.delete_namespace(namespace);
    }
}

#[test]
fn a_restore_says_what_holds_up_a_namespace_that_it_waits_for() {
    const HELD: &str = "restore-held";
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "held");
    cluster.delete_namespace(HELD);
    cluster.kubectl(&["create", "namespace", HELD]);
    cluster.kubectl(&["create", "configmap", "-n", HELD, "held", "--from-literal=sky=blue"]);
    cluster.cofferdam(&["backup", "create", "held", "--include-namespaces", HELD, "--wait"]).ok();
    let finalizer = |list: &str| {
        let patch = format!(r#"{{"metadata":{{"finalizers":{list}}}}}"#);
        cluster.kubectl(&["patch", "configmap", "-n", HELD, "held", "--type=merge", "-p", &patch]);
    };
    finalizer(r#"["example.com/hold"]"#);
    cluster.kubectl(&["delete", "namespace", HELD, "--wait=false"]);

    cluster.cofferdam(&["restore", "create", "held", "--from-backup", "held"]).ok();
    let waiting =
        scenarios::wait_until("the restore says what it waits for", Duration::from_secs(60), || {
            let found = installed.resource("restores", "held");
            let conditions = found["status"]["conditions"].to_string();
            if conditions.contains("example.com/hold") { Ok(found) } else { Err(conditions) }
        });
    let shown = cluster.cofferdam(&["restore", "show", "held"]).stdout;
    finalizer("null");
    let ended = installed.wait_phase("restores", "held", &["Completed", "Failed"], Duration::from_secs(60));

    assert_eq!(waiting["status"]["phase"], "InProgress", "{:#}", waiting["status"]);
    for named in ["TryingAgain", "namespaces/restore-held is being deleted", "kubernetes"] {
        assert!(waiting["status"]["conditions"].to_string().contains(named), "{:#}", waiting["status"]);
    }
    assert!(shown.contains("example.com/hold"), "{shown}");
    assert_eq!(ended["status"]["phase"], "Completed", "{:#}", ended["status"]);
    assert!(!ended["status"]["conditions"].to_string().contains("example.com/hold"), "{:#}", ended["status"]);
    assert!(cluster.get(&["configmap", "-n", HELD, "held"]).is_some());
    cluster.delete_namespace(HELD);
}
