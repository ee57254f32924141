//! The snapshot API for a cluster that has none: the definitions of one that has it, and its controller.

use crate::Cluster;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

/// The component's name in the testbed.
const CONTROLLER: &str = "snapshot-controller";

/// The definitions of the snapshot API, as another cluster takes them: what its own repository offers for download.
pub fn definitions(of: &Cluster) -> String {
    let all = of.get(&["crd"]).expect("a list");
    let all = all["items"].as_array().expect("items");
    let ours = all.iter().filter(|one| one["spec"]["group"] == "snapshot.storage.k8s.io");
    let bare = |one: &Value| {
        let approved = "api-approved.kubernetes.io";
        let annotations = json!({approved: one["metadata"]["annotations"][approved]});
        json!({"apiVersion": one["apiVersion"], "kind": one["kind"], "spec": one["spec"],
            "metadata": {"name": one["metadata"]["name"], "annotations": annotations}})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": ours.map(bare).collect::<Vec<_>>()}).to_string()
}

/// A snapshot controller beside a cluster; killed when dropped.
#[derive(Debug)]
pub struct Controller(Child);

impl Controller {
    /// Starts the program that does it for `like` for another cluster, as it would run in it: with a lease.
    pub fn beside(cluster: &Cluster, like: &Cluster) -> Self {
        let pid = like.component(CONTROLLER).expect("that of the other cluster runs");
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
        let child = Command::new(program)
            .args(["--kubeconfig", &cluster.kubeconfig, "--leader-election"])
            .arg("--leader-election-namespace=kube-system")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the snapshot controller starts");
        Self(child)
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
