//! One cluster of the testbed, as a person at a shell sees it.

use crate::command::{Ran, binary, run, wait_until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name in the testbed.
    pub name: String,
    /// Its kubeconfig.
    pub kubeconfig: String,
}

impl Cluster {
    /// The first cluster of the tests: `one`, or what `COFFERDAM_TEST_ONE` names.
    pub fn one() -> Self {
        Self::named(&std::env::var("COFFERDAM_TEST_ONE").unwrap_or_else(|_| "one".to_owned()))
    }

    /// The second one: `two`, or what `COFFERDAM_TEST_TWO` names.
    pub fn two() -> Self {
        Self::named(&std::env::var("COFFERDAM_TEST_TWO").unwrap_or_else(|_| "two".to_owned()))
    }

    /// The cluster of this name, which must be up (`testbed up --name NAME`).
    pub fn named(name: &str) -> Self {
        let mut command = Command::new(binary("testbed"));
        command.args(["kubeconfig", "--name", name]);
        let kubeconfig = run(command, "").ok().trim().to_owned();
        Self { name: name.to_owned(), kubeconfig }
    }

    /// Where its data, its logs and its components' files are.
    pub fn data(&self) -> PathBuf {
        let mut status = Command::new(binary("testbed"));
        status.args(["status", "--json"]);
        let status = run(status, "").json();
        let own = status.as_array().and_then(|all| all.iter().find(|one| one["name"] == self.name.as_str()));
        let logs = Path::new(own.expect("this cluster")["logs"].as_str().expect("a path"));
        logs.parent().expect("the cluster's directory").to_owned()
    }

    /// The process that is this component of it now, such as `snapshot-controller`.
    pub fn component(&self, name: &str) -> Result<u32, String> {
        let pids = Path::new(&self.kubeconfig).with_file_name("pids");
        let text = std::fs::read_to_string(pids.join(format!("{name}.json")));
        let text = text.map_err(|error| error.to_string())?;
        let record: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        record["id"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).ok_or_else(|| text.clone())
    }

    /// `kubectl` with these arguments; panics when it fails.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args, "").ok()
    }

    /// `kubectl` with these arguments and this input.
    pub fn try_kubectl(&self, args: &[&str], input: &str) -> Ran {
        let mut command = Command::new(binary("testbed"));
        command.args(["kubectl", "--name", &self.name, "--"]).args(args);
        run(command, input)
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) {
        self.try_kubectl(&["apply", "-f", "-"], manifest).ok();
    }

    /// An object (or list) as JSON; `None` when it does not exist.
    pub fn get(&self, args: &[&str]) -> Option<Value> {
        let mut all = vec!["get", "-o", "json", "--ignore-not-found"];
        all.extend(args);
        let text = self.kubectl(&all);
        (!text.trim().is_empty()).then(|| serde_json::from_str(&text).expect("kubectl prints JSON"))
    }

    /// `cofferdam` with these arguments.
    pub fn cofferdam(&self, args: &[&str]) -> Ran {
        self.cofferdam_with(args, &[])
    }

    /// `cofferdam` with these arguments and environment variables.
    pub fn cofferdam_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(binary("cofferdam"));
        command.args(args).env("KUBECONFIG", &self.kubeconfig).env("NO_COLOR", "1");
        command.envs(environment.iter().copied());
        run(command, "")
    }

    /// Runs a command in a container; panics when it fails.
    pub fn exec(&self, namespace: &str, pod: &str, command: &[&str]) -> String {
        let mut all = vec!["exec", "-n", namespace, pod, "--"];
        all.extend(command);
        self.kubectl(&all)
    }

    /// Waits until a pod is ready.
    pub fn wait_ready(&self, namespace: &str, selector: &str, limit: Duration) {
        wait_until(&format!("pods {selector} in {namespace} ready"), limit, || {
            let pods = self.get(&["pods", "-n", namespace, "-l", selector]).unwrap_or_default();
            let items = pods["items"].as_array().cloned().unwrap_or_default();
            let ready = |pod: &Value| {
                pod["status"]["conditions"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
            };
            let shown = || items.iter().map(|p| p["status"].to_string()).collect::<Vec<_>>().join("\n");
            if !items.is_empty() && items.iter().all(ready) { Ok(()) } else { Err(shown()) }
        });
    }

    /// Deletes a namespace and waits until it is gone.
    pub fn delete_namespace(&self, namespace: &str) {
        self.kubectl(&[
            "delete",
            "namespace",
            namespace,
            "--ignore-not-found",
            "--wait=true",
            "--timeout=120s",
        ]);
    }
}
