//! A person with our own command line against the program as it is served.

mod served;

use serde_json::Value;
use served::{PROGRAM, Served};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A vault in a process of its own, and a person with a folder for the sign-in.
struct World {
    served: Served,
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        Self::serve(tempfile::tempdir().unwrap(), &[])
    }

    /// Somebody is signed in as the administrator of a vault that offers the Backup Extension.
    fn with_packages() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let packages = served::packages(folder.path());
        let world = Self::serve(folder, &["--packages", text(&packages)]);
        world.sign_in();
        world
    }

    fn serve(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let (data, config) = (folder.path().join("vault"), folder.path().join("config"));
        Self { served: Served::start(&data, arguments), config, _folder: folder }
    }

    /// Somebody is signed in as the administrator.
    fn signed_in() -> Self {
        let world = Self::start();
        world.sign_in();
        world
    }

    fn sign_in(&self) {
        let file = self.served.data.join("administrator.json");
        let ca = self.served.data.join("tls/ca.crt");
        self.done(&["login", "--credential-file", text(&file), "--ca", text(&ca)]);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env("COFFERDAM_CONFIG_DIR", &self.config).stdin(Stdio::null());
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "COFFERDAM_SUBSCRIPTION"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must succeed; its result.
    fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Runs a command that must fail; its code and what it said.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", told(&output));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn credential(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.served.data.join("administrator.json")).unwrap()).unwrap()
    }

    fn subscription(&self) -> String {
        self.credential()["subscriptionId"].as_str().unwrap().to_owned()
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_service_principal_signs_in_without_its_secret_on_the_command_line() {
    let world = World::start();
    let credential = world.credential();
    let of = |name: &str| credential[name].as_str().unwrap().to_owned();
    let (client, secret, tenant) = (of("clientId"), of("clientSecret"), of("tenantId"));
    let ca = world.served.data.join("tls/ca.crt");
    let file = world.config.with_file_name("secret");
    std::fs::write(&file, format!("{secret}\n")).unwrap();

    let there =
        ["login", "--vault-url", &world.served.url, "--ca", text(&ca), "--service-principal", "-u", &client];
    world.done(&[&there[..], &["--tenant", &tenant, "--password-file", text(&file)]].concat());
    let account = world.json(&["account", "show"]);
    let by_environment = world.command(&there).env("COFFERDAM_CLIENT_SECRET", &secret).output().unwrap();

    assert_eq!(account["user"]["name"], client.as_str());
    assert_eq!(
        (account["tenantId"].as_str(), account["id"].as_str()),
        (Some(tenant.as_str()), Some(world.subscription().as_str()))
    );
    assert!(by_environment.status.success(), "{}", told(&by_environment));
    for file in ["profile.json", "token.json"] {
        let mode = std::fs::metadata(world.config.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[test]
fn a_sign_in_that_fails_says_why_and_leaves_the_earlier_one() {
    let world = World::signed_in();
    let ca = world.served.data.join("tls/ca.crt");
    let credential = world.credential();
    let client = credential["clientId"].as_str().unwrap();
    let there = ["login", "--vault-url", &world.served.url, "--service-principal", "-u", client];

    let mut wrong = world.command(&[&there[..], &["--ca", text(&ca)]].concat());
    let wrong = wrong.env("COFFERDAM_CLIENT_SECRET", "wrong").output().unwrap();
    let mut unknown = world.command(&there);
    let unknown = unknown.env("COFFERDAM_CLIENT_SECRET", "wrong").output().unwrap();
    let no_secret = world.refused(&[&there[..], &["--ca", text(&ca)]].concat());

    assert_eq!(wrong.status.code(), Some(5), "{}", told(&wrong));
    assert!(
        told(&wrong).contains("error: sign-in was refused: AADSTS7000215") && told(&wrong).contains("next: ")
    );
    assert_eq!(unknown.status.code(), Some(5), "{}", told(&unknown));
    assert!(told(&unknown).contains("--ca FILE"), "{}", told(&unknown));
    assert_eq!(no_secret.0, 2, "{}", no_secret.1);
    world.done(&["group", "list"]);
}

#[test]
fn who_signed_out_is_told_to_sign_in() {
    let world = World::signed_in();

    world.done(&["logout"]);
    let (code, said) = world.refused(&["group", "list"]);

    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("nobody is signed in") && said.contains("next: Sign in: `cofferdam login"),
        "{said}"
    );
    assert!(!world.config.join("profile.json").exists() && !world.config.join("token.json").exists());
}

#[test]
fn groups_are_made_shown_queried_and_deleted() {
    let world = World::signed_in();

    world.done(&["group", "create", "-n", "demo", "-l", "local", "--tags", "team=a", "env=test"]);
    let shown = world.json(&["group", "show", "--name", "demo"]);
    let names = world.done(&["group", "list", "--query", "[].name", "-o", "tsv"]);
    let table = world.done(&["group", "list"]);
    let preview = world.done(&["group", "delete", "-g", "demo"]);
    world.done(&["group", "show", "-g", "demo"]);
    world.done(&["group", "delete", "-g", "demo", "--yes"]);
    let (code, said) = world.refused(&["group", "show", "-g", "demo"]);

    assert_eq!(shown["tags"]["team"], "a");
    assert_eq!(names, "demo\n");
    assert!(table.starts_with("NAME  LOCATION  STATE\ndemo  local"), "{table}");
    assert!(preview.contains("demo"), "{preview}");
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("error: ResourceGroupNotFound: ") && said.contains("next: Make the group"),
        "{said}"
    );
}

#[test]
fn providers_are_registered_by_their_namespace() {
    let world = World::signed_in();

    let registered =
        world.json(&["provider", "register", "--namespace", "Microsoft.KubernetesConfiguration", "--wait"]);
    let shown = world.json(&["provider", "show", "-n", "Microsoft.KubernetesConfiguration"]);

    assert_eq!(registered["registrationState"], "Registered");
    assert_eq!(shown["namespace"], "Microsoft.KubernetesConfiguration");
    assert!(world.done(&["provider", "list"]).contains("Microsoft.DataProtection"));
}

#[test]
fn roles_are_given_once_listed_and_taken() {
    let world = World::signed_in();
    let made =
        world.done(&["vault", "add-principal", "someone", "-o", "json", "--data", text(&world.served.data)]);
    let someone: Value = serde_json::from_str(&made).unwrap();
    let someone = someone["objectId"].as_str().unwrap();
    world.done(&["group", "create", "-n", "demo", "-l", "local"]);
    let scope = format!("/subscriptions/{}/resourceGroups/demo", world.subscription());
    let which = ["--assignee", someone, "--role", "Backup Contributor", "--scope", &scope];

    let first = world.json(&[&["role", "assignment", "create"], &which[..]].concat());
    let again = world.json(&[&["role", "assignment", "create"], &which[..]].concat());
    let listed = world.json(&["role", "assignment", "list", "--assignee", someone, "--scope", &scope]);
    world.done(&[&["role", "assignment", "delete", "--yes"], &which[..]].concat());
    let after = world.json(&["role", "assignment", "list", "--assignee", someone, "--all"]);

    assert_eq!(first["id"], again["id"]);
    assert_eq!(listed[0]["properties"]["roleDefinitionName"], "Backup Contributor");
    assert_eq!(after, Value::Array(Vec::new()));
    let definitions = world.json(&["role", "definition", "list", "-n", "Backup Reader"]);
    assert_eq!(definitions[0]["properties"]["roleName"], "Backup Reader");
}

#[test]
fn another_subscription_is_made_on_the_vaults_machine_and_is_its_owners_at_once() {
    let world = World::signed_in();
    let owner = world.credential()["clientId"].as_str().unwrap().to_owned();
    let data = ["-o", "json", "--data", text(&world.served.data)];
    let add = ["vault", "add-subscription", "Second site", "--owner"];

    let made: Value = serde_json::from_str(&world.done(&[&add[..], &[&owner], &data].concat())).unwrap();
    let id = made["subscriptionId"].as_str().unwrap();
    let (_, twice) = world.refused(&[&add[..], &[&owner], &data].concat());
    let (_, nobody) =
        world.refused(&[&["vault", "add-subscription", "x", "--owner", "none"], &data[..]].concat());
    let group = world.json(&["group", "create", "-n", "there", "-l", "local", "--subscription", id]);
    world.sign_in();
    let listed = world.json(&["account", "list"]);
    let later = world.done(&[&["vault", "add-principal", "later", "--role", "Reader"], &data[..]].concat());

    assert_eq!(group["id"], format!("/subscriptions/{id}/resourceGroups/there"));
    assert!(twice.contains("Second site") && twice.contains("already"), "{twice}");
    assert!(nobody.contains("no principal none"), "{nobody}");
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert!(listed.to_string().contains("Second site"), "{listed}");
    let later: Value = serde_json::from_str(&later).unwrap();
    let assigned = ["role", "assignment", "list", "--all", "--assignee", later["objectId"].as_str().unwrap()];
    let scope = world.json(&assigned)[0]["properties"]["scope"].clone();
    assert_eq!(scope, format!("/subscriptions/{}", world.subscription()), "the first one stays the default");
}

#[test]
fn who_may_not_is_told_which_right_is_missing() {
    let world = World::signed_in();
    world.done(&[
        "vault",
        "add-principal",
        "reader",
        "--role",
        "Reader",
        "-o",
        "json",
        "--data",
        text(&world.served.data),
    ]);
    let file =
        std::fs::read_dir(&world.served.data).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let file = file.into_iter().find(|path| text(path).contains("principal-")).unwrap();
    let ca = world.served.data.join("tls/ca.crt");

    world.done(&[
        "login",
        "--vault-url",
        &world.served.url,
        "--credential-file",
        text(&file),
        "--ca",
        text(&ca),
    ]);
    let (code, said) = world.refused(&["group", "create", "-n", "demo", "-l", "local"]);

    assert_eq!(code, 1, "{said}");
    assert!(said.contains("AuthorizationFailed") && said.contains("resourceGroups/write"), "{said}");
    assert!(said.contains("correlation id") && said.contains("next: The role 'Contributor' on "), "{said}");
}

#[test]
fn a_policy_is_made_of_arguments_without_any_vault() {
    let world = World::start();

    let template = world.json(&["policy", "get-default-template"]);
    let made = world.json(&[
        "policy",
        "create",
        "--dry-run",
        "-n",
        "p",
        "-v",
        "vault",
        "-g",
        "g",
        "--schedule",
        "P1D",
        "--start",
        "2026-01-01T02:00:00",
        "--retention",
        "P14D",
        "--vault-daily",
        "P84D",
    ]);
    let (code, said) = world.refused(&[
        "policy",
        "create",
        "--dry-run",
        "-n",
        "p",
        "-v",
        "vault",
        "-g",
        "g",
        "--schedule",
        "PT5H",
    ]);

    assert_eq!(template["policyRules"][0]["name"], "BackupHourly");
    assert_eq!(
        made["policyRules"][0]["trigger"]["schedule"]["repeatingTimeIntervals"][0],
        "R/2026-01-01T02:00:00+00:00/P1D"
    );
    assert_eq!(made["policyRules"][1]["lifecycles"][1]["deleteAfter"]["duration"], "P84D");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("PT4H, PT6H, PT8H, PT12H, P1D"), "{said}");
}

#[test]
fn a_token_made_elsewhere_is_used_as_it_is() {
    let world = World::signed_in();
    let token: Value =
        serde_json::from_slice(&std::fs::read(world.config.join("token.json")).unwrap()).unwrap();
    let with = |token: &str| {
        let mut command = world.command(&["group", "list"]);
        command.env("COFFERDAM_ACCESS_TOKEN", token).output().unwrap()
    };

    let good = with(token["secret"].as_str().unwrap());
    let bad = with("made-up");

    assert!(good.status.success(), "{}", told(&good));
    assert_eq!(bad.status.code(), Some(1), "{}", told(&bad));
    assert!(told(&bad).contains("next: Sign in again"), "{}", told(&bad));
}

#[test]
fn wrong_names_and_queries_are_refused_before_anything_is_sent() {
    let world = World::signed_in();

    for (arguments, said) in [
        (&["group", "show"][..], "the name is missing"),
        (&["group", "show", "-n", "a/b"], "is no name"),
        (&["group", "list", "--query", "[?"], "is no JMESPath"),
        (&["group", "list", "--subscription", "nobody"], "there is no subscription"),
        (&["job", "show", "--job-id", "x"], "not named whole"),
        (&["extension", "create", "-n", "x", "-c", "c", "-g", "g"], "needs a place"),
    ] {
        let (code, told) = world.refused(arguments);
        assert!(
            matches!(code, 2 | 5) && told.contains(said) && told.contains("next: "),
            "{arguments:?}: {told}"
        );
    }
}

#[test]
fn a_vault_with_its_policies_is_made_changed_and_deleted() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.DataProtection", "--wait"]);
    let vault = ["--vault-name", "vault", "-g", "g"];
    let with = |verb: &[&'static str], more: &[&'static str]| world.json(&[verb, &vault[..], more].concat());

    let made = with(&["vault", "create"], &["-l", "local", "--tags", "team=a"]);
    let changed = with(&["backup-vault", "update"], &["--retention-duration-in-days", "30"]);
    let policy = with(
        &["policy", "create"],
        &["-n", "nightly", "--schedule", "P1D", "--retention", "P14D", "--daily", "P30D"],
    );
    let again = with(&["policy", "show"], &["-n", "nightly"]);
    let table = world.done(&[&["policy", "list"], &vault[..]].concat());
    let missing = world.refused(&[&["policy", "show", "-n", "none"], &vault[..]].concat());
    world.done(&[&["policy", "delete", "-n", "nightly", "--yes"], &vault[..]].concat());
    world.done(&[&["vault", "delete", "--yes"], &vault[..]].concat());

    assert_eq!(
        (made["identity"]["type"].as_str(), made["tags"]["team"].as_str()),
        (Some("SystemAssigned"), Some("a"))
    );
    assert!(made["identity"]["principalId"].is_string());
    assert_eq!(
        changed["properties"]["securitySettings"]["softDeleteSettings"]["retentionDurationInDays"].as_f64(),
        Some(30.0)
    );
    assert_eq!(changed["identity"]["principalId"], made["identity"]["principalId"]);
    assert_eq!(policy["properties"]["policyRules"], again["properties"]["policyRules"]);
    assert!(table.contains("nightly  P1D       Daily P30D, Default P14D"), "{table}");
    assert_eq!(missing.0, 5, "{}", missing.1);
    assert_eq!(world.json(&["vault", "list", "-g", "g"]), Value::Array(Vec::new()));
}

#[test]
fn the_template_is_a_policy_that_the_vault_takes() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.DataProtection", "--wait"]);
    world.done(&["vault", "create", "-v", "vault", "-g", "g", "-l", "local"]);
    let file = world.config.with_file_name("policy.json");
    std::fs::write(&file, world.done(&["policy", "get-default-template"])).unwrap();

    world.done(&["policy", "create", "-n", "usual", "-v", "vault", "-g", "g", "--policy", text(&file)]);
    let copies = ["policy", "create", "-n", "copies", "-v", "vault", "-g", "g", "--vault-daily", "P84D"];
    let (tier_code, tier_said) = world.refused(&copies);
    std::fs::write(&file, r#"{"objectType": "BackupPolicy", "datasourceTypes": [], "policyRules": []}"#)
        .unwrap();
    let (code, said) =
        world.refused(&["policy", "create", "-n", "bad", "-v", "vault", "-g", "g", "--policy", text(&file)]);

    let rules = world.done(&[
        "policy",
        "show",
        "-n",
        "usual",
        "-v",
        "vault",
        "-g",
        "g",
        "--query",
        "properties.policyRules[].name",
        "-o",
        "tsv",
    ]);
    assert_eq!(rules, "BackupHourly\nDefault\n");
    assert_eq!(tier_code, code, "{tier_said}");
    assert!(tier_said.contains("DppUserErrorVaultTierPolicyNotSupported"), "{tier_said}");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("properties.") && said.contains("next: "), "{said}");
}

#[test]
fn what_a_vault_has_not_is_told_and_not_made_up() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.DataProtection", "--wait"]);
    world.done(&["vault", "create", "-v", "vault", "-g", "g", "-l", "local"]);
    let cluster = format!(
        "/subscriptions/{}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/none",
        world.subscription()
    );
    let policy = ["policy", "create", "-n", "nightly", "-v", "vault", "-g", "g"];
    world.done(&policy);

    let instances = world.json(&["instance", "list", "-v", "vault", "-g", "g"]);
    let jobs = world.json(&["job", "list", "-v", "vault", "-g", "g"]);
    let body = world.json(&[
        "instance",
        "initialize",
        "-v",
        "vault",
        "-g",
        "g",
        "--datasource-id",
        &cluster,
        "--datasource-location",
        "local",
        "--policy",
        "nightly",
    ]);
    let instance = world.refused(&[
        "instance",
        "create",
        "-v",
        "vault",
        "-g",
        "g",
        "--datasource-id",
        &cluster,
        "--policy",
        "nightly",
    ]);
    let backup =
        world.refused(&["backup", "start", "--instance", "none", "-v", "vault", "-g", "g", "--wait"]);
    let friendly =
        world.refused(&["instance", "show", "--instance", "none/nightly", "-v", "vault", "-g", "g"]);
    let enable = world.refused(&["enable-backup", "--datasource-id", &cluster, "--enable-trusted-access"]);
    let no_jobs = world.refused(&["job", "list", "-v", "nosuch", "-g", "g"]);
    let no_alerts = world.refused(&["alert", "list", "-v", "nosuch", "-g", "g"]);

    assert_eq!((instances, jobs), (Value::Array(Vec::new()), Value::Array(Vec::new())));
    assert_eq!(body["properties"]["friendlyName"], "none/nightly");
    for (code, said) in [instance, backup, friendly, enable, no_jobs, no_alerts] {
        assert_eq!(code, 5, "{said}");
        assert!(said.starts_with("error: ") && said.contains("next: "), "{said}");
    }
}

#[test]
fn guards_stand_beside_vaults() {
    let world = World::signed_in();
    for group in ["g", "guards"] {
        world.done(&["group", "create", "-n", group, "-l", "local"]);
    }
    world.done(&["provider", "register", "-n", "Microsoft.DataProtection", "--wait"]);
    world.done(&["vault", "create", "-v", "vault", "-g", "g", "-l", "local"]);

    let guard = world.json(&["resource-guard", "create", "-n", "guard", "-g", "guards"]);
    let id = guard["id"].as_str().unwrap();
    world.done(&["resource-guard", "mapping", "create", "-v", "vault", "-g", "g", "--resource-guard-id", id]);
    let mapping = world.json(&["resource-guard", "mapping", "show", "-v", "vault", "-g", "g"]);

    assert_eq!(mapping["properties"]["resourceGuardResourceId"], id);
    assert!(world.done(&["resource-guard", "list"]).contains("guard"));
}

#[test]
fn identities_are_made_listed_and_deleted() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.ManagedIdentity", "--wait"]);

    let made = world.json(&["identity", "create", "-n", "mover", "-g", "g"]);
    let listed =
        world.done(&["identity", "list", "-g", "g", "--query", "[].properties.principalId", "-o", "tsv"]);
    world.done(&["identity", "delete", "-n", "mover", "-g", "g", "--yes"]);

    assert_eq!(made["location"], "local");
    assert_eq!(listed.trim(), made["properties"]["principalId"].as_str().unwrap());
    assert_eq!(world.json(&["identity", "list"]), Value::Array(Vec::new()));
}

#[test]
fn a_cluster_is_connected_by_a_manifest_and_lets_a_vault_in() {
    let world = World::with_packages();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    for provider in ["Microsoft.ContainerService", "Microsoft.DataProtection"] {
        world.done(&["provider", "register", "-n", provider, "--wait"]);
    }
    let vault = world.json(&["vault", "create", "-v", "vault", "-g", "g", "-l", "local"]);
    let binding = ["trusted-access", "rolebinding"];
    let which = ["-n", "backuprb", "-c", "shop", "-g", "g"];

    let printed = world.run(&["cluster", "connect", "-n", "shop", "-g", "g"]);
    let again = world.json(&["cluster", "connect", "-n", "shop", "-g", "g"]);
    let source = ["--source-resource-id", vault["id"].as_str().unwrap()];
    let bound = world.json(&[&binding[..], &["create"], &which, &source].concat());
    let table = world.done(&[&binding[..], &["list", "-c", "shop", "-g", "g"]].concat());
    let roles = world.json(&["trusted-access", "role", "list"]);
    world.done(&[&binding[..], &["delete", "--yes"], &which].concat());
    world.done(&["cluster", "disconnect", "-n", "shop", "-g", "g"]);
    world.done(&["cluster", "delete", "-n", "shop", "-g", "g", "--yes"]);

    assert!(printed.status.success(), "{}", told(&printed));
    let manifest = String::from_utf8(printed.stdout.clone()).unwrap();
    assert!(manifest.starts_with("---\n") && manifest.contains("kind: Deployment"), "{manifest}");
    assert!(!manifest.contains(again["token"].as_str().unwrap()), "a token serves once");
    assert!(told(&printed).contains("keep it from others"));
    assert!(told(&printed).contains("the vault chose: image cofferdam/cofferdam:"), "{}", told(&printed));
    assert_eq!(bound["properties"]["sourceResourceId"], vault["id"]);
    assert!(table.contains("backuprb"), "{table}");
    assert_eq!(roles[0]["name"], "backup-operator");
    assert_eq!(world.json(&["cluster", "list"]), Value::Array(Vec::new()));
}

#[test]
fn backups_are_enabled_with_consent_only() {
    let world = World::with_packages();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.ContainerService", "--wait"]);
    world.done(&["cluster", "connect", "-n", "shop", "-g", "g"]);
    let id = world.json(&["cluster", "show", "-n", "shop", "-g", "g"])["id"].as_str().unwrap().to_owned();
    let enable = ["enable-backup", "--datasource-id", &id];

    let (code, said) = world.refused(&enable);
    let (_, custom) = world.refused(&[&enable[..], &["--backup-strategy", "Custom"]].concat());

    assert_eq!(code, 5, "{said}");
    assert!(said.contains("nothing was done") && said.contains("--enable-trusted-access"), "{said}");
    assert!(custom.contains("backupVaultId"), "{custom}");
    assert_eq!(world.json(&["vault", "list"]), Value::Array(Vec::new()));
}

#[test]
fn a_vault_without_packages_says_so_instead_of_printing_nothing() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.ContainerService", "--wait"]);

    let (code, said) = world.refused(&["cluster", "connect", "-n", "shop", "-g", "g"]);

    assert_ne!(code, 0, "{said}");
    assert!(said.contains("--packages") && said.contains("deleted again"), "{said}");
    assert_eq!(world.json(&["cluster", "list"]), Value::Array(Vec::new()));
}

#[test]
fn an_owner_with_keys_connects_to_a_vault_without_packages_through_a_proxy_that_the_vault_does_not_know() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.ContainerService", "--wait"]);
    let file = |name: &str| world.served.data.join(name);
    let (key, public, trust, proxy) = (file("key"), file("key.pub"), file("trust.json"), file("proxy"));
    world.done(&["extension-package", "key", "--private", text(&key), "--public", text(&public)]);
    let keys = serde_json::json!({"keys": [{"publicKey": std::fs::read_to_string(&public).unwrap(),
        "types": ["microsoft.dataprotection.kubernetes"]}]});
    std::fs::write(&trust, keys.to_string()).unwrap();
    std::fs::write(&proxy, "https://me:word@proxy.corp:3129\n").unwrap();
    let connect = ["cluster", "connect", "-n", "shop", "-g", "g"];
    let authorities = file("tls/ca.crt");
    let mine = [
        ["--trust", text(&trust)],
        ["--registry", "https://registry.corp"],
        ["--registry-ca", text(&authorities)],
        ["--image", "registry.corp/c:1"],
    ]
    .concat();
    let way = ["--https-proxy-file", text(&proxy), "--no-proxy", ".corp", "--proxy-ca", text(&authorities)];

    let (plain, no_password) =
        world.refused(&[&connect[..], &["--https-proxy", "http://me:word@p:1"]].concat());
    let (_, no_list) =
        world.refused(&[&connect[..], &["--https-proxy", "http://p:1", "--no-proxy", "a b"]].concat());
    let no_ca = ["--trust", text(&trust), "--registry", "https://r", "--registry-ca", text(&trust)];
    let (_, no_ca) = world.refused(&[&connect[..], &no_ca].concat());
    let nothing_made = world.json(&["cluster", "list"]);
    let yielded = world.json(&[&connect[..], &mine, &way].concat());

    assert_eq!(plain, 2, "{no_password}");
    assert!(no_password.contains("--https-proxy-file") && !no_password.contains("me:word"), "{no_password}");
    assert!(no_list.contains("--no-proxy:"), "{no_list}");
    assert!(no_ca.contains("no certificates"), "{no_ca}");
    assert_eq!(nothing_made, Value::Array(Vec::new()), "a bad flag is found before anything is made");
    let all = yielded["manifest"].as_array().unwrap();
    let find = |kind: &str, name: &str| {
        all.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap()
    };
    let url = "https://me:word@proxy.corp:3129";
    assert_eq!(find("Secret", "cofferdam-proxy")["stringData"]["HTTPS_PROXY"], url);
    assert_eq!(find("Secret", "cofferdam-enrolment")["stringData"]["token"], yielded["token"]);
    let authorities = &find("ConfigMap", "cofferdam-vault-ca")["data"];
    assert!(authorities["proxy-ca.crt"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    for name in ["cofferdam-agent", "cofferdam-gateway"] {
        let container = &find("Deployment", name)["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.corp/c:1");
        assert_eq!(container["env"][0]["valueFrom"]["secretKeyRef"]["name"], "cofferdam-proxy", "{name}");
        let except = ".corp,.svc,.cluster.local,$(KUBERNETES_SERVICE_HOST)";
        assert_eq!(container["env"][1], serde_json::json!({"name": "NO_PROXY", "value": except}), "{name}");
        assert!(container["args"].to_string().contains("--proxy-ca="), "{name}");
        assert!(!container.to_string().contains("word"), "{name}");
    }
    let agent = find("Deployment", "cofferdam-agent").to_string();
    assert!(agent.contains("--registry=https://registry.corp\""), "{agent}");
    find("ClusterRole", "cofferdam-agent:microsoft.dataprotection.kubernetes");
}

#[test]
fn accounts_and_containers_are_made_by_the_management_api_alone() {
    let world = World::signed_in();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    world.done(&["provider", "register", "-n", "Microsoft.Storage", "--wait"]);

    let account = world.json(&["storage", "account", "create", "-n", "backups1", "-g", "g"]);
    world.done(&["storage", "container", "create", "-n", "shop", "--storage-account", "backups1", "-g", "g"]);
    let containers =
        world.done(&["storage", "container", "list", "--storage-account", "backups1", "-g", "g"]);
    let again = world.json(&["storage", "account", "create", "-n", "backups1", "-g", "g"]);
    world.done(&[
        "storage",
        "container",
        "delete",
        "-n",
        "shop",
        "--storage-account",
        "backups1",
        "-g",
        "g",
        "--yes",
    ]);
    world.done(&["storage", "account", "delete", "-n", "backups1", "-g", "g", "--yes"]);

    assert_eq!(account["location"], "local");
    assert!(account["properties"]["primaryEndpoints"]["blob"].is_string(), "{account}");
    assert_eq!(containers, "NAME\nshop\n");
    assert_eq!(again["id"], account["id"]);
    assert_eq!(world.json(&["storage", "account", "list"]), Value::Array(Vec::new()));
}

#[test]
fn a_dry_run_tells_what_is_there_and_makes_nothing() {
    let world = World::with_packages();
    world.done(&["group", "create", "-n", "g", "-l", "local"]);
    for provider in ["Microsoft.ContainerService", "Microsoft.KubernetesConfiguration", "Microsoft.Storage"] {
        world.done(&["provider", "register", "-n", provider, "--wait"]);
    }
    world.done(&["cluster", "connect", "-n", "shop", "-g", "g"]);
    let id = world.json(&["cluster", "show", "-n", "shop", "-g", "g"])["id"].as_str().unwrap().to_owned();

    let plan =
        world.json(&["enable-backup", "--datasource-id", &id, "--backup-strategy", "Month", "--dry-run"]);
    let (code, said) = world.refused(&[
        "enable-backup",
        "--datasource-id",
        &id,
        "--backup-strategy",
        "DisasterRecovery",
        "--enable-trusted-access",
    ]);

    let row = |part: &str| {
        let rows = plan["steps"].as_array().unwrap();
        rows.iter().find(|row| row["part"] == part).unwrap()["result"].as_str().unwrap().to_owned()
    };
    assert_eq!((row("cluster").as_str(), row("provider").as_str()), ("there already", "there already"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("DisasterRecovery") && said.contains("no vault tier"), "{said}");
    for part in [
        "resource group",
        "storage account",
        "container",
        "extension",
        "vault",
        "policy",
        "role",
        "backup instance",
    ] {
        assert_eq!(row(part), "would be made", "{part}");
    }
    assert!(plan["vault"].as_str().unwrap().ends_with(
        "/AKSAzureBackup_local/providers/Microsoft.DataProtection/backupVaults/AKSAzureBackup-local"
    ));
    assert_eq!(
        world.done(&["group", "list", "--query", "[].name | sort(@)", "-o", "tsv"]),
        "MC_g_shop_local\ng\n"
    );
}
