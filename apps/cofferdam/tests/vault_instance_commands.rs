//! A person with our own command line against a vault whose cluster is played: what needs an instance, jobs or a cluster that
//! is connected.

mod terminal;
#[path = "../../../crates/vault/tests/world/mod.rs"]
mod world;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Read,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};
use terminal::Terminal;
use tokio::task::JoinHandle;
use world::{
    Person,
    protected::{POINT, Protected},
};

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
        this.sign_in("config", &this.it.world.administrator).await;
        this
    }

    /// Somebody signs in, into a profile of their own.
    async fn sign_in(&self, profile: &str, who: &Person) {
        let secret = self.at("secret");
        std::fs::write(&secret, &who.secret).unwrap();
        let (secret, ca) = (secret.to_str().unwrap(), self.it.world.ca.to_str().unwrap());
        let there = ["login", "--vault-url", &self.it.world.url, "--ca", ca, "--service-principal"];
        let who = ["-u", &who.client_id, "--tenant", &self.it.world.tenant, "--password-file", secret];
        let output = self.run_as(profile, "", &[&there[..], &who[..]].concat()).await;
        assert!(output.status.success(), "{}", told(&output));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.run_as("config", "", arguments).await
    }

    /// The same of whoever signed in to this profile, with this piped to it.
    async fn run_as(&self, profile: &str, input: &str, arguments: &[&str]) -> Output {
        let piped = self.at("piped");
        std::fs::write(&piped, input).unwrap();
        let mut command = self.command(profile, arguments);
        command.stdin(std::fs::File::open(&piped).unwrap());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The command, to be run in some way.
    fn command(&self, profile: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command.args(arguments).env("COFFERDAM_CONFIG_DIR", self.at(profile));
        command.current_dir(self.folder.path());
        for name in [
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "COFFERDAM_SUBSCRIPTION",
            "COFFERDAM_ACCESS_TOKEN",
        ] {
            command.env_remove(name);
        }
        command
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
async fn a_job_that_runs_is_one_live_line_on_a_terminal_and_plain_lines_elsewhere() {
    let desk = Desk::start().await;
    desk.it.protect().await;
    let says = |stage: &str| desk.it.cluster.says("Backup", json!({"phase": "InProgress", "stage": stage}));
    says("await-cut");
    let job = desk.it.job_of(&desk.it.back_up().await).await;
    let watch = ["job", "watch", "--ids", &job];
    let mut on_terminal = desk.command("config", &watch);
    on_terminal.env("TERM", "xterm").env_remove("NO_COLOR");
    let (out, err) = (desk.at("out"), desk.at("err"));
    let mut elsewhere = desk.command("config", &watch);
    elsewhere.stdin(Stdio::null()).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let written = |file: &PathBuf| std::fs::read_to_string(file).unwrap();
    let done = "Backup InProgress: Trigger Backup (Completed), Prepare Backup (Completed), Take Snapshots";
    let (cut, captured) =
        (format!("{done} await-cut"), format!("{done} (Completed), Capture Resources await-capture"));

    let mut terminal = Terminal::run(&on_terminal);
    let mut elsewhere = elsewhere.spawn().unwrap();
    let mut both = |live: &str, plain: &str| {
        terminal.until(live);
        let tries = (0..1_200).map(|_| std::thread::sleep(Duration::from_millis(100)));
        let seen = tries.into_iter().any(|()| written(&err).contains(plain));
        assert!(seen, "{plain} was not told: {}", written(&err));
    };
    both("Backup InProgress: Take Snapshots await-cut (2 of 6 steps done)", &cut);
    says("await-capture");
    both("Backup InProgress: Capture Resources await-capture (3 of 6 steps done)", &captured);
    desk.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let (code, shown) = terminal.end();
    let ended = elsewhere.wait().unwrap();

    assert_eq!((code, ended.code()), (0, Some(0)), "{shown}");
    assert!(shown.contains('\u{1b}'), "the line is drawn again in its place: {shown:?}");
    let (lines, all) = (written(&err), written(&err) + &written(&out));
    assert!(!all.contains(['\u{1b}', '\r']), "no codes where nobody looks: {all:?}");
    let steps: Vec<&str> = lines.lines().filter(|line| line.starts_with("Backup InProgress: ")).collect();
    assert!(steps.ends_with(&[&*cut, &*captured]), "{lines}");
    let once: std::collections::BTreeSet<_> = steps.iter().collect();
    assert_eq!(once.len(), steps.len(), "a line for each change, and no other: {lines}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_a_job_took_is_told_alike_by_the_api_and_each_command() {
    const GONE_BY: SignedDuration = SignedDuration::from_secs(216);
    let desk = Desk::start().await;
    desk.it.protect().await;
    desk.it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "await-cut"}));
    let job = desk.it.job_of(&desk.it.back_up().await).await;
    let show = ["job", "show", "--ids", &job];
    let duration = |job: &Value| -> SignedDuration {
        let text = job["properties"]["duration"].as_str().unwrap();
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    };

    let begun = desk.json(&show).await;
    desk.it.world.clock.advance(GONE_BY);
    let running = desk.json(&show).await;
    desk.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let ended = desk.it.ended(&job).await;
    let (shown, table) = (desk.json(&show).await, desk.done(&show).await);
    let listed = desk.done(&[&["job", "list"][..], &HERE[..]].concat()).await;

    let said = ended["properties"]["duration"].as_str().unwrap();
    assert!(running["properties"]["endTime"].is_null(), "{running}");
    assert!(duration(&running) - duration(&begun) >= GONE_BY, "it goes on while the job runs: {running}");
    let time = |name: &str| ended["properties"][name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let took = time("endTime").duration_since(time("startTime"));
    assert!((took - duration(&ended)).abs() < SignedDuration::from_millis(10), "{ended}");
    let (minutes, seconds) = said.strip_prefix("PT").and_then(|rest| rest.split_once('M')).unwrap();
    assert!(minutes.parse::<u32>().unwrap() >= 3 && seconds.ends_with('S'), "{said}");
    let parts = seconds.trim_end_matches('S').split_once('.');
    assert!(parts.is_none_or(|(_, hundredths)| hundredths.len() == 2), "{said}");
    assert_eq!(shown["properties"]["duration"], said);
    assert!(table.contains(said), "{table}");
    let row = listed.lines().find(|line| line.contains(job.rsplit('/').next().unwrap())).unwrap();
    assert!(listed.lines().next().unwrap().ends_with("TOOK") && row.ends_with(said), "{listed}");
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

/// A guard of somebody else over the desk's vault; someone who keeps the vault, and someone who may approve.
async fn guarded(desk: &Desk) -> String {
    let world = &desk.it.world;
    let group = world.make_group("guards").await;
    let guard = format!("{group}/providers/Microsoft.DataProtection/resourceGuards/guard");
    let made = desk.it.call(Method::PUT, &guard, Some(json!({"location": "local", "properties": {}}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let keeper = world.person(Some("Backup Contributor"), &desk.it.group).await;
    let seen = world.assign(&world.administrator, "Reader", &keeper, &guard).await;
    assert_eq!(seen.status, 201, "{seen:?}");
    let approver = world.person(Some("Backup MUA Operator"), &guard).await;
    desk.sign_in("keeper", &keeper).await;
    desk.sign_in("approver", &approver).await;
    let mapping = ["resource-guard", "mapping", "create", "--resource-guard-id", &guard];
    let mapped = desk.run_as("keeper", "", &[&mapping[..], &HERE[..]].concat()).await;
    assert!(mapped.status.success(), "{}", told(&mapped));
    guard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guard_guards_is_done_with_the_token_that_a_second_person_lends_by_file_or_pipe() {
    let desk = Desk::start().await;
    desk.it.protect().await;
    let guard = guarded(&desk).await;
    let lend = ["account", "get-access-token", "--query", "accessToken", "-o", "tsv"];
    let lent = desk.run_as("approver", "", &lend).await;
    assert!(lent.status.success(), "{}", told(&lent));
    let token = String::from_utf8(lent.stdout).unwrap();
    std::fs::write(desk.at("approval"), &token).unwrap();
    let approving = |kind: &str| format!("{guard}/{kind}/default");
    let (soft_delete, stop) = (approving("disableSoftDeleteRequests"), approving("stopProtectionRequests"));
    let (policy, remove) =
        (approving("updateProtectionPolicyRequests"), approving("deleteResourceGuardProxyRequests"));
    let with = |words: &[&str], request: &str| -> Vec<String> {
        let all = [words, &HERE[..], &["--operation-requests", request]].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let keeper = async |arguments: &[String], lent: &[&str], input: &str| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(lent.iter().copied()).collect();
        desk.run_as("keeper", input, &arguments).await
    };
    let (file, pipe) = (["--auxiliary-token-file", "approval"], ["--auxiliary-token-file", "-"]);
    let weaker = with(&["vault", "update", "--soft-delete-state", "Off"], &soft_delete);
    let stopping = with(&["instance", "stop", "--instance", "one/shop"], &stop);
    let shorter = with(&["policy", "create", "-n", "policy1", "--retention", "P3D"], &policy);
    let mapping = format!("{}/backupResourceGuardProxies/DppResourceGuardProxy", desk.it.vault);
    let unlocking = with(&["resource-guard", "unlock", "--resource-to-be-deleted", &mapping], &remove);

    let alone = keeper(&weaker, &[], "").await;
    let own = String::from_utf8(desk.run_as("keeper", "", &lend).await.stdout).unwrap();
    let by_oneself = keeper(&weaker, &pipe, &own).await;
    let empty = keeper(&weaker, &pipe, "").await;
    let no_token = keeper(&weaker, &pipe, "{\"accessToken\": \"a.b.c\"}").await;
    let forged = keeper(&weaker, &pipe, &format!("{}x", token.trim())).await;
    let before = desk.it.get(&desk.it.vault).await;
    let by_file = keeper(&weaker, &file, "").await;
    let by_pipe = keeper(&stopping, &pipe, &token).await;
    let policy = keeper(&shorter, &file, "").await;
    let unlocked = keeper(&unlocking, &pipe, &format!("Bearer {token}")).await;
    let unmapping = [&["resource-guard", "mapping", "delete", "--yes"][..], &HERE[..]].concat();
    let removed = desk.run_as("keeper", "", &unmapping).await;

    let approved = "UserErrorResourceGuardOperationNotApproved";
    assert!(told(&alone).contains(approved), "{}", told(&alone));
    assert!(told(&by_oneself).contains(approved), "{}", told(&by_oneself));
    for output in [&empty, &no_token] {
        assert_eq!(output.status.code(), Some(2), "{}", told(output));
    }
    assert!(told(&forged).contains("InvalidAuxiliaryTokens"), "{}", told(&forged));
    assert!(!told(&forged).contains(token.trim()), "no message repeats a token");
    let state = "/properties/securitySettings/softDeleteSettings/state";
    assert_eq!(before.body.pointer(state), Some(&json!("On")), "{before:?}");
    for output in [&by_file, &by_pipe, &policy, &unlocked, &removed] {
        assert!(output.status.success(), "{}", told(output));
    }
    let vault = desk.it.get(&desk.it.vault).await;
    assert_eq!(vault.body.pointer(state), Some(&json!("Off")), "{vault:?}");
    assert_eq!(vault.body["properties"]["isVaultProtectedByResourceGuard"], false, "{vault:?}");
    assert_eq!(desk.it.state().await, "ProtectionStopped");
}
