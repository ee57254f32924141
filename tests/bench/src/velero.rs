//! Velero beside the product: its server runs as a process too, with its plugin for S3 and the same store.

use crate::api::{self, operate};
use crate::cluster::{Cluster, KEY, STORE, bucket};
use crate::process::{Running, run};
use anyhow::{Context, Result, bail};
use kube::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use testbed::Layout;

const API: &str = "/apis/velero.io/v1/namespaces/velero";
const ENDS: [&str; 1] = ["Completed"];
const FAILURES: [&str; 3] = ["Failed", "FailedValidation", "PartiallyFailed"];
const START: Duration = Duration::from_secs(120);

/// A server at work.
pub struct Velero {
    client: Client,
    process: Running,
    patience: Duration,
}

/// What a backup or a restore did.
#[derive(Debug)]
pub struct Done {
    /// From the request to the end, or to the end of patience.
    pub took: Duration,
    /// Objects backed up or restored by then.
    pub objects: u64,
    /// Whether it came to its end.
    pub ended: bool,
    /// Its name.
    pub name: String,
}

/// Builds it, or finds it in the cache.
pub async fn build() -> Result<PathBuf> {
    Ok(testbed::build_velero(&Layout::of_this_machine()).await?)
}

impl Velero {
    /// Installs its definitions and its storage location, and starts the server as it comes.
    pub async fn start(cluster: &Cluster, programs: &Path, patience: Duration) -> Result<Self> {
        let program = programs.join("velero");
        let definitions =
            run(Command::new(&program).args(["install", "--crds-only", "--dry-run", "-o", "json"]))?;
        cluster.apply(&definitions)?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}});
        api::ensure(&cluster.client, "/api/v1/namespaces", &namespace).await?;
        let location = json!({
            "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "default", "namespace": "velero"},
            "spec": {
                "provider": "aws", "default": true,
                "objectStorage": {"bucket": bucket("velero")?},
                "config": {
                    "region": "us-east-1", "s3ForcePathStyle": "true", "s3Url": STORE, "checksumAlgorithm": "",
                },
            },
        });
        established(&cluster.client).await?;
        // A restore asks its own Deployment for the image of its helpers.
        let labels = json!({"deploy": "velero"});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "velero", "namespace": "velero"},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "velero", "image": "velero/velero:v1.18.3"}]},
                },
            },
        });
        let deployments = "/apis/apps/v1/namespaces/velero/deployments";
        api::ensure(&cluster.client, deployments, &deployment).await?;
        api::ensure(&cluster.client, &format!("{API}/backupstoragelocations"), &location).await?;

        let plugins = std::env::temp_dir().join(format!("bench-plugins-{}", std::process::id()));
        std::fs::create_dir_all(&plugins)?;
        std::fs::copy(programs.join("velero-plugin-for-aws"), plugins.join("velero-plugin-for-aws"))?;
        let mut server = Command::new(&program);
        server
            .args(["server", "--namespace", "velero", "--metrics-address", "127.0.0.1:18085"])
            .args(["--profiler-address", "127.0.0.1:16060", "--plugin-dir"])
            .arg(&plugins)
            .env("KUBECONFIG", &cluster.kubeconfig)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", KEY);
        let log = std::env::temp_dir().join(format!("bench-velero-{}.log", std::process::id()));
        let velero =
            Self { client: cluster.client.clone(), process: Running::start(&mut server, &log)?, patience };
        velero.ready(&log).await?;
        Ok(velero)
    }

    async fn ready(&self, log: &Path) -> Result<()> {
        let begun = Instant::now();
        loop {
            let location = api::get(&self.client, &format!("{API}/backupstoragelocations/default")).await?;
            if location["status"]["phase"] == "Available" {
                return Ok(());
            }
            if begun.elapsed() > START {
                bail!("Velero does not find its store; see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Backs up these namespaces, or all.
    pub async fn back_up(&self, namespaces: &[String]) -> Result<Done> {
        let spec = json!({
            "includedNamespaces": namespaces, "snapshotVolumes": false, "storageLocation": "default",
        });
        self.operate("Backup", "backups", spec, "/status/progress/itemsBackedUp").await
    }

    /// Restores a backup's objects into other namespaces.
    pub async fn restore(&self, backup: &str, mappings: &BTreeMap<String, String>) -> Result<Done> {
        let spec = json!({
            "backupName": backup,
            "includedNamespaces": mappings.keys().collect::<Vec<_>>(),
            "namespaceMapping": mappings,
        });
        self.operate("Restore", "restores", spec, "/status/progress/itemsRestored").await
    }

    /// MiB that the server, and its plugins that run now, held at most.
    pub fn peak_memory(&self) -> Result<f64> {
        let (server, plugins) = self.process.peak_memory()?;
        Ok(server + plugins)
    }

    async fn operate(&self, kind: &str, plural: &str, spec: Value, count: &str) -> Result<Done> {
        let body = json!({
            "apiVersion": "velero.io/v1", "kind": kind, "metadata": {"generateName": "bench-"}, "spec": spec,
        });
        let path = format!("{API}/{plural}");
        let ended = operate(&self.client, &path, &body, &ENDS, &FAILURES, self.patience).await?;
        Ok(Done {
            took: ended.took,
            objects: ended.object.pointer(count).and_then(Value::as_u64).unwrap_or_default(),
            ended: ended.ended,
            name: ended.object["metadata"]["name"].as_str().context("it has a name")?.to_owned(),
        })
    }
}

/// Waits until the last of its definitions is served.
async fn established(client: &Client) -> Result<()> {
    let begun = Instant::now();
    while let Err(error) = api::get(client, &format!("{API}/backupstoragelocations")).await {
        if begun.elapsed() > START {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
