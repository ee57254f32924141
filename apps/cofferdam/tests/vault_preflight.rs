//! The checks of a resource manager against the program as it is served: each thing is taken away in turn, its check says
//! so and no other, and the command that it prints brings it back.

mod served;

use management::{Client, Folder, Request, Tokens, Transport, versions};
use serde_json::{Value, json};
use served::{PROGRAM, Served};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};
use telemetry::SystemClock;

/// A vault that protects a cluster as far as a resource manager knows: nobody runs the cluster itself.
struct World {
    served: Served,
    config: PathBuf,
    cluster: String,
    vault: String,
    account: String,
    snapshots: String,
    _folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let packages = packages(folder.path());
        let (data, config) = (folder.path().join("vault"), folder.path().join("config"));
        let served = Served::start(&data, &["--packages", text(&packages)]);
        let mut world = Self {
            served,
            config,
            cluster: String::new(),
            vault: String::new(),
            account: String::new(),
            snapshots: String::new(),
            _folder: folder,
        };
        let file = world.served.data.join("administrator.json");
        world.done(&["login", "--credential-file", text(&file), "--ca", text(&world.authority())]);
        world.protect();
        world
    }

    /// Everything that a backup needs of a resource manager.
    fn protect(&mut self) {
        for group in ["g", "snapshots"] {
            self.done(&["group", "create", "-n", group, "-l", "local"]);
        }
        for provider in [
            "Microsoft.DataProtection",
            "Microsoft.ContainerService",
            "Microsoft.KubernetesConfiguration",
            "Microsoft.Storage",
        ] {
            self.done(&["provider", "register", "-n", provider, "--wait"]);
        }
        let vault = self.json(&[
            "vault",
            "create",
            "-v",
            "vault",
            "-g",
            "g",
            "-l",
            "local",
            "--type",
            "SystemAssigned",
        ]);
        self.done(&["cluster", "connect", "-n", "shop", "-g", "g"]);
        let cluster = self.json(&["cluster", "show", "-n", "shop", "-g", "g"]);
        let account = self.json(&["storage", "account", "create", "-n", "backups1", "-g", "g"]);
        self.done(&[
            "storage",
            "container",
            "create",
            "-n",
            "shop",
            "--storage-account",
            "backups1",
            "-g",
            "g",
        ]);
        let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
        (self.vault, self.cluster, self.account) = (id(&vault), id(&cluster), id(&account));
        self.snapshots = self.vault.split("/providers/").next().unwrap().replace("/g", "/snapshots");
        self.snapshots = format!("{}/snapshots", self.snapshots.rsplit_once('/').unwrap().0);
        let subscription = self.vault.split('/').nth(2).unwrap().to_owned();
        self.done(&[
            "k8s-extension",
            "create",
            "-n",
            "azure-aks-backup",
            "--extension-type",
            "microsoft.dataprotection.kubernetes",
            "--cluster-name",
            "shop",
            "-g",
            "g",
            "--no-wait",
            "--configuration-settings",
            "blobContainer=shop",
            "storageAccount=backups1",
            "storageAccountResourceGroup=g",
            &format!("storageAccountSubscriptionId={subscription}"),
        ]);
        let extension = self.json(&[
            "k8s-extension",
            "show",
            "-n",
            "azure-aks-backup",
            "--cluster-name",
            "shop",
            "-g",
            "g",
        ]);
        self.done(&[
            "trusted-access",
            "rolebinding",
            "create",
            "-n",
            "backuprb",
            "-c",
            "shop",
            "-g",
            "g",
            "--source-resource-id",
            &self.vault,
            "--roles",
            "Microsoft.DataProtection/backupVaults/backup-operator",
        ]);
        let principal = |of: &Value, path: &str| of.pointer(path).unwrap().as_str().unwrap().to_owned();
        let vault = principal(&vault, "/identity/principalId");
        let cluster = principal(&cluster, "/identity/principalId");
        let extension = principal(&extension, "/properties/aksAssignedIdentity/principalId");
        for (who, role, scope) in [
            (&vault, "Reader", &self.cluster),
            (&vault, "Reader", &self.snapshots),
            (&cluster, "Contributor", &self.snapshots),
            (&extension, "Storage Blob Data Contributor", &self.account),
        ] {
            self.done(&["role", "assignment", "create", "--assignee", who, "--role", role, "--scope", scope]);
        }
    }

    fn authority(&self) -> PathBuf {
        self.served.data.join("tls/ca.crt")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env("COFFERDAM_CONFIG_DIR", &self.config).stdin(Stdio::null());
        // Nobody reaches a cluster from here, and nobody is signed in to Azure.
        command.env("HOME", &self.config).env_remove("KUBECONFIG").env_remove("COFFERDAM_SUBSCRIPTION");
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "KUBERNETES_SERVICE_HOST"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command that must succeed; what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// The checks, with everything named.
    fn preflight(&self, more: &[&str]) -> Found {
        let ids = [
            "preflight",
            "--arm",
            &self.served.url,
            "--cluster-id",
            &self.cluster,
            "--vault-id",
            &self.vault,
            "--snapshot-group-id",
            &self.snapshots,
            "-o",
            "json",
        ];
        Found::of(&self.command(&[&ids[..], more].concat()).output().unwrap())
    }

    /// A call to the management API as the administrator.
    fn call(&self, method: &str, path: &str, version: &str, body: Option<Value>) {
        let folder = Folder::at(&self.config);
        let profile = folder.profile().unwrap();
        let transport = Transport::new(profile.authorities.as_deref()).unwrap();
        let tokens = Tokens::of(folder, profile);
        let client = Client::new(&self.served.url, transport, tokens, Arc::new(SystemClock)).unwrap();
        let mut request = Request::get(path, version);
        request.method = method.parse().unwrap();
        request.body = body;
        tokio::runtime::Runtime::new().unwrap().block_on(client.send(&request)).unwrap();
    }

    /// Runs the first command for our own line that a check printed.
    fn mend(&self, found: &Found, id: &str) {
        let fixes = found.check(id)["fixes"].as_array().unwrap().clone();
        let ours = fixes.iter().find(|fix| fix["by"] == "cofferdam").expect("a command for our command line");
        let line = ours["command"].as_str().unwrap();
        let mut shell = self.command(&[]);
        let path =
            format!("{}:{}", Path::new(PROGRAM).parent().unwrap().display(), std::env::var("PATH").unwrap());
        let vars: Vec<_> =
            shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        shell = Command::new("sh");
        let ran =
            shell.args(["-c", line]).envs(vars).env_remove("KUBECONFIG").env("PATH", path).output().unwrap();
        assert!(ran.status.success(), "{line}: {}", told(&ran));
    }
}

/// What one run said.
#[derive(Debug)]
struct Found {
    code: i32,
    document: Value,
}

impl Found {
    fn of(output: &Output) -> Self {
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(output)));
        Self { code: output.status.code().unwrap(), document }
    }

    fn check(&self, id: &str) -> &Value {
        let checks = self.document["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id}"))
    }

    fn with(&self, result: &str) -> Vec<&str> {
        let checks = self.document["checks"].as_array().unwrap();
        let mut ids: Vec<&str> = checks
            .iter()
            .filter(|check| check["result"] == result)
            .map(|check| check["id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        ids
    }
}

/// The Backup Extension's package, signed with a key of its own.
fn packages(folder: &Path) -> PathBuf {
    let (key, public, packages) = (folder.join("key"), folder.join("key.pub"), folder.join("packages"));
    for arguments in [
        vec!["key", "--private", text(&key), "--public", text(&public)],
        vec!["build", "--image", "cofferdam:test", "--key", text(&key), "--directory", text(&packages)],
    ] {
        let made = Command::new(PROGRAM).arg("extension-package").args(arguments).output().unwrap();
        assert!(made.status.success(), "{}", told(&made));
    }
    let trust = json!({"keys": [{"publicKey": std::fs::read_to_string(&public).unwrap(),
        "types": ["microsoft.dataprotection.kubernetes"]}]});
    std::fs::write(packages.join("trust.json"), trust.to_string()).unwrap();
    packages
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a resource manager alone can answer for a vault's own cluster. The rest needs a cluster, or Azure.
const SEEN: [&str; 12] = ["P14", "P22", "P23", "P24", "P25", "P3", "P32", "P5", "P6", "P7", "P9", "P40"];

#[test]
fn a_resource_manager_alone_answers_its_checks_and_the_rest_is_not_called_well() {
    let world = World::start();

    let found = world.preflight(&["--profile", "aks"]);
    let alone = Found::of(&world.command(&["preflight", "-o", "json"]).output().unwrap());
    let nobody = ["preflight", "--arm", "https://127.0.0.1:9", "--arm-token-file", "/dev/null", "-o", "json"];
    let nobody = Found::of(
        &world.command(&[&nobody[..], &["--cluster-id", &world.cluster]].concat()).output().unwrap(),
    );

    let mut seen = SEEN;
    seen.sort_unstable();
    assert_eq!(found.with("Passed"), seen, "{:#}", found.document);
    assert_eq!(found.with("Failed"), [""; 0], "{:#}", found.document);
    assert_eq!(found.code, 3, "what nobody saw is not done");
    for id in ["P1", "P4", "P16", "P21", "P28", "P42"] {
        assert_eq!(found.check(id)["result"], "NotObservable", "{:#}", found.check(id));
    }
    for id in SEEN {
        assert_eq!(
            alone.check(id)["result"],
            match id {
                "P40" => "NotApplicable",
                _ => "NotObservable",
            },
            "{id}"
        );
        assert_ne!(nobody.check(id)["result"], "Passed", "{id}");
    }
    assert!(alone.check("P7")["evidence"].as_str().unwrap().contains("--arm URL"));
}

#[test]
fn each_thing_that_is_taken_away_is_named_by_its_check_alone_and_its_command_brings_it_back() {
    let world = World::start();
    let of_role = |found: &Value, role: &str, scope: &str| {
        let principal = found.as_str().unwrap();
        world.done(&[
            "role",
            "assignment",
            "delete",
            "--yes",
            "--assignee",
            principal,
            "--role",
            role,
            "--scope",
            scope,
        ]);
    };
    let shown = |kind: &[&str]| world.json(kind);
    let vault = shown(&["vault", "show", "-v", "vault", "-g", "g"]);
    let cluster = shown(&["cluster", "show", "-n", "shop", "-g", "g"]);
    let extension =
        shown(&["k8s-extension", "show", "-n", "azure-aks-backup", "--cluster-name", "shop", "-g", "g"]);
    let (vault, cluster) = (&vault["identity"]["principalId"], &cluster["identity"]["principalId"]);
    let extension = &extension["properties"]["aksAssignedIdentity"]["principalId"];
    let unregister = format!(
        "/subscriptions/{}/providers/Microsoft.KubernetesConfiguration/unregister",
        world.vault.split('/').nth(2).unwrap()
    );
    let taken: [(&str, &str, &dyn Fn()); 7] = [
        ("P3", "none of 0 bindings", &|| {
            world.done(&[
                "trusted-access",
                "rolebinding",
                "delete",
                "--yes",
                "-n",
                "backuprb",
                "-c",
                "shop",
                "-g",
                "g",
            ]);
        }),
        ("P7", "Microsoft.KubernetesConfiguration is ", &|| {
            world.call("POST", &unregister, versions::RESOURCES, None);
        }),
        ("P25", "the container shop does not exist", &|| {
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
        }),
        ("P23", "R1 Reader of the vault", &|| of_role(vault, "Reader", &world.cluster)),
        ("P23", "R2 Reader of the vault", &|| of_role(vault, "Reader", &world.snapshots)),
        ("P23", "R3 Contributor of the cluster", &|| of_role(cluster, "Contributor", &world.snapshots)),
        ("P6", "Storage Blob Data Contributor of the extension", &|| {
            of_role(extension, "Storage Blob Data Contributor", &world.account);
        }),
    ];

    for (id, evidence, take) in taken {
        take();
        let broken = world.preflight(&[]);
        let only = world.preflight(&["--only", id]);
        world.mend(&broken, id);
        let mended = world.preflight(&[]);

        assert_eq!(broken.with("Failed"), [id], "{:#}", broken.document);
        assert!(broken.check(id)["evidence"].as_str().unwrap().contains(evidence), "{:#}", broken.check(id));
        assert_eq!(only.document["checks"].as_array().unwrap().len(), 1);
        let weighs = match id {
            "P25" => 3,
            _ => 5,
        };
        assert_eq!((broken.code, only.code), (weighs, weighs), "{id}");
        assert_eq!(mended.check(id)["result"], "Passed", "{:#}", mended.check(id));
        assert_eq!(mended.with("Failed"), [""; 0], "{:#}", mended.document);
    }
}

#[test]
fn a_firewall_that_does_not_know_the_vault_is_named_until_the_vault_is_on_its_list() {
    let world = World::start();
    let rules = |rules: Value| {
        let body = json!({"properties": {"networkAcls": rules}});
        world.call("PATCH", &world.account, versions::STORAGE, Some(body));
    };

    rules(json!({"defaultAction": "Deny", "bypass": "None"}));
    let closed = world.preflight(&["--profile", "aks"]);
    rules(
        json!({"defaultAction": "Deny", "bypass": "None", "resourceAccessRules": [{"resourceId": world.vault}]}),
    );
    let trusted = world.preflight(&["--profile", "aks"]);

    assert_eq!(closed.with("Failed"), ["P9"], "{:#}", closed.document);
    assert!(
        closed.check("P9")["evidence"].as_str().unwrap().contains(&world.vault),
        "{:#}",
        closed.check("P9")
    );
    assert_eq!(trusted.check("P9")["result"], "Passed", "{:#}", trusted.check("P9"));
}

#[test]
fn somebody_who_may_only_read_is_told_which_rights_are_missing() {
    let world = World::start();
    let made =
        world.done(&["vault", "add-principal", "reader", "-o", "json", "--data", text(&world.served.data)]);
    let reader: Value = serde_json::from_str(&made).unwrap();
    let scope = world.vault.split("/resourceGroups/").next().unwrap();
    let who = reader["objectId"].as_str().unwrap();
    world.done(&["role", "assignment", "create", "--assignee", who, "--role", "Reader", "--scope", scope]);
    let name = format!("principal-{}.json", reader["clientId"].as_str().unwrap());
    let file = world.served.data.join(name);

    let url = world.served.url.as_str();
    world.done(&[
        "login",
        "--vault-url",
        url,
        "--credential-file",
        text(&file),
        "--ca",
        text(&world.authority()),
    ]);
    let found = world.preflight(&[]);

    assert_eq!(found.with("Failed"), ["P22"], "{:#}", found.document);
    let evidence = found.check("P22")["evidence"].as_str().unwrap();
    for right in ["U1: Microsoft.KubernetesConfiguration/extensions/write", "U2: ", "role Backup Contributor"]
    {
        assert!(evidence.contains(right), "{evidence}");
    }
}
