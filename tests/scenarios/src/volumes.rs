//! Claims, what uses them, and what becomes of them: for stories about volumes.

use crate::{Cluster, ENDED, Installation, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// A claim for 32 MiB; `more` is laid over it.
pub fn claim(namespace: &str, name: &str, class: &str, more: Value) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
                 "resources": {"requests": {"storage": "32Mi"}}},
    });
    merge(&mut claim, more);
    claim
}

/// A static volume and the claim that is bound to it.
pub fn fixed(namespace: &str, name: &str, class: &str, source: Value) -> [Value; 2] {
    let volume = format!("{namespace}-{name}");
    let mut spec = json!({
        "capacity": {"storage": "32Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": namespace, "name": name},
    });
    merge(&mut spec, source);
    [
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec}),
        claim(namespace, name, class, json!({"spec": {"volumeName": volume}})),
    ]
}

/// A pod that mounts a claim at /data, or has it as the device /dev/raw.
pub fn pod(namespace: &str, name: &str, claim: &str, device: bool) -> Value {
    let (mounts, devices) = match device {
        false => (json!([{"name": "data", "mountPath": "/data"}]), json!([])),
        true => (json!([]), json!([{"name": "data", "devicePath": "/dev/raw"}])),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "app", "image": "cofferdam.test/shell:1", "imagePullPolicy": "IfNotPresent",
                "command": ["sh", "-c", "while true; do sleep 1; done"], "securityContext": {"runAsUser": 0},
                "volumeMounts": mounts, "volumeDevices": devices,
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}

/// Hooks without a shell around the snapshots of a namespace.
pub fn hook(namespace: &str, name: &str, on_error: &str, before: &[&str], after: &[&str]) -> Value {
    let exec =
        |command: &[&str]| json!([{"exec": {"command": command, "onError": on_error, "timeout": "10s"}}]);
    json!({
        "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "BackupHook",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backupHook": [{"name": "freeze", "includedNamespaces": [namespace],
                 "preHooks": exec(before), "postHooks": exec(after)}]},
    })
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A new namespace with these objects.
pub fn world(cluster: &Cluster, namespace: &str, objects: Vec<Value>) {
    cluster.delete_namespace(namespace);
    cluster.kubectl(&["create", "namespace", namespace]);
    cluster.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string());
}

/// Waits until these claims have volumes.
pub fn bound(cluster: &Cluster, namespace: &str, claims: &[&str]) {
    for name in claims {
        wait_until(&format!("claim {name} is bound"), SOON, || {
            let claim = cluster.get(&["pvc", "-n", namespace, name]).unwrap_or_default();
            if claim["status"]["phase"] == "Bound" { Ok(()) } else { Err(claim["status"].to_string()) }
        });
    }
}

/// The name of a claim's volume in the storage system.
pub fn volume_handle(cluster: &Cluster, namespace: &str, name: &str) -> String {
    let claim = cluster.get(&["pvc", "-n", namespace, name]).expect("the claim");
    let volume = claim["spec"]["volumeName"].as_str().expect("its volume").to_owned();
    let volume = cluster.get(&["pv", &volume]).expect("the volume");
    volume["spec"]["csi"]["volumeHandle"].as_str().expect("a CSI volume").to_owned()
}

/// Backs one namespace up and returns the object at its end.
pub fn back_up(installed: &Installation, name: &str, namespace: &str, more: &[&str]) -> Value {
    let mut args = vec!["backup", "create", name, "--include-namespaces", namespace];
    args.extend(more);
    installed.cluster.cofferdam(&args).ok();
    installed.wait_phase("backups", name, &ENDED, SOON)
}

/// Restores a backup and returns the object at its end.
pub fn restore(installed: &Installation, name: &str, from: &str, more: &[&str]) -> Value {
    let mut args = vec!["restore", "create", name, "--from-backup", from];
    args.extend(more);
    installed.cluster.cofferdam(&args).ok();
    installed.wait_phase("restores", name, &ENDED, SOON)
}

/// The problem about a claim.
pub fn about<'a>(object: &'a Value, target: &str) -> &'a Value {
    let problems = object["status"]["problems"].as_array().expect("problems in the status");
    let found = problems.iter().find(|one| one["target"].as_str().is_some_and(|t| t.ends_with(target)));
    found.unwrap_or_else(|| panic!("nothing about {target} in {problems:#?}"))
}

/// How many problems have a code.
pub fn with_code(object: &Value, code: &str) -> usize {
    let problems = object["status"]["problems"].as_array().expect("problems in the status");
    problems.iter().filter(|one| one["code"] == code).count()
}

/// Planned faults of the CSI driver, taken back when dropped.
#[derive(Debug)]
pub struct Faults(String);

impl Faults {
    /// What goes wrong from now on.
    pub fn plan(cluster: &Cluster, faults: Value) -> Self {
        let directory = std::path::Path::new(&cluster.kubeconfig).parent().expect("the cluster's directory");
        let path = directory.join("csi.cofferdam.test.faults.json");
        std::fs::write(&path, faults.to_string()).expect("the faults file");
        Self(path.display().to_string())
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").expect("the faults file");
    }
}
