//! Every command of the command line once, as a program uses it: `-o json` and `-o yaml`, and the exit codes.

use scenarios::{Cluster, Installation, NAMESPACE, Ran, binary, run};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SPACE: &str = "commands-shop";

/// Two backups of a namespace, between which one ConfigMap changed, and a restore of the first.
fn history(cluster: &Cluster) {
    cluster.delete_namespace(SPACE);
    cluster.kubectl(&["create", "namespace", SPACE]);
    cluster.kubectl(&["create", "configmap", "-n", SPACE, "sky", "--from-literal=colour=blue"]);
    cluster.cofferdam(&["backup", "create", "old", "--include-namespaces", SPACE, "--wait"]).ok();
    cluster.kubectl(&["patch", "configmap", "-n", SPACE, "sky", "-p", "{\"data\":{\"colour\":\"red\"}}"]);
    cluster.cofferdam(&["backup", "create", "new", "--include-namespaces", SPACE, "--wait"]).ok();
    cluster.cofferdam(&["restore", "create", "again", "--from-backup", "old", "--wait"]).ok();
}

/// The exit code of a command, which must print one JSON document and, with `-o yaml`, YAML.
fn printed(cluster: &Cluster, command: &[&str]) -> (i32, Value) {
    let json = cluster.cofferdam(&[command, &["-o", "json"]].concat());
    (json.code, json.json())
}

fn id_of(installed: &Installation, backup: &str) -> String {
    let found = installed.resource("backups", backup);
    found["status"]["recoveryPoint"]["id"].as_str().expect("a recovery point").to_owned()
}

#[test]
fn every_command_speaks_json_to_programs() {
    let cluster = Cluster::one();
    let installed = Installation::fresh(&cluster, "commands");
    history(&cluster);
    let (old, new) = (id_of(&installed, "old"), id_of(&installed, "new"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (files, manifests) = (path("files"), path("manifests"));

    let backups = printed(&cluster, &["backup", "list"]);
    let difference = printed(&cluster, &["recovery-point", "diff", &old, &new]);
    let restores = printed(&cluster, &["restore", "list"]);
    let browsed = printed(&cluster, &["recovery-point", "browse", &old]);
    let downloaded = printed(&cluster, &["recovery-point", "download", &old, "--to", &files]);
    let exported = printed(
        &cluster,
        &["recovery-point", "export", &old, "--to", &manifests, "--include-namespaces", SPACE],
    );
    let would_delete = printed(&cluster, &["backup", "delete", "old"]);
    let others: Vec<(i32, Value)> = [
        &["backup", "show", "old"][..],
        &["restore", "show", "again"],
        &["restore", "show", "again", "--all"],
        &["restore", "plan", "--from-backup", "new"],
        &["recovery-point", "list"],
        &["location", "list"],
        &["location", "show", "default"],
        &["backup", "delete", "old", "--yes", "--wait"],
    ]
    .iter()
    .map(|command| printed(&cluster, command))
    .collect();
    a_deletion_that_failed_is_asked_for_again(&cluster, &installed, &new);
    let logs = cluster.cofferdam(&["backup", "logs", "old"]);
    let raw = cluster.cofferdam(&["backup", "logs", "old", "-o", "json"]).ok();
    let yaml = cluster.cofferdam(&["backup", "show", "new", "-o", "yaml"]).ok();

    assert_eq!(names(&backups.1), ["new", "old"], "the newest first: {}", backups.1);
    assert_eq!(names(&restores.1), ["again"]);
    let text = difference.1.to_string();
    assert!(text.contains("configmaps/commands-shop/sky") && text.contains("/data/colour"), "{text}");
    assert!(browsed.1["manifest"]["recoveryPoint"] == old.as_str(), "{}", browsed.1);
    assert!(downloaded.1["files"].as_u64() > Some(1), "{}", downloaded.1);
    assert!(exported.1["files"].as_array().is_some_and(|files| !files.is_empty()), "{}", exported.1);
    assert_eq!(would_delete.1["deleted"], false, "{}", would_delete.1);
    for (code, document) in
        [backups, difference, restores, browsed, downloaded, exported, would_delete].into_iter().chain(others)
    {
        assert_eq!(code, 0, "{document}");
    }
    assert!(logs.stdout.contains("step=commit"), "{}{}", logs.stdout, logs.stderr);
    for line in raw.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let applied = cluster.try_kubectl(&["apply", "--dry-run=client", "-o", "json", "-f", "-"], &yaml).ok();
    assert!(applied.contains("\"name\": \"new\""), "{applied}");
    cluster.delete_namespace(SPACE);
}

fn a_deletion_that_failed_is_asked_for_again(cluster: &Cluster, installed: &Installation, point: &str) {
    let name = format!("delete-{point}");
    cluster.apply(&format!(
        "{{apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1, kind: DeleteBackup, \
          metadata: {{name: {name}, namespace: {NAMESPACE}}}, \
          spec: {{recoveryPoint: {{location: nowhere, id: {point}}}}}}}"
    ));
    installed.wait_phase("deletebackups", &name, &["Failed"], Duration::from_secs(60));

    let again = cluster.cofferdam(&["backup", "delete", "new", "--yes", "--wait"]);

    assert_eq!(again.code, 0, "{}{}", again.stdout, again.stderr);
    assert!(again.stderr.contains("failed before; it is tried again"), "{}", again.stderr);
    let left = cluster.cofferdam(&["recovery-point", "list"]).ok();
    assert!(!left.contains(point), "{left}");
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|one| one["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_wrong_argument_and_an_unknown_name_have_exit_codes_of_their_own() {
    let cluster = Cluster::one();
    let _installed = Installation::fresh(&cluster, "commands-codes");

    let wrong = cluster.cofferdam(&["backup", "create", "Not_A_Name"]);
    let unknown_flag = cluster.cofferdam(&["backup", "create", "--no-such-flag"]);
    let unknown = cluster.cofferdam(&["backup", "show", "nobody", "-o", "json"]);
    let context = cluster.cofferdam(&["--context", "nowhere", "backup", "list"]);

    assert_eq!((wrong.code, unknown_flag.code, unknown.code), (2, 2, 5));
    for refused in [&wrong, &unknown] {
        assert!(refused.stderr.contains("next: "), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    assert!(context.code != 0 && context.stderr.contains("nowhere"), "{}", context.stderr);
}

#[test]
fn a_repository_is_kept_in_order_without_a_cluster() {
    let files = tempfile::tempdir().expect("a directory");
    let (source, place) = (files.path().join("source"), files.path().join("place"));
    for directory in [&source, &place] {
        std::fs::create_dir(directory).expect("a directory");
    }
    let repository = |arguments: &[&str]| {
        let mut command = Command::new(binary("cofferdam"));
        command.args(["repository", "--directory"]).arg(&place).args(arguments);
        command.args(["-o", "json"]).env("COFFERDAM_REPOSITORY_PASSWORD", "secret");
        run(command, "")
    };
    let done = |arguments: &[&str]| -> Value {
        let ran: Ran = repository(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        ran.json()
    };
    let save = |content: &str| {
        std::fs::write(source.join("file"), content).expect("a file");
        done(&["backup", &source.display().to_string()]);
    };
    let snapshots = || done(&["list"]).as_array().map_or(0, Vec::len);

    done(&["init"]);
    save("first");
    save("second");
    done(&["check"]);
    done(&["check-data"]);
    let planned = (done(&["forget", "--keep-last", "1"]), snapshots());
    done(&["forget", "--keep-last", "1", "--yes"]);
    let kept = snapshots();
    done(&["prune"]);
    done(&["prune", "--longest-job", "0s", "--yes"]);
    done(&["check-data"]);
    let newest = done(&["list"])[0]["id"].as_str().expect("an id").to_owned();
    let back = files.path().join("back");
    done(&["restore", &newest, "--to", &back.display().to_string()]);

    assert_eq!((planned.1, kept), (2, 1), "a plan removes nothing: {}", planned.0);
    assert_eq!(content(&back), ["second"]);
}

/// The content of every file below a directory.
fn content(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the directory").map(|entry| entry.expect("an entry")) {
        match entry.file_type().expect("a type").is_dir() {
            true => found.extend(content(&entry.path())),
            false => found.push(std::fs::read_to_string(entry.path()).expect("text")),
        }
    }
    found
}
