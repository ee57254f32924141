//! The day on which a vault's database is lost, as its operator lives through it: with the program, real repositories, and
//! recovery points that the backup did not know yet.

mod served;
#[path = "../../../crates/vault/tests/gone/written.rs"]
mod written;

use engine::{InitOptions, Repo, RepositorySecret};
use jiff::Timestamp;
use serde_json::{Value, json};
use served::{PROGRAM, Served};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};
use storage::LocalStore;
use telemetry::{Clock, SystemClock};
use vault::{
    api::{
        Loaded, load, points,
        storage::{AccountRecord, ContainerRecord, container_id},
    },
    directory::DataDirectory,
    keys::{ExportedKey, import, location_key},
    rewrap,
    seal::{KeySource, make_key},
    server::open_store,
    store::{AuditEntry, AuditOutcome, Change, Expected, Store},
};
use written::Written;

const PASSWORD: &str = "0123456789abcdef";
const CLUSTER: &str = "7d3c0c7e-0000-4000-8000-00000000c1c1";

/// A folder with a vault in it, and an operator who is signed in.
struct World {
    folder: tempfile::TempDir,
    served: Option<Served>,
}

impl World {
    fn start() -> Self {
        let mut world = Self { folder: tempfile::tempdir().unwrap(), served: None };
        world.serve("vault");
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a vault, and signs in as its administrator with the secret of its first start.
    fn serve(&mut self, data: &str) {
        self.serve_with(data, &[]);
    }

    /// The same with more flags.
    fn serve_with(&mut self, data: &str, flags: &[&str]) {
        let served = Served::start(&self.at(data), flags);
        self.served = Some(served);
        let (file, ca) = (format!("{data}/administrator.json"), format!("{data}/tls/ca.crt"));
        let url = self.served.as_ref().unwrap().url.clone();
        // The vault listens at another port than when the file was written.
        let mut credential: Value = serde_json::from_slice(&std::fs::read(self.at(&file)).unwrap()).unwrap();
        credential["url"] = json!(url);
        std::fs::write(self.at("credential.json"), credential.to_string()).unwrap();
        self.done(&["login", "--credential-file", "credential.json", "--ca", &ca]);
    }

    fn stop(&mut self) {
        assert_eq!(self.served.take().unwrap().stop(), 0);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("COFFERDAM_CONFIG_DIR", self.at("config"));
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "COFFERDAM_SUBSCRIPTION"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must be refused; its code and what it said.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", told(&output));
        (output.status.code().unwrap(), told(&output))
    }

    /// What a recovery says, which must have left something to be named.
    fn recovered(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["vault", "recover", "-o", "json"], arguments].concat());
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told(&output)))
    }

    /// The recovery points that the vault lists.
    fn points(&self, group: &str, vault: &str, instance: &str) -> Vec<String> {
        let which = ["-g", group, "-v", vault, "--instance", instance, "-o", "json"];
        let told = self.done(&[&["recovery-point", "list"], which.as_slice()].concat());
        let found: Value = serde_json::from_str(&told).unwrap();
        let mut names: Vec<String> =
            found.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    fn lose_the_database(&self) {
        for file in ["vault.db", "vault.db-wal", "vault.db-shm"] {
            drop(std::fs::remove_file(self.at("vault").join(file)));
        }
        assert!(!self.at("vault/vault.db").exists());
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The location's settings, as an extension has them.
fn settings() -> std::collections::BTreeMap<String, String> {
    let name = |name: &str| format!("configuration.backupStorageLocation.{name}");
    [(name("bucket"), "backups".to_owned()), (name("config.storageAccount"), "acct".to_owned())].into()
}

/// What an extension and a vault leave behind: an instance with two recovery points in the catalogue, and a repository key.
/// Gives back where the repository is.
async fn protected(data: &Path, vault: &str) -> PathBuf {
    let directory = DataDirectory::open(data).unwrap();
    let store = open_store(&directory, None).await.unwrap();
    let mut wrapping = KeySource::Directory.open(&directory).unwrap();
    let now = SystemClock.now();
    rewrap::settle(store.as_ref(), &mut wrapping, now).await.unwrap();
    let key = ExportedKey {
        id: location_key(&settings()),
        settings: settings(),
        owner: None,
        repository_password: PASSWORD.to_owned(),
    };
    assert_eq!(import(store.as_ref(), &wrapping, std::slice::from_ref(&key), now).await.unwrap(), 1);
    let group = vault.split("/providers/").next().unwrap();
    let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/one");
    let instance = json!({
        "instance": {"friendlyName": "one/shop", "source": {"resource": cluster, "location": "local", "name": "one"},
            "policyId": format!("{vault}/backupPolicies/daily"), "snapshotGroup": group, "parameters": {}},
        "label": "i1", "state": "ProtectionConfigured", "next": "ProtectionConfigured"});
    let point = |id: &str| {
        json!({
        "time": now, "job": format!("{vault}/backupJobs/job-{id}"), "cluster": cluster, "namespace": "extension",
        "location": settings(), "key": key.id, "isPartial": false, "tag": "Default", "policy": "daily",
        "expiresAt": now + jiff::SignedDuration::from_hours(99)})
    };
    let put = |path: &str, document: Value| Change::Put {
        id: format!("{vault}/backupInstances/shop{path}").parse().unwrap(),
        document,
        expected: Expected::Absent,
    };
    let changes = [
        put("", instance),
        put("/recoveryPoints/known", point("known")),
        put("/recoveryPoints/vanished", point("vanished")),
    ];
    store.commit(&changes, &audit(now)).await.unwrap();
    let folder = container_folder(store.as_ref(), group).await;
    store.close().await;
    data.join("blobs").join(folder)
}

async fn container_folder(store: &dyn Store, group: &str) -> String {
    let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/acct").parse().unwrap();
    let found: Option<Loaded<AccountRecord>> = load(store, &account).await.unwrap();
    assert_eq!(found.unwrap().document.store, "default");
    let id = container_id(&account, "backups").unwrap();
    let found: Option<Loaded<ContainerRecord>> = load(store, &id).await.unwrap();
    found.unwrap().document.folder
}

fn audit(at: Timestamp) -> AuditEntry {
    AuditEntry {
        at,
        principal: "test".into(),
        action: "set up".into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "c".into(),
    }
}

/// The repository of the location, made where there is none yet.
async fn repository(location: &Path) -> Repo {
    let folder = location.join("cofferdam");
    std::fs::create_dir_all(&folder).unwrap();
    let store = Arc::new(LocalStore::open(&folder).await.unwrap());
    let secret = RepositorySecret::new(PASSWORD);
    match Repo::open(store.clone(), &secret).await {
        Ok(repo) => repo,
        Err(_) => Repo::init(store, &secret, InitOptions::new(SystemClock.now())).await.unwrap(),
    }
}

/// A recovery point as an extension commits it.
async fn write_point(repo: &Repo, id: &str, instance: &str) {
    let selection = json!({"backupInstance": instance, "includedNamespaces": ["shop"], "retentionTag": "Daily",
        "snapshotResourceGroup": "snapshots", "snapshotVolumes": true});
    let backup = format!("{id}-uid");
    let written = Written { id, backup: &backup, instance, cluster: CLUSTER, selection };
    written.commit(repo, Arc::new(SystemClock)).await;
}

/// A vault with an account, a container, an instance, and a repository that holds the one recovery point that the catalogue
/// is right about. Gives back where the location is.
async fn set_up(world: &mut World) -> PathBuf {
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    for namespace in ["Microsoft.DataProtection", "Microsoft.Storage"] {
        world.done(&["provider", "register", "-n", namespace]);
    }
    world.done(&["storage", "account", "create", "-n", "acct", "-g", "g"]);
    world.done(&["storage", "container", "create", "-n", "backups", "--account-name", "acct", "-g", "g"]);
    let made = world.done(&["vault", "create", "--vault-name", "v1", "-g", "g", "-l", "local", "-o", "json"]);
    let vault = serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    world.stop();
    let location = protected(&world.at("vault"), &vault).await;
    write_point(&repository(&location).await, "known", "i1").await;
    location
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_database_is_back_with_the_recovery_points_that_its_backup_did_not_know() {
    let mut world = World::start();
    let location = set_up(&mut world).await;
    world.serve("vault");
    let backed_up = world.done(&["vault", "self-backup", "--data", "vault", "-o", "json"]);
    world.stop();
    let repo = repository(&location).await;
    write_point(&repo, "newer", "i1").await;
    write_point(&repo, "strange", "i2").await;
    write_point(&repo, "../../secrets", "i1").await;

    let still_there = world.refused(&["vault", "recover", "--data", "vault"]);
    world.lose_the_database();
    let nowhere =
        world.refused(&["vault", "recover", "--data", "vault", "--backup-store", "file:///no/such/place"]);
    let no_file = world.refused(&["vault", "recover", "--data", "vault", "--file", "no.age"]);
    let listed = world.done(&["vault", "list-self-backups", "--data", "vault", "-o", "json"]);
    let told = world.recovered(&["--data", "vault"]);
    let again = world.recovered(&["--data", "vault", "--scan-only"]);
    world.serve("vault");

    assert_eq!(still_there.0, 5);
    assert!(still_there.1.contains("the database is not empty"), "{}", still_there.1);
    assert!(nowhere.0 == 5 && nowhere.1.contains("make it, or mount it"), "{nowhere:?}");
    assert!(no_file.0 == 5 && no_file.1.contains("no.age"), "{no_file:?}");
    assert_eq!((&told["unsound"], &again["unsound"]), (&json!(1), &json!(1)), "{told}");
    let name = serde_json::from_str::<Value>(&backed_up).unwrap()["name"].clone();
    assert!(listed.contains(name.as_str().unwrap()), "{listed}");
    assert_eq!(told["backup"], name);
    let ends = |list: &str, end: &str| {
        told[list].as_array().unwrap().iter().any(|id| id.as_str().unwrap().ends_with(end))
    };
    assert!(ends("added", "/backupInstances/shop/recoveryPoints/newer"), "{told}");
    assert!(ends("adopted", "/backupVaults/recovered/backupInstances/i2/recoveryPoints/strange"), "{told}");
    assert!(ends("gone", "/backupInstances/shop/recoveryPoints/vanished"), "{told}");
    for (list, length) in [("added", 1), ("adopted", 1), ("gone", 1), ("unread", 0)] {
        assert_eq!(told[list].as_array().unwrap().len(), length, "{list}: {told}");
    }
    for (list, length) in [("added", 0), ("adopted", 0), ("gone", 1)] {
        assert_eq!(again[list].as_array().unwrap().len(), length, "{list}: {again}");
    }
    assert_eq!(world.points("g", "v1", "shop"), ["known", "newer", "vanished"]);
    assert_eq!(world.points("recovered", "recovered", "i2"), ["strange"]);
}

/// The key of a customer that seals the location's repository key, once one does.
async fn sealed_by(data: &Path) -> Option<String> {
    let directory = DataDirectory::open(data).unwrap();
    let store = open_store(&directory, None).await.unwrap();
    let name = format!("repository key {}", location_key(&settings()));
    let sealed = store.secret(&name).await.unwrap().unwrap();
    store.close().await;
    let wrapping = KeySource::Directory.open(&directory).unwrap();
    wrapping.customer_of(&name, &sealed).unwrap().map(|uri| uri.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_customers_key_seals_is_read_in_a_recovery_once_that_key_is_given() {
    const KEY: &str = "https://kv.example/keys/mine/v1";
    let mut world = World::start();
    let location = set_up(&mut world).await;
    std::fs::write(world.at("customer.key"), make_key().as_bytes()).unwrap();
    let given = format!("{KEY}={}", world.at("customer.key").display());
    let with_key = ["--customer-key-file", given.as_str()];
    world.serve_with("vault", &with_key);
    let cmk = ["--cmk-encryption-key-uri", KEY, "--cmk-identity-type", "SystemAssigned"];
    world.done(
        &[["vault", "update", "-g", "g", "-v", "v1"].as_slice(), &["--type", "SystemAssigned"], &cmk]
            .concat(),
    );
    let begun = std::time::Instant::now();
    while sealed_by(&world.at("vault")).await.as_deref() != Some(KEY) {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(60),
            "it should be sealed with the customer's key"
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    world.done(&["vault", "self-backup", "--data", "vault"]);
    world.stop();
    write_point(&repository(&location).await, "newer", "i1").await;
    world.lose_the_database();

    let without = world.recovered(&["--data", "vault"]);
    let with = world.recovered(&[["--data", "vault", "--scan-only"].as_slice(), &with_key].concat());
    world.serve_with("vault", &with_key);

    assert_eq!(without["unread"], json!([location_key(&settings())]), "{without}");
    assert_eq!(without["added"], json!([]), "{without}");
    assert_eq!((&with["unread"], with["added"].as_array().unwrap().len()), (&json!([]), 1), "{with}");
    assert_eq!(world.points("g", "v1", "shop"), ["known", "newer", "vanished"]);
    assert_eq!(sealed_by(&world.at("vault")).await.as_deref(), Some(KEY), "it is sealed as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_backup_the_exported_keys_and_the_repositories_tell_what_there_is() {
    let mut world = World::start();
    let location = set_up(&mut world).await;
    write_point(&repository(&location).await, "newer", "i1").await;
    let recipient = world.done(&["vault", "make-recovery-key", "--identity", "recovery.key"]);
    std::fs::write(world.at("recovery.pub"), recipient).unwrap();
    world.done(&[
        "vault",
        "export-repository-keys",
        "--data",
        "vault",
        "--recipient",
        "recovery.pub",
        "--out",
        "keys.age",
    ]);
    // All is lost but the store and what the operator keeps elsewhere.
    std::fs::rename(&location, world.at("location")).unwrap();
    std::fs::remove_dir_all(world.at("vault")).unwrap();
    let place = format!("{}=file://{}", location_key(&settings()), world.at("location").display());
    let keys = ["--without-backup", "--repository-keys", "keys.age", "--identity", "recovery.key"];

    let nothing = world.refused(&["vault", "recover", "--data", "new"]);
    std::fs::remove_dir_all(world.at("new")).unwrap();
    let nowhere = world.recovered(&[&["--data", "nowhere"], keys.as_slice()].concat());
    let told = world.recovered(&[&["--data", "new", "--repository", &place], keys.as_slice()].concat());
    world.serve("new");

    assert!(nothing.0 == 5 && nothing.1.contains("--without-backup"), "{nothing:?}");
    assert_eq!(nowhere["unread"], json!([location_key(&settings())]), "what cannot be reached is named");
    assert_eq!(
        (&told["repositoryKeys"], told["adopted"].as_array().unwrap().len()),
        (&json!(1), 2),
        "{told}"
    );
    assert_eq!(world.points("recovered", "recovered", "i1"), ["known", "newer"]);
    let shown =
        world.done(&["instance", "show", "-g", "recovered", "-v", "recovered", "-n", "i1", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let properties = &shown["properties"];
    assert_eq!(properties["currentProtectionState"], "ProtectionStopped", "nothing of it ends");
    let parameters = &properties["policyInfo"]["policyParameters"]["backupDatasourceParametersList"][0];
    assert_eq!(parameters["includedNamespaces"], json!(["shop"]), "{properties}");
    assert_eq!(shown["tags"]["cluster"], CLUSTER, "{shown}");
    // The key of the repository is in the new vault: it can be exported again.
    world.done(&[
        "vault",
        "export-repository-keys",
        "--data",
        "new",
        "--recipient",
        "recovery.pub",
        "--out",
        "again.age",
    ]);
    world.done(&[
        "vault",
        "open-repository-keys",
        "again.age",
        "--identity",
        "recovery.key",
        "--into",
        "opened",
    ]);
    let password =
        std::fs::read_to_string(world.at("opened").join(format!("{}.password", location_key(&settings()))));
    assert_eq!(password.unwrap(), PASSWORD);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_deletes_what_a_cluster_that_is_gone_left_and_lists_its_snapshots_until_they_are_struck_off()
{
    let mut world = World::start();
    let location = set_up(&mut world).await;
    let store = open_store(&DataDirectory::open(&world.at("vault")).unwrap(), None).await.unwrap();
    let now = SystemClock.now();
    let instances =
        store.resources(points::KIND, &subscription(store.as_ref()).await, None, 10).await.unwrap();
    let known = instances.into_iter().find(|stored| stored.id.name() == "known").unwrap();
    let mut point: Loaded<points::PointRecord> = vault::api::read(known).unwrap();
    point.document.deleting = true;
    let changes = [point.write().unwrap(), vault::protect::forget::change(&point.id, now)];
    store.commit(&changes, &audit(now)).await.unwrap();
    store.close().await;
    let repo = repository(&location).await;

    world.serve("vault");
    let begun = std::time::Instant::now();
    while !extension::points::list(&repo).await.unwrap().is_empty() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it is still in the repository");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    world.stop();
    let list = ["vault", "list-left-snapshots", "--data", "vault", "-o", "json"];
    let listed = world.run(&list);
    let told: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let id = told["left"][0]["id"].as_str().unwrap().to_owned();
    let unknown = world.refused(&[list.as_slice(), &["--strike-off", "no-such-id"]].concat());
    let struck = world.done(&[list.as_slice(), &["--strike-off", &id]].concat());

    assert_eq!(listed.status.code(), Some(3), "{told}");
    let snapshot = &told["left"][0]["snapshots"][0];
    assert_eq!((&snapshot["handle"], &snapshot["driver"]), (&json!("handle-known"), &json!("csi.example")));
    assert_eq!(told["left"][0]["because"], "the cluster 'one' was deleted");
    assert!(unknown.0 == 5 && unknown.1.contains("no-such-id"), "{unknown:?}");
    assert_eq!(serde_json::from_str::<Value>(&struck).unwrap()["left"], json!([]));
}

async fn subscription(store: &dyn Store) -> arm::ResourceId {
    store.subscriptions().await.unwrap().remove(0).id
}

/// The commands of a section of `docs/vault.md`, in their order.
fn documented(heading: &str) -> Vec<String> {
    let page = include_str!("../../../docs/vault.md");
    let section = page.split(&format!("\n{heading}\n")).nth(1).expect("the section should be there");
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn the_documented_commands_work_in_their_order() {
    let mut world = World::start();
    let recipient = world.done(&["vault", "make-recovery-key", "--identity", "recovery.key"]);
    std::fs::write(world.at("recovery.pub"), recipient).unwrap();
    world.stop();
    std::fs::rename(world.at("vault"), world.at("cofferdam-vault")).unwrap();
    let export = ["export-repository-keys", "--recipient", "recovery.pub", "--out", "keys.age"];
    world.done(&[&["vault"], export.as_slice(), &["--data", "cofferdam-vault"]].concat());
    std::fs::create_dir(world.at("vault-backups")).unwrap();
    let bin = world.at("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(PROGRAM, bin.join("cofferdam")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let here = format!("{}/", world.folder.path().display());

    let commands = documented("## Backups of the vault itself");
    for command in &commands {
        let command = command.replace("/var/lib/", &here).replace("/srv/", &here);
        let shell = Command::new("sh").args(["-c", &command]).current_dir(&here).env("PATH", &path).output();
        let output = shell.unwrap();
        // 3: what no repository tells was named.
        let fine = if command.contains("--without-backup") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(fine), "{command}: {}", told(&output));
    }

    let recovered = commands.iter().filter(|command| command.contains("vault recover")).count();
    assert_eq!(recovered, 3);
    let key = |data: &str| std::fs::read_to_string(world.at(data).join("secrets/wrapping.key")).unwrap();
    assert_eq!(key("new-vault").trim(), key("cofferdam-vault").trim(), "the key came with the backup");
    assert_ne!(key("empty-vault").trim(), key("cofferdam-vault").trim());
    let credential = std::fs::read(world.at("cofferdam-vault/administrator.json")).unwrap();
    std::fs::write(world.at("new-vault/administrator.json"), credential).unwrap();
    // Signing in with the secret of the lost vault, under its certificate authority.
    world.serve("new-vault");
}
