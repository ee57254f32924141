//! Every command of the command line once, as a program uses it: `-o json` and `-o yaml`, and the exit codes.

use scenarios::{Cluster, Installation, NAMESPACE, Ran, binary, run, wait_until};
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
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
    let nothing_there = ["recovery-point", "browse", &old, "no-such-things"];
    let used = ["recovery-point", "download", &old, "--to", &files];
    let refused = [&nothing_there[..], &used].map(|command| cluster.cofferdam(command));
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
    assert_eq!((&would_delete.1["namespaces"], &would_delete.1["backup"]), (&json!([SPACE]), &json!("old")));
    for ran in refused {
        assert!(ran.code == 5 && ran.stderr.contains("\nnext: "), "{}: {}", ran.code, ran.stderr);
    }
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

    let cases: [(&[&str], i32); 10] = [
        (&["backup", "create", "Not_A_Name"], 2),
        (&["backup", "create", "--no-such-flag"], 2),
        (&["backup", "create", "--deadline", "0s"], 2),
        (&["backup", "create", "--include-namespaces", ""], 2),
        (&["restore", "plan", "--point", "x", "--include-resources", ""], 2),
        (&["install", "--set", "resources.limits.memory=abc"], 2),
        (&["backup", "show", "nobody", "-o", "json"], 5),
        (&["backup", "delete", "nobody"], 5),
        (&["backup", "delete", "--point", "nothing"], 5),
        (&["recovery-point", "list", "--location", "nowhere"], 5),
    ];
    let refusals = cases.map(|(command, code)| (command, code, cluster.cofferdam(command)));
    let context = cluster.cofferdam(&["--context", "nowhere", "backup", "list"]);

    for (command, code, refused) in refusals {
        assert_eq!((refused.code, refused.stdout.as_str()), (code, ""), "{command:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("\nnext: "), "{command:?}: {}", refused.stderr);
    }
    let backups = cluster.cofferdam(&["backup", "list", "-o", "json"]).json();
    assert_eq!(backups, json!([]), "what is refused writes nothing");
    assert!(context.code != 0 && context.stderr.contains("nowhere"), "{}", context.stderr);
}

#[test]
fn a_repository_is_kept_in_order_without_a_cluster() {
    let files = tempfile::tempdir().expect("a directory");
    let (source, place) = (files.path().join("source"), files.path().join("place"));
    for directory in [&source, &place] {
        std::fs::create_dir(directory).expect("a directory");
    }
    let done = |arguments: &[&str]| -> Value {
        let ran = repository(&place, "secret", &[arguments, &["-o", "json"]].concat());
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

/// `cofferdam repository` on the repository in a directory.
fn repository(place: &Path, password: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new(binary("cofferdam"));
    command.args(["repository", "--directory"]).arg(place).args(arguments);
    run(with_password(command, password), "")
}

fn with_password(mut command: Command, password: &str) -> Command {
    command.env_remove("COFFERDAM_REPOSITORY_PASSWORD_FILE").env("COFFERDAM_REPOSITORY_PASSWORD", password);
    command
}

#[test]
fn errors_of_a_repository_have_their_exit_codes_and_a_next_step() {
    let files = tempfile::tempdir().expect("a directory");
    let (place, absent) = (files.path(), files.path().join("absent"));
    repository(place, "secret", &["init"]).ok();
    let cases: [(&Path, &str, &[&str], i32, &str); 10] = [
        (place, "secret", &["init"], 5, "holds a repository already"),
        (place, "another", &["list"], 5, "does not open"),
        (place, "", &["list"], 2, "password is not given"),
        (place, "secret", &["list", "abcd"], 5, "there is no snapshot abcd"),
        (place, "secret", &["restore", "latest", "--to", "/nowhere"], 5, "holds no snapshot"),
        (place, "secret", &["forget"], 2, "--keep-last"),
        (place, "secret", &["backup", "/no/such/directory"], 5, "/no/such/directory"),
        (place, "secret", &["check-data", "--part", "9/3"], 2, "9/3"),
        (&absent, "secret", &["list"], 5, "absent"),
        (&absent, "secret", &["--set", "bukkit=x", "list"], 2, "--set"),
    ];

    let ran = cases.map(|case| (repository(case.0, case.1, case.2), case));
    let mut unknown = Command::new(binary("cofferdam"));
    unknown.args(["repository", "--set", "bukkit=x", "list"]);
    let unknown = run(with_password(unknown, "secret"), "");

    for (ran, (_, _, arguments, code, said)) in ran {
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains(said) && ran.stderr.contains("\nnext: "),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("LocationNotReady"), "{arguments:?}: {}", ran.stderr);
    }
    assert!(
        unknown.code == 2 && unknown.stderr.contains("no setting bukkit\nnext: Known are"),
        "{unknown:?}"
    );
}

#[test]
fn the_lock_of_a_killed_process_goes_when_it_is_stale_or_when_a_person_insists() {
    let files = tempfile::tempdir().expect("a directory");
    let (source, place) = (files.path().join("source"), files.path().join("place"));
    for directory in [&source, &place] {
        std::fs::create_dir(directory).expect("a directory");
    }
    let mut large = std::fs::File::create(source.join("large")).expect("a file");
    let mut noise = std::fs::File::open("/dev/urandom").expect("noise").take(512 << 20);
    std::io::copy(&mut noise, &mut large).expect("a file that takes longer to save than to see its lock");
    repository(&place, "secret", &["init"]).ok();
    let locks = || std::fs::read_dir(place.join("cofferdam/locks")).map_or(0, Iterator::count);
    let mut command = Command::new(binary("cofferdam"));
    command.args(["repository", "--directory"]).arg(&place).arg("backup").arg(&source);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut writer = with_password(command, "secret").spawn().expect("the backup starts");
    wait_until(
        "a lock",
        Duration::from_secs(60),
        || {
            if locks() == 1 { Ok(()) } else { Err("none".to_owned()) }
        },
    );
    writer.kill().expect("it runs");
    writer.wait().expect("it ends");

    let spared = repository(&place, "secret", &["unlock", "-o", "json"]);
    let locked = repository(&place, "secret", &["prune", "--yes"]);
    let planned = (repository(&place, "secret", &["unlock", "--remove-all"]), locks());
    let removed = repository(&place, "secret", &["unlock", "--remove-all", "--yes", "-o", "json"]);
    let free = repository(&place, "secret", &["unlock"]).ok();

    let spared = spared.json();
    assert_eq!(
        (spared[0]["stale"].clone(), spared[0]["removed"].clone()),
        (json!(false), json!(false)),
        "{spared}"
    );
    assert!(locked.code == 5 && locked.stderr.contains("cofferdam repository unlock"), "{locked:?}");
    assert!(planned.1 == 1 && planned.0.stderr.contains("warning: "), "{planned:?}");
    assert!(planned.0.stderr.contains("repeat with --yes"), "{planned:?}");
    assert_eq!((removed.code, removed.json()[0]["removed"].clone()), (0, json!(true)), "{removed:?}");
    assert_eq!((free.trim(), locks()), ("the repository is not locked", 0));
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
