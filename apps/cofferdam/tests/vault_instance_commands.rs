//! A person with our own command line against a vault whose cluster is played: what needs an instance, jobs or a cluster that
//! is connected.

#[path = "../../../crates/vault/tests/world/mod.rs"]
mod world;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::Read,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};
use tokio::task::JoinHandle;
use world::protected::{POINT, Protected};

const HERE: [&str; 4] = ["-v", "vault1", "-g", "shop"];

/// The vault, and its administrator at a command line.
struct Desk {
    it: Protected,
    folder: tempfile::TempDir,
    ticking: JoinHandle<()>,
}

impl Desk {
    async fn start() -> Self {
        let it = Protected::start().await;
        let ticking = ticking(&it);
        let this = Self { it, folder: tempfile::tempdir().unwrap(), ticking };
        let administrator = &this.it.world.administrator;
        let secret = this.folder.path().join("secret");
        std::fs::write(&secret, &administrator.secret).unwrap();
        let (secret, ca) = (secret.to_str().unwrap(), this.it.world.ca.to_str().unwrap());
        let there = ["login", "--vault-url", &this.it.world.url, "--ca", ca, "--service-principal"];
        let who =
            ["-u", &administrator.client_id, "--tenant", &this.it.world.tenant, "--password-file", secret];
        this.done(&[&there[..], &who[..]].concat()).await;
        this
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command.args(arguments).env("COFFERDAM_CONFIG_DIR", self.at("config")).stdin(Stdio::null());
        command.current_dir(self.folder.path());
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "COFFERDAM_SUBSCRIPTION"] {
            command.env_remove(name);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs a command that must succeed; what it printed.
    async fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.done(&[arguments, &["-o", "json"]].concat()).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Runs a command that must fail; its code and what it said.
    async fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", told(&output));
        (output.status.code().unwrap(), told(&output))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

/// The vault's clock goes with the machine's: a program waits for it.
fn ticking(it: &Protected) -> JoinHandle<()> {
    const STEP: Duration = Duration::from_millis(50);
    let clock = it.world.clock.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(STEP).await;
            clock.advance(SignedDuration::try_from(STEP).unwrap());
        }
    })
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_says_what_is_wrong_and_heals_the_state_once_it_is_mended() {
    let desk = Desk::start().await;
    desk.it.protect().await;
    let sync = [&["instance", "sync", "--instance", "one/shop"][..], &HERE[..]].concat();

    let well = desk.run(&sync).await;
    desk.it.remove(&desk.it.binding()).await;
    let shut_out = desk.run(&sync).await;
    let in_error = desk.it.state().await;
    desk.it.bind().await;
    let mended = desk.json(&[&sync[..], &["--sync-type", "ForceResync"]].concat()).await;
    let (unknown, _) = desk.refused(&[&sync[..], &["--sync-type", "Half"]].concat()).await;

    assert_eq!(well.status.code(), Some(0), "{}", told(&well));
    assert_eq!(shut_out.status.code(), Some(3), "{}", told(&shut_out));
    assert!(told(&shut_out).contains("TrustedAccess"), "{}", told(&shut_out));
    assert_eq!(in_error, "ProtectionError");
    assert_eq!(mended["properties"]["operation"], "SyncProtection", "{mended}");
    assert_eq!(desk.it.state().await, "ProtectionConfigured");
    assert_eq!(unknown, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_exported_into_a_file_that_is_whole_and_that_no_one_else_reads() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::start().await;
    desk.it.protect().await;
    desk.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let job = desk.it.job_of(&desk.it.back_up().await).await;
    desk.it.ended(&job).await;
    let export = [&["job", "export"][..], &HERE[..], &["--file"]].concat();

    let made = desk.json(&[&export[..], &["jobs.json"]].concat()).await;
    desk.done(&[&export[..], &["jobs.xlsx"]].concat()).await;
    let (again, said) = desk.refused(&[&export[..], &["jobs.json"]].concat()).await;
    let (ending, _) = desk.refused(&[&export[..], &["jobs.csv"]].concat()).await;
    let nowhere = ["job", "export", "-v", "none", "-g", "shop", "--file", "none.json"];
    let (missing, _) = desk.refused(&nowhere).await;

    let written = std::fs::read(desk.at("jobs.json")).unwrap();
    let jobs: Value = serde_json::from_slice(&written).unwrap();
    let listed = desk.json(&[&["job", "list"][..], &HERE[..]].concat()).await;
    let names = |jobs: &Value| {
        let all = jobs.as_array().unwrap().iter();
        all.map(|job| job["name"].as_str().unwrap().to_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&jobs), names(&listed));
    assert!(names(&jobs).iter().any(|name| job.ends_with(name.as_str())), "{jobs}");
    assert_eq!(made["bytes"], written.len());
    let mut begins = [0_u8; 2];
    std::fs::File::open(desk.at("jobs.xlsx")).unwrap().read_exact(&mut begins).unwrap();
    assert_eq!(&begins, b"PK", "a spreadsheet is an archive");
    assert_eq!(std::fs::metadata(desk.at("jobs.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((again, ending, missing), (5, 2, 5), "{said}");
    assert_eq!(std::fs::read(desk.at("jobs.json")).unwrap(), written, "what was there stays");
    assert!(!desk.at("none.json").exists() && !desk.at("jobs.csv").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_a_service_principal_is_healed_by_an_update_and_keeps_everything_else() {
    let desk = Desk::start().await;
    let path = desk.it.managed.to_string().replace("/managedClusters/one", "/managedClusters/old");
    let body = json!({"location": "local", "tags": {"team": "a"}, "properties": {"dnsPrefix": "old",
        "servicePrincipalProfile": {"clientId": "2c4e2c5b-8f0e-4f55-9a2e-6f6f1c7a0b11"}}});
    let made = desk.it.call(Method::PUT, &path, Some(body)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let missed = async || {
        let text = desk.it.wanted().to_string().replace("/managedClusters/one", "/managedClusters/old");
        let body = json!({"backupInstance": serde_json::from_str::<Value>(&text).unwrap()});
        let begun =
            desk.it.call(Method::POST, &format!("{}/validateForBackup", desk.it.vault), Some(body)).await;
        desk.it.operation(&begun).await.body.to_string()
    };
    let update = ["cluster", "update", "-n", "old", "-g", "shop"];

    let before = missed().await;
    let healed = desk.json(&[&update[..], &["--enable-managed-identity"]].concat()).await;
    let after = missed().await;
    let tagged = desk.json(&[&update[..], &["--tags", "team=b"]].concat()).await;
    let (nothing, said) = desk.refused(&update).await;
    let (absent, _) =
        desk.refused(&["cluster", "update", "-n", "none", "-g", "shop", "--enable-managed-identity"]).await;

    let code = "UserErrorClusterServicePrincipalNotSupported";
    assert!(before.contains(code) && !after.contains(code), "{before}\n{after}");
    assert_eq!(healed["identity"]["type"], "SystemAssigned", "{healed}");
    assert!(healed["identity"]["principalId"].is_string(), "{healed}");
    assert_eq!(healed["properties"]["servicePrincipalProfile"]["clientId"], "msi");
    assert_eq!((&healed["properties"]["dnsPrefix"], &healed["tags"]), (&json!("old"), &json!({"team": "a"})));
    assert_eq!(
        (&tagged["tags"], &tagged["identity"]["principalId"]),
        (&json!({"team": "b"}), &healed["identity"]["principalId"])
    );
    assert_eq!((nothing, absent), (2, 5), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_that_is_updated_keeps_its_vault_and_none_is_made_by_mistake() {
    let desk = Desk::start().await;
    let binding = ["trusted-access", "rolebinding"];
    let update = |name: &'static str, roles: &'static str| {
        [&binding[..], &["update", "-n", name, "-c", "one", "-g", "shop", "--roles", roles]].concat()
    };
    let role = "Microsoft.DataProtection/backupVaults/backup-operator";

    let updated = desk.json(&update("backuprb", role)).await;
    let (other_role, said) =
        desk.refused(&update("backuprb", "Microsoft.DataProtection/backupVaults/owner")).await;
    let (absent, _) = desk.refused(&update("none", role)).await;

    let all = desk.json(&[&binding[..], &["list", "-c", "one", "-g", "shop"]].concat()).await;
    assert_eq!(updated["properties"]["sourceResourceId"], desk.it.vault.as_str());
    assert_eq!((other_role, absent), (2, 5), "{said}");
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all[0]["properties"]["roles"], json!([role]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_vault_is_listed_and_comes_back_with_settings_tags_and_policies() {
    let desk = Desk::start().await;
    let which = ["-v", "second", "-g", "shop"];
    let with = |words: &[&'static str]| [words, &which[..]].concat();
    let made = desk
        .json(&with(&["vault", "create", "-l", "local", "--tags", "team=a", "--soft-delete-state", "On"]))
        .await;
    desk.done(&with(&["policy", "create", "-n", "nightly"])).await;
    let unknown = desk.refused(&with(&["vault", "undelete"])).await;

    desk.done(&with(&["vault", "delete", "--yes"])).await;
    let listed = desk.json(&["vault", "deleted", "list"]).await;
    let table = desk.done(&["backup-vault", "deleted-vault", "list", "-l", "local"]).await;
    let name = listed[0]["name"].as_str().unwrap();
    let shown = desk.json(&["vault", "deleted", "show", "-n", name]).await;
    let back = desk.json(&with(&["vault", "undelete"])).await;

    assert_eq!(unknown.0, 5, "{}", unknown.1);
    assert_eq!(shown, listed[0]);
    assert!(table.starts_with("NAME") && table.contains("second") && table.contains("shop"), "{table}");
    assert_eq!(back["tags"], json!({"team": "a"}), "{back}");
    assert_eq!(back["properties"]["securitySettings"], made["properties"]["securitySettings"]);
    assert!(back["identity"]["principalId"].is_string(), "{back}");
    assert_ne!(back["identity"]["principalId"], made["identity"]["principalId"]);
    let policies = desk.json(&with(&["policy", "list"])).await;
    assert_eq!(policies[0]["name"], "nightly");
    assert_eq!(desk.json(&["vault", "deleted", "list"]).await, json!([]));
}
