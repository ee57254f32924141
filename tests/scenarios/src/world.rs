//! An application with a volume and hooks that leave a marker, and an extension beside the cluster.

use crate::{Cluster, Installation, NAMESPACE, Start, load_workload, wait_until};
use serde_json::Value;
use std::time::Duration;

/// Long enough for a loaded machine.
pub const LONG: Duration = Duration::from_secs(120);
/// The phases in which an operation has ended.
pub const ENDED: [&str; 4] = ["Completed", "CompletedWithWarnings", "Failed", "Cancelled"];

/// The namespace of the application; `freeze` leaves a marker in its pod, `thaw` takes it away.
const APPLICATION: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: APP}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: colours, namespace: APP}
data: {sky: blue}
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: APP}
spec: {selector: {app: app}, ports: [{port: 80}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: APP}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: CLASS
  resources: {requests: {storage: 64Mi}}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: APP, labels: {app: app}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: app
      image: cofferdam.test/shell:1
      imagePullPolicy: IfNotPresent
      command: [sleep, \"1000000\"]
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1
kind: BackupHook
metadata: {name: freeze, namespace: APP}
spec:
  backupHook:
    - name: marker
      includedNamespaces: [APP]
      preHooks: [{exec: {command: [touch, /tmp/frozen]}}]
      postHooks: [{exec: {command: [rm, -f, /tmp/frozen]}}]
---
apiVersion: clusterbackup.dataprotection.microsoft.com/v1alpha1
kind: RestoreHook
metadata: {name: greet, namespace: APP}
spec:
  restoreHook:
    - name: marker
      postHooks: [{exec: {command: [touch, /tmp/restored], onError: Fail}}]
";

/// A cluster with the custom resources, a location and an application, but no running extension.
#[derive(Debug)]
pub struct World {
    /// Where everything is.
    pub cluster: Cluster,
    /// The installation without a Deployment.
    pub installed: Installation,
    /// The application's namespace.
    pub app: String,
}

impl World {
    /// With an application in the namespace `app` whose volume is of this storage class.
    pub fn new(app: &str, class: &str) -> Self {
        let cluster = Cluster::one();
        let installed = Installation::beside(&cluster, app);
        load_workload(&cluster, "shell");
        cluster.delete_namespace(app);
        cluster.apply(&APPLICATION.replace("APP", app).replace("CLASS", class));
        cluster.wait_ready(app, "app=app", LONG);
        cluster.exec(app, "app", &["sh", "-c", "echo precious > /data/text && sync"]);
        Self { cluster, installed, app: app.to_owned() }
    }

    /// An extension beside the cluster, not started yet.
    pub fn extension(&self) -> Start {
        Start::new(&self.cluster, &self.app)
    }

    /// Asks for a backup of the application; returns the UID of its object.
    pub fn backup(&self, name: &str, more: &[&str]) -> String {
        let hook = format!("{}/freeze", self.app);
        let mut all = vec!["backup", "create", name, "--include-namespaces", &self.app, "--hook", &hook];
        all.extend(["--cluster-scope", "false"]);
        all.extend(more);
        self.cluster.cofferdam(&all).ok();
        let object = self.installed.resource("backups", name);
        object["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    /// Waits until an operation has ended and nothing holds its object any more.
    pub fn ended(&self, kind: &str, name: &str) -> Value {
        wait_until(&format!("the end of {kind} {name}"), LONG, || {
            let found = self.installed.resource(kind, name);
            let phase = found["status"]["phase"].as_str().unwrap_or("none");
            let held = found["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
            if ENDED.contains(&phase) && !held { Ok(found) } else { Err(found["status"].to_string()) }
        })
    }

    /// The recovery points that are listed.
    pub fn points(&self) -> Vec<Value> {
        let listed = self.cluster.cofferdam(&["recovery-point", "list", "-o", "json"]);
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        listed.json().as_array().cloned().unwrap_or_default()
    }

    /// The objects of a kind, as `kubectl get` with these arguments lists them.
    pub fn objects(&self, args: &[&str]) -> Vec<Value> {
        let list = self.cluster.get(args).unwrap_or_default();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// The snapshots of a recovery point, retained or on their way: one cluster-scoped content each. Those that were
    /// never retained have no label of ours; the snapshot that they were made for tells whose they are.
    pub fn contents(&self, point: &str) -> Vec<Value> {
        let of_snapshot = format!("cofferdam-{point}-");
        let mut all = self.objects(&["volumesnapshotcontents"]);
        all.retain(|content| {
            let label =
                &content["metadata"]["labels"]["clusterbackup.dataprotection.microsoft.com/recovery-point"];
            let snapshot = content["spec"]["volumeSnapshotRef"]["name"].as_str().unwrap_or_default();
            *label == point || snapshot.starts_with(&of_snapshot)
        });
        all
    }

    /// Removes what the test made.
    pub fn down(self) {
        self.cluster.delete_namespace(&self.app);
        self.cluster.kubectl(&["delete", "deletebackups,restores", "--all", "-n", NAMESPACE, "--wait=false"]);
    }
}
