//! A running vault with a played cluster, whose roles are taken away and granted by the program.

mod table;

use crate::world::{
    Person, World,
    protected::{POINT, Protected},
};
use arm::ResourceId;
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    process::{Command, Output, Stdio},
    time::Duration,
};
use tokio::task::JoinHandle;

/// An instance to be, and the account to which its cluster writes.
pub struct Roles {
    pub it: Protected,
    pub account: String,
    ticking: JoinHandle<()>,
}

impl Roles {
    pub async fn start() -> Self {
        let it = Protected::start().await;
        let account = it.writes_to_account(&it.managed, "own").await;
        let ticking = ticking(&it.world);
        Self { it, account, ticking }
    }

    /// The arguments of an instance that is still to be made.
    pub fn backup(&self) -> Vec<String> {
        let words = format!(
            "-g shop -v vault1 --datasource-id {} --snapshot-resource-group-name snapshots --policy-id policy1",
            self.it.managed
        );
        words.split(' ').map(str::to_owned).collect()
    }

    /// `cofferdam roles`, as somebody.
    pub fn command(&self, who: &Person, verb: &str, arguments: &[String], more: &[&str]) -> Command {
        let world = &self.it.world;
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command.args(["roles", verb]).args(arguments).args(more);
        command.args(["--arm", &world.url, "--subscription", &world.subscription, "--ca"]).arg(&world.ca);
        command.env("COFFERDAM_ACCESS_TOKEN", &who.token).stdin(Stdio::null());
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "COFFERDAM_SUBSCRIPTION"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs it.
    pub async fn run(&self, who: &Person, verb: &str, arguments: &[String], more: &[&str]) -> Output {
        let mut command = self.command(who, verb, arguments, more);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The plan of the administrator: its code and rows.
    pub async fn plan(&self, arguments: &[String]) -> (i32, Vec<Value>) {
        let output = self.run(&self.it.world.administrator, "plan", arguments, &["-o", "json"]).await;
        let rows = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
        (output.status.code().unwrap(), rows)
    }

    pub async fn apply(&self, arguments: &[String]) -> (i32, String) {
        let output = self.run(&self.it.world.administrator, "apply", arguments, &["--yes"]).await;
        (output.status.code().unwrap(), told(&output))
    }

    /// Takes away what a row of a plan is about, and nothing else.
    pub async fn take(&self, row: &Value) {
        let scope = row["scope"].as_str().unwrap();
        if row["id"] == "R13" {
            let listed = self.it.get(&format!("{scope}/trustedAccessRoleBindings")).await;
            let id = listed.body["value"][0]["id"].as_str().unwrap().parse().unwrap();
            return self.it.remove(&id).await;
        }
        let principal = row["principalId"].as_str().unwrap();
        let role = self.it.world.role(row["role"].as_str().unwrap());
        for one in self.assignments(scope).await {
            let properties = &one["properties"];
            let is_role = properties["roleDefinitionId"].as_str().unwrap().ends_with(&role);
            if properties["principalId"] == principal && properties["scope"] == scope && is_role {
                let gone = self.it.call(Method::DELETE, one["id"].as_str().unwrap(), None).await;
                assert_eq!(gone.status, 200, "{gone:?}");
                return;
            }
        }
        panic!("it was not there: {row}");
    }

    pub async fn assignments(&self, scope: &str) -> Vec<Value> {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
        self.it.get(&path).await.body["value"].as_array().unwrap().clone()
    }

    /// Asks the vault; codes and messages of all that it misses.
    pub async fn validated(&self, path: &str, body: Value) -> Vec<(String, String)> {
        let begun = self.it.call(Method::POST, path, Some(body)).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        let ended = self.it.operation(&begun).await.body;
        let details = ended["error"]["details"].as_array().cloned().unwrap_or_default();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        details.iter().map(|one| (text(one, "code"), text(one, "message"))).collect()
    }
}

impl Roles {
    /// A recovery point of the first cluster, and a second cluster with an account of its own to restore it to.
    pub async fn backed_up_and_another_cluster(&self) -> ResourceId {
        let it = &self.it;
        it.protect().await;
        it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
        it.cluster.says("ValidateForRestore", json!({"phase": "Completed", "checks": []}));
        it.ended(&it.job_of(&it.back_up().await).await).await;
        let group = it.world.make_group("clusters").await;
        let two = format!("{group}/providers/Microsoft.ContainerService/managedClusters/two");
        let two: ResourceId = two.parse().unwrap();
        it.connect_another(&two).await;
        it.writes_to_account(&two, "other").await;
        two
    }

    /// The container of an account to which its extension writes; its id.
    pub async fn container(&self, account: &str) -> String {
        let path = format!("{account}/blobServices/default/containers/backups");
        let made = self.it.call(Method::PUT, &path, Some(json!({"properties": {}}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        path
    }

    /// `cofferdam preflight` of the administrator, who reaches no cluster: its code and checks by id.
    pub async fn preflight(&self, arguments: &[String]) -> (i32, BTreeMap<String, Value>) {
        let (world, home) = (&self.it.world, tempfile::tempdir().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_cofferdam"));
        command
            .args(["preflight", "-o", "json", "--arm", &world.url, "--arm-ca"])
            .arg(&world.ca)
            .args(arguments);
        command.env("COFFERDAM_ACCESS_TOKEN", &world.administrator.token).stdin(Stdio::null());
        command.env("HOME", home.path()).env("COFFERDAM_CONFIG_DIR", home.path()).env_remove("KUBECONFIG");
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "KUBERNETES_SERVICE_HOST"] {
            command.env_remove(name);
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let document: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output)));
        let checks = document["checks"].as_array().unwrap().iter();
        let checks = checks.map(|check| (check["id"].as_str().unwrap().to_owned(), check.clone()));
        (output.status.code().unwrap(), checks.collect())
    }
}

impl Drop for Roles {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

/// The vault's clock goes with the machine's: a program waits for it.
fn ticking(world: &World) -> JoinHandle<()> {
    const STEP: Duration = Duration::from_millis(50);
    let clock = world.clock.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(STEP).await;
            clock.advance(SignedDuration::try_from(STEP).unwrap());
        }
    })
}

pub fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn identities(rows: &[Value]) -> Vec<&Value> {
    rows.iter().filter(|row| row["id"].as_str().unwrap().starts_with('R')).collect()
}

/// Rows that are not met: id and scope.
pub fn unmet(rows: &[Value]) -> Vec<(&str, &str)> {
    let is_met = |row: &&Value| ["there", "inherited"].contains(&row["state"].as_str().unwrap());
    rows.iter()
        .filter(|row| !is_met(row))
        .map(|row| (row["id"].as_str().unwrap(), row["scope"].as_str().unwrap()))
        .collect()
}
