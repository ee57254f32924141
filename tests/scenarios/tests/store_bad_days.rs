//! Days on which the store does not do what it should: what a person sees, what to do, and that nothing is lost.

use scenarios::{
    Cluster, Disk, Installation, NAMESPACE, Store, azure, azure::Container, binary, run, skewed_store,
    wait_until,
};
use serde_json::Value;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(40);
/// The namespace that is backed up.
const SMALL: &str = "bad-days";

/// One installation for all stories; each has a location of its own.
fn installed() -> &'static Installation {
    static INSTALLED: OnceLock<Installation> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let cluster = Cluster::one();
        cluster.delete_namespace(SMALL);
        cluster.kubectl(&["create", "namespace", SMALL]);
        cluster.kubectl(&["create", "configmap", "-n", SMALL, "colours", "--from-literal=sky=blue"]);
        Installation::fresh(&cluster, "bad-days")
    })
}

fn unique(purpose: &str) -> String {
    format!("bad-{purpose}-{}-{}", Cluster::one().name, std::process::id())
}

fn add(location: &str, arguments: &[String], more: &[&str]) {
    let mut all = vec!["location", "add", location];
    all.extend(arguments.iter().map(String::as_str));
    all.extend(more);
    installed().cluster.cofferdam(&all).ok();
}

/// What the extension notes at the location.
fn state(location: &str) -> String {
    let map = installed().cluster.get(&["configmap", "-n", NAMESPACE, &format!("location-{location}")]);
    let map = map.unwrap_or_default();
    let annotations = &map["metadata"]["annotations"];
    annotations["clusterbackup.dataprotection.microsoft.com/location-state"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

/// Waits until the extension notes this; returns how long it took.
fn noted(location: &str, wanted: &str) -> Duration {
    let begun = Instant::now();
    wait_until(&format!("location {location} noted as {wanted}"), SOON, || {
        let state = state(location);
        if state.starts_with(wanted) { Ok(()) } else { Err(state) }
    });
    begun.elapsed()
}

/// Backs up to the location; the exit code and the finished resource.
fn backup(name: &str, location: &str) -> (i32, Value) {
    let arguments = [
        "backup",
        "create",
        name,
        "--location",
        location,
        "--include-namespaces",
        SMALL,
        "--wait",
        "--deadline",
        "60s",
    ];
    let ran = installed().cluster.cofferdam(&arguments);
    (ran.code, installed().resource("backups", name))
}

/// Restores into a namespace of its own; the exit code and the finished resource.
fn restore(name: &str, backup: &str) -> (i32, Value) {
    let cluster = &installed().cluster;
    cluster.delete_namespace(name);
    let map = format!("{SMALL}:{name}");
    let ran =
        cluster.cofferdam(&["restore", "create", name, "--from-backup", backup, "--map", &map, "--wait"]);
    (ran.code, installed().resource("restores", name))
}

fn restored_colour(namespace: &str) -> Option<String> {
    let map = installed().cluster.get(&["configmap", "-n", namespace, "colours"])?;
    let colour = map["data"]["sky"].as_str().map(str::to_owned);
    installed().cluster.delete_namespace(namespace);
    colour
}

/// The codes of a resource's problems, and a panic when one lacks a next step.
fn codes(resource: &Value) -> Vec<String> {
    let problems = resource["status"]["problems"].as_array().cloned().unwrap_or_default();
    let errors = problems.iter().filter(|problem| problem["severity"] == "Error");
    let mut codes: Vec<String> = errors
        .map(|problem| {
            let steps = problem["recommendedAction"].as_array().map_or(0, Vec::len);
            assert!(steps > 0, "no next step in {problem:#}");
            problem["code"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    codes.dedup();
    codes
}

fn recovery_points(location: &str) -> usize {
    let ran =
        installed().cluster.cofferdam(&["recovery-point", "list", "--location", location, "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.json().as_array().map_or(0, Vec::len)
}

#[test]
fn a_store_that_became_read_only_stops_the_next_backup_before_it_begins_and_loses_nothing() {
    let container = Container::new(&unique("readonly"));
    let (first, second, third) = (unique("ro1"), unique("ro2"), unique("ro3"));
    let key = || container.arguments("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", azure::KEY);
    installed();
    add("readonly", &key(), &[]);
    noted("readonly", "Ready");
    assert_eq!(backup(&first, "readonly").0, 0);

    add("readonly", &container.arguments("AZURE_STORAGE_SAS_TOKEN", azure::READ_ONLY_SIGNATURE), &[]);
    // The location reads as before; only the attempt to write shows what has changed.
    std::thread::sleep(Duration::from_secs(2));
    let (code, refused) = backup(&second, "readonly");
    let still_listed = recovery_points("readonly");
    add("readonly", &key(), &[]);
    let (again, _) = backup(&third, "readonly");

    assert_eq!(code, 1, "{:#}", refused["status"]);
    assert_eq!(
        codes(&refused),
        ["UserErrorBackupFailedBackupStorageLocationReadOnly"],
        "{:#}",
        refused["status"]
    );
    let first = refused["status"]["problems"][0]["message"].as_str().unwrap_or_default();
    assert!(first.contains("cofferdam-probe-"), "the cause does not come first: {first}");
    assert_eq!(refused["status"]["frozen"].as_array().map_or(0, Vec::len), 0);
    assert_eq!(still_listed, 1);
    assert_eq!(again, 0, "the corrected credential counts at once");
    assert_eq!(recovery_points("readonly"), 2);
}

#[test]
fn a_corrected_secret_counts_within_seconds_and_a_waiting_installation_goes_on() {
    let container = Container::new(&unique("wrongkey"));
    let wrong = container.arguments("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", "d3Jvbmctd3Jvbmctd3Jvbmc=");
    let waiting = installed().clone();

    let begun = Instant::now();
    let installing = std::thread::spawn(move || {
        let mut all =
            vec!["install", "--image", scenarios::IMAGE, "--skip-preflight", "P6", "--timeout", "90s"];
        all.extend(["--set", "resources.requests.cpu=50m", "--set", "resources.limits.cpu=2000m"]);
        all.extend(wrong.iter().map(String::as_str));
        waiting.cluster.cofferdam(&all)
    });
    noted("default", "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation");
    let corrected =
        serde_json::json!({"stringData": {"AZURE_STORAGE_ACCOUNT_ACCESS_KEY": azure::KEY}}).to_string();
    assert!(!installing.is_finished(), "the installation did not wait for its own location");
    let now = Instant::now();
    installed().cluster.kubectl(&["patch", "secret", "-n", NAMESPACE, "store-default", "-p", &corrected]);
    let ran = installing.join().expect("the installation ends");

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("skipped as asked for: P6"), "{}", ran.stderr);
    assert!(now.elapsed() < Duration::from_secs(10), "it took {:?} of {:?}", now.elapsed(), begun.elapsed());
}

#[test]
fn a_bucket_that_does_not_exist_is_used_soon_after_it_was_created() {
    let name = unique("late");
    let missing = Store { url: "http://10.213.0.1:9000".to_owned(), bucket: name.clone() };
    installed();

    add("late", &missing.arguments(), &[]);
    noted("late", "UserErrorNoDefaultBackupStorageLocationFound");
    let (code, failed) = backup(&unique("late1"), "late");
    drop(Store::bucket(&name));
    noted("late", "Ready");
    let (after, _) = backup(&unique("late2"), "late");

    assert_eq!(code, 1);
    assert_eq!(codes(&failed), ["UserErrorNoDefaultBackupStorageLocationFound"], "{:#}", failed["status"]);
    assert_eq!(after, 0);
}

#[test]
fn the_extension_never_writes_into_what_belongs_to_others() {
    let (theirs, mixed) = (Store::bucket(&unique("theirs")), Store::bucket(&unique("mixed")));
    installed();
    theirs.put(
        "cofferdam-owner.json",
        br#"{"product":"cofferdam","cluster":"somebody-else","created":"2026-01-01T00:00:00Z"}"#,
    );
    mixed.put("holiday.jpg", b"sand");

    add("theirs", &theirs.arguments(), &["--set", "allowUnrelatedFiles=true"]);
    add("mixed", &mixed.arguments(), &[]);
    noted("theirs", "UserErrorBackupStorageLocationOwnedByAnotherCluster");
    noted("mixed", "UserErrorBackupStorageLocationNotEmpty");
    let (_, refused) = backup(&unique("theirs"), "theirs");
    let untouched = (theirs.objects(""), mixed.objects(""));
    add("mixed", &mixed.arguments(), &["--set", "allowUnrelatedFiles=true"]);
    noted("mixed", "Ready");

    assert_eq!(codes(&refused), ["UserErrorBackupStorageLocationOwnedByAnotherCluster"]);
    assert_eq!(untouched.0, ["cofferdam-owner.json"]);
    assert_eq!(untouched.1, ["holiday.jpg"]);
    assert_eq!(mixed.object("holiday.jpg"), b"sand");
}

#[test]
fn damage_in_the_store_fails_a_restore_by_name_and_what_is_mended_restores_again() {
    let store = Store::bucket(&unique("damaged"));
    let name = unique("damaged");
    installed();
    add("damaged", &store.arguments(), &[]);
    noted("damaged", "Ready");
    assert_eq!(backup(&name, "damaged").0, 0);
    let saved = |prefix: &str| -> Vec<(String, Vec<u8>)> {
        store.objects(prefix).into_iter().map(|key| (key.clone(), store.object(&key))).collect()
    };
    let (packs, index) = (saved("cofferdam/data/"), saved("cofferdam/index/"));
    let mend = |files: &[(String, Vec<u8>)]| files.iter().for_each(|(key, content)| store.put(key, content));
    let flipped = |content: &[u8]| content.iter().map(|byte| byte ^ 0x55).collect::<Vec<u8>>();

    packs.iter().for_each(|(key, content)| store.put(key, &flipped(content)));
    let (corrupt_code, corrupt) = restore("bad-corrupt", &name);
    packs.iter().for_each(|(key, _)| store.remove(key));
    let (missing_code, missing) = restore("bad-missing", &name);
    mend(&packs);
    index.iter().for_each(|(key, content)| store.put(key, &content[..content.len() / 2]));
    let (truncated_code, truncated) = restore("bad-truncated", &name);
    mend(&index);
    let (mended_code, _) = restore("bad-mended", &name);

    for (code, resource) in [(corrupt_code, corrupt), (missing_code, missing), (truncated_code, truncated)] {
        assert_eq!(code, 1, "{:#}", resource["status"]);
        assert_eq!(codes(&resource), ["RepositoryDamaged"], "{:#}", resource["status"]);
    }
    for namespace in ["bad-corrupt", "bad-missing", "bad-truncated"] {
        assert_eq!(installed().cluster.get(&["configmap", "-n", namespace, "colours"]), None, "{namespace}");
    }
    assert_eq!(mended_code, 0);
    assert_eq!(restored_colour("bad-mended").as_deref(), Some("blue"));
}

#[test]
fn an_emptied_store_is_never_begun_anew_by_itself_also_after_a_restart_until_a_person_says_so() {
    let store = Store::bucket(&unique("emptied"));
    let cluster = &installed().cluster;
    add("emptied", &store.arguments(), &[]);
    noted("emptied", "Ready");
    assert_eq!(backup(&unique("emptied1"), "emptied").0, 0);
    let spec = serde_json::json!({"backup": {"storageLocation": "emptied", "includedNamespaces": [SMALL]}});

    store.objects("").iter().for_each(|key| store.remove(key));
    cluster.kubectl(&["rollout", "restart", "-n", NAMESPACE, "deployment/cofferdam-extension"]);
    let rolled =
        ["rollout", "status", "-n", NAMESPACE, "deployment/cofferdam-extension", "--timeout", "120s"];
    cluster.kubectl(&rolled);
    noted("emptied", "RepositoryDamaged");
    let (code, refused) = backup(&unique("emptied2"), "emptied");
    let looked = validated("ValidateForBackup", &unique("emptied"), &spec);
    let seen = scenarios::Preflight::run(cluster, &["--location", "emptied"]);
    let listed = cluster.cofferdam(&["recovery-point", "list", "--location", "emptied"]);
    let written = store.objects("");
    add("emptied", &store.arguments(), &[]);
    noted("emptied", "RepositoryDamaged");
    add("emptied", &store.arguments(), &["--forget-repository"]);
    noted("emptied", "Ready");
    let (after, _) = backup(&unique("emptied3"), "emptied");

    assert_eq!(code, 1);
    assert_eq!(codes(&refused), ["RepositoryDamaged"], "{:#}", refused["status"]);
    assert_eq!(check(&looked, "location")["code"], "RepositoryDamaged", "{:#}", looked["status"]);
    seen.expect("P10", "Failed Block", "it had a repository");
    seen.expect_code("P10", "RepositoryDamaged");
    assert_ne!(listed.code, 0, "an empty list would say that there never was anything: {}", listed.stdout);
    assert_eq!(written, Vec::<String>::new());
    assert_eq!((after, recovery_points("emptied")), (0, 1));
}

#[test]
fn a_wrong_repository_key_is_refused_and_the_right_one_opens_everything_again() {
    let store = Store::bucket(&unique("key"));
    let name = unique("key1");
    installed();
    add("key", &store.arguments(), &[]);
    noted("key", "Ready");
    assert_eq!(backup(&name, "key").0, 0);
    let secret = installed().cluster.get(&["secret", "-n", NAMESPACE, "repository-key"]).expect("the Secret");
    let patch = |data: Value| {
        let text = serde_json::json!({ "data": data }).to_string();
        installed().cluster.kubectl(&["patch", "secret", "-n", NAMESPACE, "repository-key", "-p", &text]);
    };

    patch(serde_json::json!({"repository-password": "d3Jvbmc="}));
    noted("key", "UserErrorRepositoryKeyRejected");
    let (code, refused) = backup(&unique("key2"), "key");
    patch(secret["data"].clone());
    let took = noted("key", "Ready");
    let (restored, _) = restore("bad-key", &name);

    assert_eq!(code, 1);
    assert_eq!(codes(&refused), ["UserErrorRepositoryKeyRejected"], "{:#}", refused["status"]);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(restored, 0);
    assert_eq!(restored_colour("bad-key").as_deref(), Some("blue"));
}

#[test]
fn a_store_that_refuses_the_time_of_requests_is_a_wrong_clock() {
    let skewed = Store { url: format!("http://{}", skewed_store()), bucket: "skewed".to_owned() };
    installed();

    add("skewed", &skewed.arguments(), &[]);
    noted("skewed", "ClockSkewDetected");
    let (code, failed) = backup(&unique("skewed"), "skewed");
    let shown = installed().cluster.cofferdam(&["location", "show", "skewed"]);
    installed().cluster.kubectl(&["delete", "configmap", "-n", NAMESPACE, "location-skewed"]);

    assert_eq!(code, 1);
    assert_eq!(codes(&failed), ["ClockSkewDetected"], "{:#}", failed["status"]);
    assert!(shown.stderr.contains("correct it (NTP)"), "{}", shown.stderr);
}

/// Creates a validation and returns it finished.
fn validated(kind: &str, name: &str, spec: &Value) -> Value {
    let resource = serde_json::json!({
        "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    });
    installed().cluster.apply(&resource.to_string());
    let ended = ["Completed", "CompletedWithWarnings", "Failed"];
    installed().wait_phase(&format!("{}s", kind.to_lowercase()), name, &ended, Duration::from_secs(60))
}

/// One check of a validation.
fn check(resource: &Value, id: &str) -> Value {
    let checks = resource["status"]["checks"].as_array().cloned().unwrap_or_default();
    checks.into_iter().find(|check| check["id"] == id).unwrap_or_default()
}

#[test]
fn a_validation_of_a_restore_reads_the_location_and_names_a_wrong_one() {
    let store = Store::bucket(&unique("validate"));
    installed();
    add("validate", &store.arguments(), &[]);
    noted("validate", "Ready");
    let spec =
        |location: &str| serde_json::json!({"restore": {"recoveryPoint": {"location": location, "id": "x"}}});
    let before = store.objects("");

    let good = validated("ValidateForRestore", &unique("v3"), &spec("validate"));
    let wrong = validated("ValidateForRestore", &unique("v4"), &spec("nowhere"));

    for id in ["location", "P4", "P6", "P11"] {
        assert_eq!(check(&good, id)["result"], "Passed", "{:#}", good["status"]);
    }
    assert_eq!(
        check(&good, "P10")["result"],
        "NotApplicable",
        "whose a location is does not matter to a restore"
    );
    assert_eq!(store.objects(""), before, "something was written");
    assert_eq!(check(&good, "recovery-point")["result"], "Failed", "{:#}", good["status"]);
    assert!(check(&good, "recovery-point")["fix"].to_string().contains("recovery-point list"));
    assert_eq!(check(&wrong, "recovery-point")["result"], "NotObservable", "{:#}", wrong["status"]);
    assert_eq!(wrong["status"]["phase"], "Failed");
    assert!(check(&wrong, "location")["fix"].to_string().contains("location list"), "{:#}", wrong["status"]);
}

#[test]
fn a_validation_judges_the_request_itself_and_everything_that_it_names() {
    let store = Store::bucket(&unique("request"));
    installed();
    add("request", &store.arguments(), &[]);
    noted("request", "Ready");
    let (code, stopped) = backup(&unique("request"), "request");
    assert_eq!(code, 0, "{stopped}");
    let id = stopped["status"]["recoveryPoint"]["id"].clone();
    let point = serde_json::json!({"location": "request", "id": id});
    let none = serde_json::json!([{"namespace": SMALL, "name": "none"}]);
    let reference = serde_json::json!({"namespace": SMALL, "name": "no-such-rules"});

    let right = validated(
        "ValidateForRestore",
        &unique("right"),
        &serde_json::json!({"restore": {"recoveryPoint": point}}),
    );
    let mapped =
        serde_json::json!({"restore": {"recoveryPoint": point, "namespaceMappings": {"a": "kube-system"}}});
    let mapped = validated("ValidateForRestore", &unique("mapped"), &mapped);
    let modified =
        serde_json::json!({"restore": {"recoveryPoint": point, "resourceModifierReference": reference}});
    let modified = validated("ValidateForRestore", &unique("modified"), &modified);
    let grouped = serde_json::json!({"backup": {
        "storageLocation": "request", "volumeGroupLabel": "not a label", "backupHookReferences": none,
    }});
    let grouped = validated("ValidateForBackup", &unique("grouped"), &grouped);

    for id in ["location", "recovery-point", "specification"] {
        assert_eq!(check(&right, id)["result"], "Passed", "{:#}", right["status"]);
    }
    for (validation, id, named) in [
        (&mapped, "specification", "kube-system"),
        (&modified, "specification", "no-such-rules"),
        (&grouped, "specification", "not a label"),
        (&grouped, "P51", "none"),
    ] {
        let check = check(validation, id);
        assert_eq!(validation["status"]["phase"], "Failed", "{:#}", validation["status"]);
        assert_eq!(check["result"], "Failed", "{:#}", validation["status"]);
        assert!(check["evidence"].to_string().contains(named), "{check}");
        assert!(check["fix"].is_string(), "{check}");
    }
}

/// A packet filter in the cluster's own network; taken away when the story ends, however it ends.
struct Blocked(Cluster);

impl Blocked {
    fn store(cluster: &Cluster) -> Self {
        let blocked = Self(cluster.clone());
        blocked.filter("-I");
        blocked
    }

    fn filter(&self, verb: &str) {
        let rule = ["FORWARD", "-d", "10.213.0.1", "-p", "tcp", "--dport", "9000", "-j", "REJECT"];
        let mut command = Command::new(binary("testbed"));
        command.args(["exec", "--name", &self.0.name, "--", "iptables", verb]).args(rule);
        run(command, "").ok();
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.filter("-D");
    }
}

#[test]
fn a_store_behind_a_packet_filter_is_named_by_a_validation_and_a_backup_waits_for_it() {
    let cluster = installed().cluster.clone();
    let store = Store::bucket(&unique("blocked"));
    let name = unique("blocked");
    add("blocked", &store.arguments(), &[]);
    noted("blocked", "Ready");
    let spec = serde_json::json!({"backup": {"storageLocation": "blocked", "includedNamespaces": [SMALL]}});
    let validate = |name: &str| validated("ValidateForBackup", name, &spec);

    let open = validate(&unique("v1"));
    let filter = Blocked::store(&cluster);
    let blocked = validate(&unique("v2"));
    cluster
        .cofferdam(&["backup", "create", &name, "--location", "blocked", "--include-namespaces", SMALL])
        .ok();
    let meanwhile = wait_until("the backup says what it waits for", Duration::from_secs(90), || {
        let found = installed().resource("backups", &name);
        let conditions = found["status"]["conditions"].to_string();
        if conditions.contains("TryingAgain") { Ok(found) } else { Err(conditions) }
    });
    drop(filter);
    let after = installed().wait_phase("backups", &name, &["Completed", "Failed"], Duration::from_secs(60));

    for id in ["location", "P4", "P6", "P10", "P11", "P15", "P20"] {
        assert_eq!(check(&open, id)["result"], "Passed", "{:#}", check(&open, id));
    }
    assert_eq!(blocked["status"]["phase"], "Failed");
    assert_eq!(check(&blocked, "P6")["result"], "Failed", "{:#}", blocked["status"]);
    assert_eq!(check(&blocked, "P10")["result"], "NotObservable", "{:#}", blocked["status"]);
    assert_eq!(meanwhile["status"]["phase"], "InProgress", "{:#}", meanwhile["status"]);
    let said = meanwhile["status"]["conditions"].to_string();
    assert!(said.contains(&store.bucket), "the store that does not answer is named: {said}");
    assert_eq!(after["status"]["phase"], "Completed", "{:#}", after["status"]);
    assert!(!after["status"].to_string().contains("TryingAgain"), "{:#}", after["status"]);
}

#[test]
fn a_right_that_was_taken_from_the_extension_stops_a_backup_until_install_gave_it_back() {
    let cluster = installed().cluster.clone();
    let store = Store::bucket(&unique("rights"));
    add("rights", &store.arguments(), &[]);
    noted("rights", "Ready");
    let rules = r#"[{"op":"remove","path":"/rules/1"}]"#;
    cluster.kubectl(&["patch", "clusterrole", "cofferdam-extension-backup", "--type=json", "-p", rules]);
    cluster.kubectl(&[
        "patch",
        "clusterrole",
        "cofferdam-extension-restore",
        "--type=json",
        "-p",
        rules.replace('1', "0").as_str(),
    ]);

    let (code, stopped) = backup(&unique("rights1"), "rights");
    let seen = scenarios::Preflight::run(&cluster, &["--location", "rights"]);
    installed().install(&[]).ok();
    let (after, _) = backup(&unique("rights2"), "rights");

    assert_eq!(code, 1);
    assert_eq!(codes(&stopped), ["UserErrorPrerequisiteNotMet"], "{:#}", stopped["status"]);
    assert!(
        stopped["status"]["problems"].to_string().contains("cofferdam install"),
        "{:#}",
        stopped["status"]
    );
    seen.expect("P4", "Failed Block", "create volumesnapshots.snapshot.storage.k8s.io");
    assert_eq!(after, 0);
}

#[test]
fn a_full_disk_fails_the_backup_keeps_the_earlier_ones_and_goes_on_once_there_is_space() {
    let disk = Disk::new("24m");
    let files = tempfile::TempDir::new().unwrap();
    let place = disk.path().join("location");
    std::fs::create_dir(&place).unwrap();
    let repository = |arguments: &[&str]| {
        let mut command = Command::new(binary("cofferdam"));
        command.args(["repository", "--directory"]).arg(&place).args(arguments);
        command.env("COFFERDAM_REPOSITORY_PASSWORD", "secret");
        run(command, "")
    };
    let source = files.path().display().to_string();
    let snapshots = || repository(&["list", "-o", "json"]).json().as_array().map_or(0, Vec::len);
    repository(&["init"]).ok();
    std::fs::write(files.path().join("small"), "small").unwrap();
    repository(&["backup", &source]).ok();

    std::fs::write(files.path().join("large"), noise(40 << 20)).unwrap();
    let full = repository(&["backup", &source]);
    let listed = snapshots();
    let checked = repository(&["check"]);
    disk.resize("128m");
    let after = repository(&["backup", &source]);

    assert_eq!(full.code, 1, "{}", full.stderr);
    assert!(full.stderr.contains("UserErrorBackupStorageLocationFull"), "{}", full.stderr);
    assert!(full.stderr.contains("next: Free space"), "{}", full.stderr);
    assert_eq!((listed, checked.code), (1, 0), "{}", checked.stderr);
    assert_eq!((after.code, snapshots()), (0, 2), "{}", after.stderr);
}

/// Bytes that do not compress.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = std::iter::from_fn(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state.to_le_bytes())
    });
    next.flatten().take(size).collect()
}
