//! The Backup Extension is upgraded while a backup runs: nobody asks for it, and the backup ends as if nothing had happened.

use scenarios::volumes::{Faults, volume_handle};
use scenarios::{Cluster, Managed, NAMESPACE, Person, SHOP, Vault, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Where the clusters' pods reach the machine that the tests run on.
const ADDRESS: &str = "10.213.0.2:8443";
/// The snapshot is not ready for so long: the backup waits for it, and the upgrade happens meanwhile.
const SNAPSHOT: u64 = 45_000;
const LONG: Duration = Duration::from_secs(150);
const AT: [&str; 4] = ["-g", "AKSAzureBackup_local", "-v", "AKSAzureBackup-local"];

/// A protected cluster, and the vault's administrator.
struct Protected {
    one: Managed,
    vault: Vault,
    person: Person,
    instance: String,
}

impl Protected {
    fn start(place: &Path) -> Self {
        let one = Managed::empty(Cluster::one());
        one.0.apply(SHOP);
        one.0.kubectl(&["wait", "-n", "shop", "--for=condition=Ready", "pod/app", "--timeout=120s"]);
        let vault = Vault::with(place, ADDRESS, &["--extension-upgrades", "4s"]);
        let person = vault.administrator();
        person.line(&["provider", "register", "-n", "Microsoft.ContainerService"]);
        person.line(&["group", "create", "-n", "clusters", "-l", "local"]);
        let kubeconfig = one.0.kubeconfig.clone();
        let connect = ["cluster", "connect", "-n", "one", "-g", "clusters", "--apply", "--wait"];
        person.line(&[&connect[..], &["--kubeconfig", &kubeconfig]].concat());
        let id = ["cluster", "show", "-n", "one", "-g", "clusters", "--query", "id", "-o", "tsv"];
        let id = person.line(&id);
        person.does(&["enable-backup", "--datasource-id", &id, "--enable-trusted-access"]);
        let instance =
            person.line(&[&["instance", "list"], &AT[..], &["--query", "[0].name", "-o", "tsv"]].concat());
        Self { one, vault, person, instance }
    }

    /// What the vault says of the extension.
    fn extension(&self) -> Value {
        let show =
            ["extension", "show", "-n", "azure-aks-backup", "-c", "one", "-g", "clusters", "-o", "json"];
        serde_json::from_str::<Value>(&self.person.does(&show)).expect("JSON")["properties"].clone()
    }

    fn list(&self, what: &[&str], more: &[&str]) -> Vec<Value> {
        let listed = self.person.does(&[what, &AT[..], more, &["-o", "json"]].concat());
        serde_json::from_str(&listed).expect("a list")
    }

    /// The custom resources of backups in the cluster.
    fn backups(&self) -> Vec<Value> {
        let kind = "backups.clusterbackup.dataprotection.microsoft.com";
        let list = self.one.0.get(&[kind, "-n", NAMESPACE]).expect("backups");
        list["items"].as_array().expect("items").clone()
    }

    /// The pods of the extension that are not on their way out.
    fn pods(&self) -> Vec<String> {
        let pods = self.one.0.get(&["pods", "-n", NAMESPACE]).expect("pods");
        let pods = pods["items"].as_array().expect("items").clone();
        let alive = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        alive.filter_map(|pod| pod["metadata"]["name"].as_str()).map(str::to_owned).collect()
    }
}

/// The package that is there with the next version, whose pods are other ones. Answers the two versions.
fn next_version(place: &Path, vault: &Vault) -> (String, String) {
    let blobs = place.join("packages/v2/cofferdam/backup/blobs");
    let blob = fs::read_dir(blobs).expect("the packages").next().expect("a package").expect("a package");
    let text = fs::read_to_string(blob.path()).expect("the package");
    let mut package: Value = serde_json::from_str(&text).expect("JSON");
    let before = package["version"].as_str().expect("a version").to_owned();
    let (front, patch) = before.rsplit_once('.').expect("three numbers");
    let after = format!("{front}.{}", patch.parse::<u32>().expect("a number") + 1);
    package["version"] = json!(after);
    let objects = package["objects"].as_array_mut().expect("objects");
    for object in objects.iter_mut().filter(|object| object["resource"] == "deployments") {
        let template = &mut object["object"]["spec"]["template"]["metadata"];
        template["annotations"]["test/version"] = json!(after);
    }
    let file = place.join("next.json");
    fs::write(&file, package.to_string()).expect("a file");
    vault.offer(&file);
    (before, after)
}

#[test]
fn a_backup_outlives_an_upgrade_that_nobody_asked_for_and_is_made_once() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let all = Protected::start(place.path());
    let handle = volume_handle(&all.one.0, "shop", "data");
    let slow = Faults::plan(&all.one.0, json!({"snapshot": {"readyAfterMs": SNAPSHOT, "match": handle}}));
    all.person.does(&[&["backup", "start"], &AT[..], &["-n", &all.instance]].concat());
    wait_until("the backup runs", LONG, || match all.backups().first() {
        Some(backup) if backup["status"]["phase"] == "InProgress" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let old = all.pods();

    let (before, after) = next_version(place.path(), &all.vault);
    let upgraded = wait_until("the extension is upgraded", LONG, || {
        let extension = all.extension();
        let there = extension["currentVersion"] == after && extension["provisioningState"] == "Succeeded";
        if there { Ok(extension) } else { Err(extension.to_string()) }
    });
    let (meanwhile, new) = (all.backups(), all.pods());
    let jobs = wait_until("the backup's job ends", LONG, || {
        let jobs = all.list(&["job", "list"], &[]);
        let backups = jobs.into_iter().filter(|job| job["properties"]["operationCategory"] == "Backup");
        let backups: Vec<Value> = backups.collect();
        let has_ended = backups.iter().all(|job| !job["properties"]["endTime"].is_null());
        if has_ended { Ok(backups) } else { Err(format!("{backups:#?}")) }
    });
    drop(slow);
    let points = all.list(&["recovery-point", "list"], &["--instance", &all.instance]);
    all.one.0.delete_namespace("shop");
    let restore = ["--included-namespaces", "shop", "--include-cluster-scope-resources", "false", "--wait"];
    all.person.does(&[&["restore", "start"], &AT[..], &["-n", &all.instance], &restore[..]].concat());
    all.one.0.kubectl(&["wait", "-n", "shop", "--for=condition=Ready", "pod/app", "--timeout=120s"]);

    assert_ne!(before, after);
    assert_eq!(upgraded["version"], Value::Null, "nobody named a version");
    assert_eq!(
        meanwhile[0]["status"]["phase"], "InProgress",
        "it ran when the upgrade was over: {meanwhile:?}"
    );
    assert!(new.iter().all(|pod| !old.contains(pod)), "other pods run: {old:?} {new:?}");
    // The policy's own slot may come while the test goes on: that is one more job and one more recovery point.
    let by_hand = jobs.iter().filter(|job| job["properties"]["isUserTriggered"] == true).count();
    assert_eq!((by_hand, points.len()), (1, jobs.len()), "{jobs:#?} {points:#?}");
    let ended_well = |job: &Value| {
        ["Completed", "CompletedWithWarnings"].iter().any(|status| job["properties"]["status"] == *status)
    };
    assert!(jobs.iter().all(ended_well), "{jobs:#?}");
    assert_eq!(all.one.0.exec("shop", "app", &["cat", "/data/words"]).trim(), "kept in the volume");
}
