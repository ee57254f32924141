//! The `az` command line: installed once into the cache, with a configuration of its own that knows one cloud, the vault.

use crate::{Ran, Vault, run, wait_until};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Names the list of packages to the script that runs Python.
const REQUIREMENTS: &str = "COFFERDAM_REQUIREMENTS";
/// The list with `az`.
const AZ: &str = "requirements-az.txt";

/// `az`, where the vault's administrator is signed in.
#[derive(Debug)]
pub struct Az {
    home: TempDir,
    authority: PathBuf,
    /// The subscription that it means.
    pub subscription: String,
}

impl Az {
    /// Registers the vault as a cloud, and signs in.
    pub fn signed_in(vault: &Vault) -> Self {
        let credential = vault.administrators_credential();
        let text = |name: &str| credential[name].as_str().expect("a part of the credential").to_owned();
        let home = tempfile::tempdir().expect("a folder for az");
        let this = Self { home, authority: vault.authority(), subscription: text("subscriptionId") };
        installed("python", AZ);
        this.done("cloud register -n Cofferdam --endpoint-resource-manager", &[&vault.url()]);
        // Were this to fail unnoticed, the secret would go to the public cloud next.
        this.done("cloud set -n Cofferdam", &[]);
        let who = ["-u", &text("clientId"), "-p", &text("clientSecret"), "--tenant", &text("tenantId")];
        let accounts = this.done("login --service-principal", &who);
        assert_eq!(accounts[0]["id"], this.subscription.as_str(), "{accounts}");
        this
    }

    /// Succeeds; what was printed. `words` are parted by spaces, `more` are taken as they are.
    pub fn done(&self, words: &str, more: &[&str]) -> Value {
        let ran = self.runs(words, more);
        assert_eq!(ran.code, 0, "az {words} {more:?}: {}\n{}", ran.stdout, ran.stderr);
        if ran.stdout.trim().is_empty() { Value::Null } else { ran.json() }
    }

    /// `az rest`, which sends what it is given.
    pub fn rest(&self, method: &str, path: &str, version: &str, body: Option<&Value>) -> Value {
        let url = format!("{path}?api-version={version}");
        let body = body.map(Value::to_string);
        let given = body.as_deref().map(|body| ["--body", body]);
        let more: Vec<&str> =
            ["--method", method, "--url", &url].into_iter().chain(given.into_iter().flatten()).collect();
        self.done("rest", &more)
    }

    /// Looks at a path again and again until something is seen in it.
    pub fn until<T>(
        &self,
        path: &str,
        version: &str,
        limit: Duration,
        look: impl Fn(&Value) -> Option<T>,
    ) -> T {
        wait_until(path, limit, || {
            let seen = self.rest("get", path, version, None);
            look(&seen).ok_or_else(|| seen.to_string())
        })
    }

    /// The call, however it ends.
    pub fn runs(&self, words: &str, more: &[&str]) -> Ran {
        let mut command = direct("timeout");
        command.arg("300").arg(clients().join("python")).env(REQUIREMENTS, AZ);
        command.args(["-m", "azure.cli"]).args(words.split_whitespace()).args(more).args(["-o", "json"]);
        command
            .env("AZURE_CONFIG_DIR", self.home.path())
            .env("AZURE_CORE_COLLECT_TELEMETRY", "no")
            .env("AZURE_CORE_INSTANCE_DISCOVERY", "false")
            .env("AZURE_CORE_LOGIN_EXPERIENCE_V2", "off")
            .env("AZURE_CORE_NO_COLOR", "true")
            .env("AZURE_CORE_DISABLE_CONFIRM_PROMPT", "true")
            .env("AZURE_EXTENSION_USE_DYNAMIC_INSTALL", "no")
            .env("REQUESTS_CA_BUNDLE", &self.authority);
        run(command, "")
    }
}

/// A script with the official JavaScript clients of a vault, and what it is told.
pub fn javascript(vault: &Vault, script: &str, args: &[&str]) -> Ran {
    installed("node", "");
    let mut command = direct("timeout");
    command.arg("300").arg(clients().join("node")).arg(clients().join("javascript").join(script)).args(args);
    command.env("NODE_EXTRA_CA_CERTS", vault.authority());
    run(command, "")
}

/// Has a runtime's packages installed, by the machine's own proxy and authorities: those of a test are for the vault alone.
fn installed(runtime: &str, requirements: &str) {
    let mut command = Command::new("timeout");
    command.arg("900").arg(clients().join(runtime)).arg("--version");
    if !requirements.is_empty() {
        command.env(REQUIREMENTS, requirements);
    }
    run(command, "").ok();
}

/// The folder of the clients.
fn clients() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../clients"))
}

/// A command that reaches the vault directly, and nothing else by way of a proxy.
fn direct(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command
}
