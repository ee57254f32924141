//! The product as it is measured: the extension runs as a process beside the cluster, and is driven through its
//! custom resources.

use crate::api::{Ended, operate};
use crate::cluster::{Cluster, KEY, STORE, bucket};
use crate::process::{Running, beside, run};
use anyhow::{Context, Result, bail};
use kube::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const GROUP: &str = "clusterbackup.dataprotection.microsoft.com/v1alpha1";
const NAMESPACE: &str = "dataprotection-microsoft";
const ENDS: [&str; 2] = ["Completed", "CompletedWithWarnings"];
const FAILURES: [&str; 2] = ["Failed", "Cancelled"];
const PATIENCE: Duration = Duration::from_secs(3600);
const START: Duration = Duration::from_secs(60);

/// An extension at work.
pub struct Product {
    client: Client,
    kubeconfig: PathBuf,
    process: Running,
}

/// What a backup or a restore did.
#[derive(Debug)]
pub struct Done {
    /// From the request to the end.
    pub took: Duration,
    /// Objects captured or created.
    pub objects: u64,
    /// The object at its end.
    pub object: Value,
}

/// Installs everything but the Deployment and the locations. A control plane alone has no snapshots, which is
/// what check P12 would stop at.
pub fn install(cluster: &Cluster) -> Result<()> {
    let mut install = Command::new(beside("cofferdam")?);
    install.env("KUBECONFIG", &cluster.kubeconfig);
    install.args(["install", "--without-deployment", "--skip-preflight", "P12"]);
    run(&mut install).map(drop)
}

impl Product {
    /// Adds a location with a bucket of its own: a backup into it finds nothing of an earlier one.
    pub fn new_location(&self, name: &str) -> Result<String> {
        let bucket = bucket(name)?;
        let mut add = Command::new(beside("cofferdam")?);
        add.env("KUBECONFIG", &self.kubeconfig).args(["location", "add", name]);
        for setting in [
            "provider=aws".to_owned(),
            format!("bucket={bucket}"),
            "config.region=us-east-1".to_owned(),
            format!("config.s3Url={STORE}"),
            "config.s3ForcePathStyle=true".to_owned(),
        ] {
            add.args(["--set", &format!("configuration.backupStorageLocation.{setting}")]);
        }
        let key = std::env::temp_dir().join(format!("bench-key-{}", std::process::id()));
        std::fs::write(&key, KEY)?;
        for field in ["aws_access_key_id", "aws_secret_access_key"] {
            add.args(["--credential-file", &format!("{field}={}", key.display())]);
        }
        run(&mut add)?;
        std::fs::remove_file(&key)?;
        Ok(name.to_owned())
    }

    /// Starts the extension where everything is installed: a new process, whose peak memory is its own.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let mut command = Command::new(beside("cofferdam")?);
        command.arg("extension").env("KUBECONFIG", &cluster.kubeconfig).env("RUST_LOG", "info");
        let log = std::env::temp_dir().join(format!("bench-extension-{}.log", std::process::id()));
        let process = Running::start(&mut command, &log)?;
        let begun = Instant::now();
        // An earlier process may still hold the lease for some seconds.
        while !std::fs::read_to_string(&log)?.contains("leading") {
            if begun.elapsed() > START {
                bail!("the extension does not start; see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(Self { client: cluster.client.clone(), kubeconfig: cluster.kubeconfig.clone(), process })
    }

    /// Backs up these namespaces, or all, into a location.
    pub async fn back_up(&self, location: &str, namespaces: &[String], volumes: bool) -> Result<Done> {
        let spec = json!({
            "storageLocation": location, "includedNamespaces": namespaces, "snapshotVolumes": volumes,
        });
        let ended = self.operate("Backup", "backups", spec).await?;
        let objects = ended.object["status"]["objects"].as_u64().context("a backup counts objects")?;
        Ok(Done { took: ended.took, objects, object: ended.object })
    }

    /// Restores a backup's objects into other namespaces.
    pub async fn restore(&self, backup: &Value, mappings: &BTreeMap<String, String>) -> Result<Done> {
        let spec = json!({
            "recoveryPoint": backup["status"]["recoveryPoint"],
            "includedNamespaces": mappings.keys().collect::<Vec<_>>(),
            "namespaceMappings": mappings,
        });
        let ended = self.operate("Restore", "restores", spec).await?;
        let outcomes = &ended.object["status"]["outcomes"];
        if outcomes["failed"].as_u64().unwrap_or_default() > 0 {
            bail!("objects were not restored: {}", ended.object["status"]);
        }
        let objects = outcomes["created"].as_u64().unwrap_or_default();
        Ok(Done { took: ended.took, objects, object: ended.object })
    }

    /// MiB that the extension held at most since it was started.
    pub fn peak_memory(&self) -> Result<f64> {
        Ok(self.process.peak_memory()?.0)
    }

    async fn operate(&self, kind: &str, plural: &str, spec: Value) -> Result<Ended> {
        let path = format!("/apis/{GROUP}/namespaces/{NAMESPACE}/{plural}");
        let body =
            json!({"apiVersion": GROUP, "kind": kind, "metadata": {"generateName": "bench-"}, "spec": spec});
        let ended = operate(&self.client, &path, &body, &ENDS, &FAILURES, PATIENCE).await?;
        if !ended.ended {
            bail!("a {kind} did not end within {PATIENCE:?}");
        }
        Ok(ended)
    }
}
