//! Velero: what it leaves behind in a cluster, as manifests; and a real one, built from source, that runs in the cluster.

use crate::{
    Cluster, Ran, Store, binary,
    installation::{archive, load},
    run, wait_until,
};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command, time::Duration};

/// Where it lives.
pub const NAMESPACE: &str = "velero";
const IMAGE: &str = "cofferdam.test/velero:1.18.3";
const SOON: Duration = Duration::from_secs(120);

/// One of its definitions, with the label of `velero install`. What its objects look like is left open.
pub fn definition(kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.velero.io"), "labels": {"component": "velero"}},
        "spec": {
            "group": "velero.io", "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// Its Deployment, without a pod.
pub fn deployment() -> Value {
    let labels = json!({"deploy": "velero"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "velero", "namespace": NAMESPACE, "labels": {"component": "velero"}},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "velero", "image": "velero.example/velero"}]},
        }},
    })
}

/// A namespace with these annotations.
pub fn namespace(name: &str, annotations: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": annotations}})
}

/// A snapshot class with its label, and with one of somebody else.
pub fn class(name: &str, driver: &str) -> Value {
    json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": name, "labels": {"velero.io/csi-volumesnapshot-class": "true", "note": "mine"}},
        "driver": driver, "deletionPolicy": "Delete",
    })
}

/// Applies these, and waits until the definitions among them are served.
pub fn leave(cluster: &Cluster, objects: &[Value]) {
    cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
    let definitions: Vec<String> = objects
        .iter()
        .filter(|one| one["kind"] == "CustomResourceDefinition")
        .map(|one| format!("crd/{}", one["metadata"]["name"].as_str().expect("a name")))
        .collect();
    if !definitions.is_empty() {
        let mut wait = vec!["wait", "--for=condition=Established", "--timeout=30s"];
        wait.extend(definitions.iter().map(String::as_str));
        cluster.kubectl(&wait);
    }
}

/// Takes away what it left of definitions and of snapshot classes.
pub fn forget(cluster: &Cluster, classes: &[&str]) {
    cluster.kubectl(&["delete", "crd", "-l", "component=velero"]);
    for class in classes {
        cluster.kubectl(&["delete", "volumesnapshotclass", class, "--ignore-not-found"]);
    }
}

/// A real one, installed by its own command line; taken away in the same way when this is dropped.
#[derive(Debug)]
pub struct Velero {
    cluster: Cluster,
    program: PathBuf,
    /// Where it writes.
    pub store: Store,
}

impl Velero {
    /// Builds it unless it was built before, and installs it with a bucket of its own and without regard for resources.
    pub fn install(cluster: &Cluster, purpose: &str) -> Self {
        let mut build = Command::new(binary("testbed"));
        build.args(["build", "--velero"]);
        let said = run(build, "").ok();
        let programs = PathBuf::from(said.lines().last().expect("the directory of its programs").trim());
        load(cluster, &archive("velero", &["velero", "--programs", &programs.display().to_string()]));
        let store = Store::bucket(&format!("velero-{purpose}-{}-{}", cluster.name, std::process::id()));
        let velero = Self { cluster: cluster.clone(), program: programs.join("velero"), store };
        velero.uninstall();
        velero.put();
        velero
    }

    fn put(&self) {
        let credentials = tempfile::NamedTempFile::new().expect("a temporary file");
        let keys = "[default]\naws_access_key_id=testing\naws_secret_access_key=testing\n";
        std::fs::write(credentials.path(), keys).expect("a temporary file");
        let config =
            format!("region=us-east-1,s3ForcePathStyle=true,s3Url={},checksumAlgorithm=", self.store.url);
        self.run(&[
            "install",
            "--provider=aws",
            "--use-volume-snapshots=false",
            "--velero-pod-cpu-request=0",
            "--velero-pod-mem-request=0",
            "--wait",
            &format!("--image={IMAGE}"),
            &format!("--plugins={IMAGE}"),
            &format!("--bucket={}", self.store.bucket),
            &format!("--backup-location-config={config}"),
            &format!("--secret-file={}", credentials.path().display()),
        ])
        .ok();
        wait_until("Velero finds its store", SOON, || {
            let location =
                self.cluster.get(&["backupstoragelocations.velero.io", "-n", NAMESPACE, "default"]);
            let status = location.unwrap_or_default()["status"].clone();
            if status["phase"] == "Available" { Ok(()) } else { Err(status.to_string()) }
        });
    }

    /// By its own command line, which does not wait until its definitions are gone.
    fn uninstall(&self) {
        drop(self.run(&["uninstall", "--force"]));
        let definitions = ["delete", "crd", "-l", "component=velero", "--timeout=60s"];
        drop(self.cluster.try_kubectl(&definitions, ""));
    }

    /// Its own command line.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("KUBECONFIG", &self.cluster.kubeconfig);
        run(command, "")
    }

    /// The phase of one of its objects.
    pub fn phase(&self, kind: &str, name: &str) -> String {
        let object = self.cluster.get(&[&format!("{kind}.velero.io"), "-n", NAMESPACE, name]);
        object.unwrap_or_default()["status"]["phase"].as_str().unwrap_or("none").to_owned()
    }
}

impl Drop for Velero {
    fn drop(&mut self) {
        self.uninstall();
    }
}
