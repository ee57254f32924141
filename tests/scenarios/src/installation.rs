//! The product in a cluster: one image, one bucket, one namespace of the extension.

use crate::{Cluster, Ran, Store, binary, run, scratch, wait_until};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The namespace that the extension lives in unless told otherwise.
pub const NAMESPACE: &str = "dataprotection-microsoft";
/// The name of the image that `images product` makes.
pub const IMAGE: &str = "cofferdam.test/cofferdam:dev";

/// An extension that runs in a cluster and writes to a bucket of its own.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Where it runs.
    pub cluster: Cluster,
    /// Where it writes.
    pub store: Store,
}

impl Installation {
    /// A first installation, as on a new cluster: what an earlier one left in the extension's namespace is
    /// deleted, the bucket is new.
    pub fn fresh(cluster: &Cluster, purpose: &str) -> Self {
        let installation = Self::prepared(cluster, purpose);
        installation.install(&[]).ok();
        installation
    }

    /// A first installation without the Deployment: the test runs the extension beside the cluster.
    pub fn beside(cluster: &Cluster, purpose: &str) -> Self {
        let installation = Self::emptied(cluster, purpose);
        installation.install(&["--without-deployment"]).ok();
        installation
    }

    /// Everything but `cofferdam install` itself: image loaded, bucket made, namespace gone.
    pub fn prepared(cluster: &Cluster, purpose: &str) -> Self {
        load_product(cluster);
        Self::emptied(cluster, purpose)
    }

    /// Bucket made, namespace gone.
    fn emptied(cluster: &Cluster, purpose: &str) -> Self {
        release_backups(cluster);
        cluster.delete_namespace(NAMESPACE);
        // The bucket is new in every run, because nothing in a repository is ever changed.
        let store = Store::bucket(&format!("{purpose}-{}-{}", cluster.name, std::process::id()));
        Self { cluster: cluster.clone(), store }
    }

    /// `cofferdam install` with the settings of the bucket, small resource requests and these arguments.
    pub fn install(&self, more: &[&str]) -> Ran {
        self.install_as(IMAGE, more)
    }

    /// The same with another image.
    pub fn install_as(&self, image: &str, more: &[&str]) -> Ran {
        let mut arguments = vec!["install".to_owned(), "--image".to_owned(), image.to_owned()];
        for setting in ["resources.requests.cpu=50m", "resources.limits.cpu=2000m"] {
            arguments.extend(["--set".to_owned(), setting.to_owned()]);
        }
        arguments.extend(self.store.arguments());
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.cluster.cofferdam(&arguments)
    }

    /// The JSON of a custom resource of ours.
    pub fn resource(&self, kind: &str, name: &str) -> serde_json::Value {
        let kind = format!("{kind}.clusterbackup.dataprotection.microsoft.com");
        self.cluster.get(&[&kind, "-n", NAMESPACE, name]).unwrap_or_default()
    }

    /// What the extension logged last.
    pub fn logs(&self) -> String {
        let all = ["logs", "-n", NAMESPACE, "deployment/cofferdam-extension", "--tail=60"];
        self.cluster.try_kubectl(&all, "").stdout
    }

    /// Waits until `status.phase` of a custom resource is one of `phases`, and returns the resource.
    pub fn wait_phase(&self, kind: &str, name: &str, phases: &[&str], limit: Duration) -> serde_json::Value {
        wait_until(&format!("{kind} {name} in {phases:?}"), limit, || {
            let found = self.resource(kind, name);
            let phase = found["status"]["phase"].as_str().unwrap_or("none");
            if phases.contains(&phase) { Ok(found) } else { Err(found["status"].to_string()) }
        })
    }
}

/// Takes our finalizer off backups that a failed test left behind: without an extension nobody else would.
fn release_backups(cluster: &Cluster) {
    let kind = "backups.clusterbackup.dataprotection.microsoft.com";
    let names = cluster.try_kubectl(&["get", kind, "-n", NAMESPACE, "-o", "name"], "").stdout;
    for name in names.lines() {
        let free =
            ["patch", name, "-n", NAMESPACE, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#];
        cluster.try_kubectl(&free, "");
    }
}

/// Builds the product's image from the binary beside this test and loads it, unless the cluster has this very one.
pub fn load_product(cluster: &Cluster) {
    load(cluster, &product_archive());
}

/// The product's image as an archive: an OCI layout and a docker archive in one.
pub fn product_archive() -> PathBuf {
    archive("product", &["product", "--binary", &binary("cofferdam").display().to_string()])
}

/// Builds a workload image (`shell`, `nginx`, `postgres`) and loads it.
pub fn load_workload(cluster: &Cluster, name: &str) {
    let archive = archive(name, &["workload", name]);
    load(cluster, &archive);
}

pub(crate) fn archive(name: &str, arguments: &[&str]) -> PathBuf {
    let file = scratch().join(format!("image-{name}.tar"));
    if !file.exists() {
        let mut command = Command::new(binary("images"));
        command.args(arguments).arg("--out").arg(&file);
        run(command, "").ok();
    }
    file
}

pub(crate) fn load(cluster: &Cluster, archive: &PathBuf) {
    let mut command = Command::new(binary("testbed"));
    command.args(["load-image", "--name", &cluster.name]).arg(archive);
    run(command, "").ok();
}
