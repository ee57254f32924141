//! A cluster of the testbed that is up as long as it is measured on.

use crate::process::{beside, run};
use anyhow::Result;
use kube::Client;
use std::path::PathBuf;
use std::process::Command;
use testbed::{ClusterName, Layout, Mix};

/// Where the testbed's S3 store answers.
pub const STORE: &str = "http://10.213.0.1:9000";
/// Its access key and its secret key.
pub const KEY: &str = "testing";

/// A running cluster; taken down with this value.
pub struct Cluster {
    /// Speaks to it.
    pub client: Client,
    /// Its kubeconfig.
    pub kubeconfig: PathBuf,
    name: String,
}

impl Cluster {
    /// Brings a new one up.
    pub async fn up(name: &str, control_plane_only: bool) -> Result<Self> {
        down(name)?;
        let mut command = Command::new(beside("testbed")?);
        command.args(["up", "--name", name]);
        if control_plane_only {
            command.arg("--control-plane-only");
        }
        run(&mut command)?;
        let parsed: ClusterName = name.parse()?;
        let kubeconfig = Layout::of_this_machine().cluster(&parsed).kubeconfig();
        Ok(Self { client: testbed::client(&kubeconfig).await?, kubeconfig, name: name.to_owned() })
    }

    /// Fills it with so many objects, in namespaces of this prefix.
    pub async fn fill(&self, objects: usize, prefix: &str) -> Result<Vec<String>> {
        let mix = Mix { objects, namespace_prefix: prefix.to_owned() };
        Ok(testbed::generate(&self.client, &mix).await?.namespaces)
    }

    /// `kubectl apply` of a text.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let file = std::env::temp_dir().join(format!("{}-{}.yaml", self.name, std::process::id()));
        std::fs::write(&file, manifest)?;
        let mut command = Command::new(beside("testbed")?);
        command.args(["kubectl", "--name", &self.name, "--", "apply", "--server-side", "-f"]).arg(&file);
        let applied = run(&mut command);
        std::fs::remove_file(&file)?;
        applied.map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = down(&self.name) {
            eprintln!("could not take the cluster down: {error}");
        }
    }
}

fn down(name: &str) -> Result<()> {
    run(Command::new(beside("testbed")?).args(["down", "--name", name])).map(drop)
}

/// A new bucket in the testbed's S3 store.
pub fn bucket(purpose: &str) -> Result<String> {
    let name = format!("bench-{purpose}-{}", std::process::id());
    run(Command::new(beside("testbed")?).args(["store", "up", "s3", "--bucket", &name]))?;
    Ok(name)
}
