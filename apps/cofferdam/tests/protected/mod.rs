//! A vault that protects a cluster as far as a resource manager knows, as a process of its own, and what `preflight` says
//! of it.

#![allow(dead_code, reason = "each test file uses its part of it")]

use crate::served::{PROGRAM, Served, packages};
use management::{Client, Folder, Request, Tokens, Transport};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};
use telemetry::SystemClock;

/// A vault that protects a cluster as far as a resource manager knows: nobody runs the cluster itself.
pub struct World {
    pub served: Served,
    pub config: PathBuf,
    pub cluster: String,
    pub vault: String,
    pub account: String,
    pub snapshots: String,
    _folder: tempfile::TempDir,
}

impl World {
    pub fn start() -> Self {
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
        for assignment in self.assignments() {
            self.role(&["create"], &assignment);
        }
    }

    /// The roles that the identities hold.
    pub fn assignments(&self) -> [Assignment<'_>; 4] {
        let principal = |shown: &str, path: &str| {
            let shown = self.json(&shown.split(' ').collect::<Vec<_>>());
            shown.pointer(path).unwrap().as_str().unwrap().to_owned()
        };
        let vault = principal("vault show -v vault -g g", "/identity/principalId");
        let cluster = principal("cluster show -n shop -g g", "/identity/principalId");
        let extension = principal(
            "k8s-extension show -n azure-aks-backup --cluster-name shop -g g",
            "/properties/aksAssignedIdentity/principalId",
        );
        [
            Assignment { to: vault.clone(), role: "Reader", scope: &self.cluster },
            Assignment { to: vault, role: "Reader", scope: &self.snapshots },
            Assignment { to: cluster, role: "Contributor", scope: &self.snapshots },
            Assignment { to: extension, role: "Storage Blob Data Contributor", scope: &self.account },
        ]
    }

    /// Does something with a role assignment: `create`, or `delete --yes`.
    pub fn role(&self, verb: &[&str], of: &Assignment<'_>) {
        let what = ["--assignee", &of.to, "--role", of.role, "--scope", of.scope];
        self.done(&[&["role", "assignment"], verb, &what].concat());
    }

    /// Takes away the binding that lets the vault into the cluster.
    pub fn delete_binding(&self) {
        let line = "trusted-access rolebinding delete --yes -n backuprb -c shop -g g";
        self.done(&line.split(' ').collect::<Vec<_>>());
    }

    /// Takes away the container that the extension writes to.
    pub fn delete_container(&self) {
        let line = "storage container delete --yes -n shop --storage-account backups1 -g g";
        self.done(&line.split(' ').collect::<Vec<_>>());
    }

    pub fn authority(&self) -> PathBuf {
        self.served.data.join("tls/ca.crt")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
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
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// The checks, with everything named.
    pub fn preflight(&self, more: &[&str]) -> Found {
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
    pub fn call(&self, method: &str, path: &str, version: &str, body: Option<Value>) {
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
    pub fn mend(&self, found: &Found, id: &str) {
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

/// A role that an identity holds.
pub struct Assignment<'a> {
    /// Its object id.
    pub to: String,
    pub role: &'static str,
    pub scope: &'a str,
}

/// What one run said.
#[derive(Debug)]
pub struct Found {
    pub code: i32,
    pub document: Value,
}

impl Found {
    pub fn of(output: &Output) -> Self {
        let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(output)));
        Self { code: output.status.code().unwrap(), document }
    }

    pub fn check(&self, id: &str) -> &Value {
        let checks = self.document["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id}"))
    }

    pub fn with(&self, result: &str) -> Vec<&str> {
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

pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
