//! Bad nights of a vault with a real cluster: a role, a key or the whole vault is lost, is missed and told, and comes back.

use scenarios::{
    Cluster, LONG, Managed, NAMESPACE, Protected, Ran, Receiver, SLOW, Vault, binary, run, wait_until,
};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the clusters' pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8460";
const KEY: &str = "https://kv.vault.azure.net/keys/night/v1";
const ROLE: &str = "Storage Blob Data Contributor";

#[test]
fn a_lost_role_and_a_lost_key_are_told_at_once_and_all_goes_on_when_they_are_back() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let receiver = Receiver::start(place.path());
    let key = place.path().join("customer-key");
    std::fs::write(&key, "5e".repeat(32)).expect("the customer's key");
    let settings = [
        "--customer-key-file".to_owned(),
        format!("{KEY}={}", key.display()),
        "--webhooks".to_owned(),
        receiver.settings().display().to_string(),
        // So that the nights of this story are short, too.
        "--prerequisites-every".to_owned(),
        "20s".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let cluster = Managed::empty(Cluster::one());
    let it = Protected::shop(cluster, Vault::with(place.path(), ADDRESS, &settings));
    it.backs_up();
    println!("protected");

    let late = shut_out_in_the_midst(&it, &receiver);
    without_its_role(&it, &receiver);
    without_its_key(&it, &receiver, &key);
    comes_late(&it, &late);

    assert_eq!(it.points().len(), 5, "each backup that succeeded has its recovery point");
    it.loses_and_restores(None);
}

/// The vault is shut out of the cluster while a backup is under way, and let in again; the job that was given up.
fn shut_out_in_the_midst(it: &Protected, receiver: &Receiver) -> String {
    let kubectl = |args: &[&str]| it.cluster.0.kubectl(args);
    let show = ["--query", "[0].[name, properties.sourceResourceId]", "-o", "tsv"];
    let bindings = ["-g", "clusters", "--cluster-name", "one"];
    let binding = |verb: &[&str], more: &[&str]| {
        it.person.line(&[&["trusted-access", "rolebinding"], verb, &bindings, more].concat())
    };
    it.cluster.0.apply(SLOW);
    let chosen = ["--included-namespaces", "shop", "--include-cluster-scope-resources", "false"];
    let chosen = [&["-n", &it.instance, "--backup-hook-refs", "shop/slow"], &chosen[..]].concat();
    it.does(&["instance", "update"], &chosen);
    kubectl(&["exec", "-n", "shop", "app", "--", "touch", "/tmp/slow"]);
    let job = it.does(&["backup", "start"], &["-n", &it.instance, "--query", "jobId", "-o", "tsv"]);
    wait_until("the backup is held up", LONG, || {
        let seen = kubectl(&["exec", "-n", "shop", "app", "--", "ls", "/tmp"]);
        if seen.contains("held") { Ok(()) } else { Err(seen) }
    });

    let there = binding(&["list"], &show);
    let [name, source] = there.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{there}") };
    binding(&["delete", "--yes"], &["-n", name]);
    let ended = it.person.cofferdam(&["job", "watch", "--ids", &job]);
    // The vault looks for it after a minute, and cancels what then still runs.
    kubectl(&["exec", "-n", "shop", "app", "--", "rm", "/tmp/slow"]);
    let told = receiver.next(LONG);
    binding(&["create"], &["-n", name, "--source-resource-id", source]);
    let backup = job.rsplit('/').next().expect("the name of the job");
    wait_until("the backup ends in the cluster", LONG, || {
        let seen = it.cluster.0.get(&[
            "backups.clusterbackup.dataprotection.microsoft.com",
            "-n",
            NAMESPACE,
            backup,
        ]);
        let phase = seen.unwrap_or_default()["status"]["phase"].to_string();
        if phase.contains("Completed") { Ok(()) } else { Err(phase) }
    });
    it.backs_up();

    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("UserErrorTrustedAccessGatewayReturnedForbidden"), "{ended:?}");
    assert_eq!(told, "Sev1 Backup Failure Fired");
    assert_eq!(receiver.next(LONG), "Sev1 Backup Failure Resolved");
    println!("shut out and let in again");
    job
}

/// What the cluster finished although its job was given up is known in the end, and the job says so.
fn comes_late(it: &Protected, job: &str) {
    let warnings = ["--query", "properties.extendedInfo.warningDetails[].warning.code", "-o", "tsv"];
    wait_until("the late backup is known", LONG, || {
        let seen = it.person.line(&[&["job", "show", "--ids", job], &warnings[..]].concat());
        if seen == "BackupEndedLate" { Ok(()) } else { Err(seen) }
    });

    let status = ["--query", "properties.status", "-o", "tsv"];
    assert_eq!(it.person.line(&[&["job", "show", "--ids", job], &status[..]].concat()), "Failed");
    println!("the late backup is known");
}

/// Somebody takes away the role by which the extension writes, and gives it back.
fn without_its_role(it: &Protected, receiver: &Receiver) {
    let (extension, account) = (it.extension(), it.account());
    let which = ["--assignee", &extension, "--role", ROLE, "--scope", &account];
    let role = |verb: &[&str]| it.person.line(&[&["role", "assignment"], verb, &which].concat());

    let healthy = validated_by_hand(it, "healthy");
    role(&["delete", "--yes"]);
    let taken = Instant::now();
    receiver.prerequisite("P6", "Fired", LONG);
    let missed = taken.elapsed();
    let broken = validated_by_hand(it, "broken");
    let table = it.cluster.0.kubectl(&["get", "validateforbackups", "-n", NAMESPACE, "by-hand-broken"]);
    let said = it.fails_to_back_up();
    let (fired, told) = (it.failures("Fired"), receiver.next(LONG));
    role(&["create"]);
    it.backs_up();
    receiver.prerequisite("P6", "Resolved", LONG);
    let (open, over, ended) = (it.failures("Fired"), it.failures("Resolved"), receiver.next(LONG));

    for words in ["UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation", ROLE] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!((fired.as_str(), told.as_str()), ("1", "Sev1 Backup Failure Fired"));
    assert_eq!((open.as_str(), over.as_str(), ended.as_str()), ("0", "2", "Sev1 Backup Failure Resolved"));
    assert!(missed < Duration::from_secs(5 * 60), "the role was missed after {missed:?}");
    let code = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";
    let of = |status: &Value, id: &str| {
        let checks = status["checks"].as_array().cloned().unwrap_or_default();
        checks.into_iter().find(|check| check["id"] == id).unwrap_or_default()
    };
    assert_eq!(healthy["blocking"], 0, "{healthy:#}");
    assert!(healthy["checks"].as_array().is_some_and(|checks| checks.len() >= 53), "{healthy:#}");
    assert_eq!(of(&healthy, "P11")["result"], "Passed", "{healthy:#}");
    assert_eq!(of(&healthy, "P22")["result"], "NotObservable", "a cluster sees no roles: {healthy:#}");
    assert_eq!(
        (&broken["phase"], &of(&broken, "location")["code"]),
        (&json!("Failed"), &json!(code)),
        "{broken:#}"
    );
    assert!(table.contains("SUMMARY") && table.contains("location"), "{table}");
    println!("the role was missed after {missed:?}, told and given back\n{table}");
}

/// What a `ValidateForBackup` says that a person of the cluster applies; no vault is asked for anything but its key.
fn validated_by_hand(it: &Protected, name: &str) -> Value {
    let name = format!("by-hand-{name}");
    let object = json!({"apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "ValidateForBackup",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"backup": {"includedNamespaces": ["shop"]}}});
    it.cluster.0.apply(&object.to_string());
    wait_until("the validation ends", LONG, || {
        let kind = "validateforbackups.clusterbackup.dataprotection.microsoft.com";
        let seen = it.cluster.0.get(&[kind, "-n", NAMESPACE, &name]).unwrap_or_default();
        let status = seen["status"].clone();
        let ended =
            ["Completed", "CompletedWithWarnings", "Failed"].iter().any(|phase| status["phase"] == *phase);
        if ended { Ok(status) } else { Err(seen.to_string()) }
    })
}

/// The owner seals the repository with a key of their own, loses the key, and finds it again.
fn without_its_key(it: &Protected, receiver: &Receiver, key: &Path) {
    it.does(
        &["vault", "update"],
        &["--cmk-encryption-key-uri", KEY, "--cmk-identity-type", "SystemAssigned"],
    );
    let content = std::fs::read(key).expect("the customer's key");

    std::fs::remove_file(key).expect("the key is taken away");
    let said = it.fails_to_back_up();
    let told = receiver.next(LONG);
    std::fs::write(key, content).expect("the key is put back");
    it.backs_up();
    let ended = receiver.next(LONG);
    let off = it.tries(&["vault", "update"], &["--cmk-encryption-state", "Disabled"]);

    for words in ["UserErrorRepositoryGrantDenied", "UserErrorEncryptionKeyNotAvailable", KEY] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(
        (told.as_str(), ended.as_str()),
        ("Sev1 Backup Failure Fired", "Sev1 Backup Failure Resolved"),
        "a new failure after a success is a new alert"
    );
    assert!(off.stderr.contains("UserErrorEncryptionSettingsAreIrreversible"), "{off:?}");
    println!("the key was missed, told and put back");
}

#[test]
fn a_vault_that_is_lost_comes_back_with_what_it_did_not_know_and_outlives_its_cluster() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let folders = ["blobs", "away"].map(|name| place.path().join(name));
    for folder in &folders {
        std::fs::create_dir(folder).expect("a folder");
    }
    let [blobs, away] = folders.each_ref().map(|folder| format!("file://{}", folder.display()));
    let blobs = format!("default={blobs}");
    let public = operator(place.path(), &["make-recovery-key", "--identity", "recovery.key"]).ok();
    std::fs::write(place.path().join("recovery.pub"), public).expect("the public half");
    let public = place.path().join("recovery.pub").display().to_string();
    let backups = ["--backup-store", &away, "--backup-recipient", &public];
    let settings = [&["--store", &blobs], &backups[..]].concat();
    let cluster = Managed::empty(Cluster::one());
    let mut it = Protected::shop(cluster, Vault::with(place.path(), ADDRESS, &settings));
    it.backs_up();
    let known = it.points();
    operator(place.path(), &[&["self-backup", "--data", "vault"], &backups[..]].concat()).ok();
    it.backs_up();
    let unknown: Vec<String> = it.points().into_iter().filter(|point| !known.contains(point)).collect();
    println!("protected: {known:?} before the vault's backup, {unknown:?} after it");

    it.vault.kill();
    std::fs::remove_dir_all(it.vault.data()).expect("the vault's directory goes");
    let recover = ["recover", "--data", "vault", "--identity", "recovery.key", "--store", &blobs];
    let recovered = operator(place.path(), &[&recover[..], &["--backup-store", &away]].concat());
    println!("{}\n{}", recovered.stdout, recovered.stderr);
    it.vault = Vault::with(place.path(), ADDRESS, &settings);
    it.person.connected("one");

    let mut all = it.points();
    all.sort();
    let mut expected = [known.clone(), unknown].concat();
    expected.sort();
    assert_eq!(all, expected, "what the backup knew, and what only the repository knew");
    it.loses_and_restores(Some(&known[0]));
    it.backs_up();
    println!("the vault is back, and the shop with it");
    outlives_its_cluster(&it, place.path());
}

/// Its cluster goes without a farewell: what it left in the store, the vault deletes itself. The snapshots, which only the
/// cluster reaches, it names.
fn outlives_its_cluster(it: &Protected, place: &Path) {
    let before = snapshots(&place.join("blobs"));
    let parts = ["deployment", "-n", "kube-system", "cofferdam-agent", "cofferdam-gateway"];
    it.cluster.0.kubectl(&[&["delete"], &parts[..]].concat());
    it.person.line(&["cluster", "delete", "-n", "one", "-g", "clusters", "--yes"]);
    it.does(&["vault", "update"], &["--soft-delete-state", "Off"]);
    it.does(&["instance", "delete"], &["-n", &it.instance, "--yes"]);
    wait_until("the store is empty of recovery points", LONG, || match snapshots(&place.join("blobs")) {
        0 => Ok(()),
        left => Err(format!("{left} are left")),
    });
    wait_until("the instance is gone", LONG, || {
        let seen = it.does(&["instance", "list"], &["--query", "[].name", "-o", "tsv"]);
        if seen.is_empty() { Ok(()) } else { Err(seen) }
    });

    let list = ["list-left-snapshots", "--data", "vault", "-o", "json"];
    let left = operator(place, &list).json()["left"].as_array().cloned().unwrap_or_default();
    assert_eq!((before, left.len()), (3, 3), "{left:?}");
    for one in &left {
        // As the page says: what the list names leads to the snapshot, and deletes it.
        let [snapshot] = one["snapshots"].as_array().expect("snapshots").as_slice() else {
            panic!("one snapshot: {one}")
        };
        let content = snapshot["content"].as_str().expect("the content in the cluster");
        let found = it.cluster.0.get(&["volumesnapshotcontent", content]).expect("it is there");
        assert_eq!(found["status"]["snapshotHandle"], snapshot["handle"]);
        let policy = r#"{"spec": {"deletionPolicy": "Delete"}}"#;
        it.cluster.0.kubectl(&["patch", "volumesnapshotcontent", content, "--type=merge", "-p", policy]);
        it.cluster.0.kubectl(&["delete", "volumesnapshotcontent", content, "--timeout=60s"]);
        let id = one["id"].as_str().expect("an id");
        operator(place, &["list-left-snapshots", "--data", "vault", "--strike-off", id]);
    }
    assert_eq!(operator(place, &list).json(), json!({"left": []}));
    println!("the cluster is gone, and so is what it left");
}

/// How many recovery points lie in the repositories below a folder.
fn snapshots(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder of the store").flatten() {
        let path = entry.path();
        if path.is_dir() {
            let is_list = path.ends_with("cofferdam/snapshots");
            count +=
                if is_list { std::fs::read_dir(&path).map_or(0, Iterator::count) } else { snapshots(&path) };
        }
    }
    count
}

/// What the operator does on the vault's own machine.
fn operator(place: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(binary("cofferdam"));
    command.arg("vault").args(args).current_dir(place).env("NO_COLOR", "1");
    run(command, "")
}
