//! What is in a cluster before an extension comes: the snapshot API, a Velero, a policy. And an API server with faults.

use crate::world::{World, api, apply};
use jiff::SignedDuration;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use telemetry::Clock;

const DEFINITION: &str = "apiextensions.k8s.io/v1/CustomResourceDefinition";
const SNAPSHOTS: &str = "snapshot.storage.k8s.io";
/// As long as the slowest removal of a definition takes.
const PATIENCE: Duration = crate::world::SLOWEST_REMOVAL;

/// A definition without a schema; names are as their owners have them.
fn definition(group: &str, version: &str, kind: &str, scope: &str) -> Value {
    let singular = kind.to_lowercase();
    let plural = if singular.ends_with('s') { format!("{singular}es") } else { format!("{singular}s") };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "annotations": {
            "api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"}},
        "spec": {"group": group, "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": singular},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
    })
}

fn snapshot_definitions() -> Vec<Value> {
    [
        ("VolumeSnapshot", "Namespaced"),
        ("VolumeSnapshotContent", "Cluster"),
        ("VolumeSnapshotClass", "Cluster"),
    ]
    .map(|(kind, scope)| definition(SNAPSHOTS, "v1", kind, scope))
    .into()
}

/// The snapshot API is served; `handled` says whether a controller holds its lease, for longer than any test takes.
pub async fn serve_snapshots(world: &World, handled: bool) {
    for definition in snapshot_definitions() {
        apply(&world.admin, &definition).await;
    }
    let leases = api(&world.admin, "coordination.k8s.io/v1/Lease", Some("kube-system"));
    if handled {
        let renewed = world.clock.now() + SignedDuration::from_hours(2);
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "snapshot-controller-leader", "namespace": "kube-system"},
            "spec": {"holderIdentity": "outside", "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()}});
        apply(&world.admin, &lease).await;
    } else {
        drop(leases.delete("snapshot-controller-leader", &Default::default()).await);
    }
    until("the snapshot API is served", async || served(world, "snapshot.storage.k8s.io/v1").await == 3)
        .await;
}

/// The snapshot API is gone.
pub async fn withdraw_snapshots(world: &World) {
    tokio::time::sleep(crate::world::OLD_ENOUGH).await;
    for definition in snapshot_definitions() {
        let name = definition["metadata"]["name"].as_str().unwrap();
        drop(api(&world.admin, DEFINITION, None).delete(name, &Default::default()).await);
    }
    until("the snapshot API is gone", async || served(world, "snapshot.storage.k8s.io/v1").await == 0).await;
}

/// How many resources of a group are served.
async fn served(world: &World, group_version: &str) -> usize {
    match world.admin.list_api_group_resources(group_version).await {
        Ok(list) => list.resources.iter().filter(|resource| !resource.name.contains('/')).count(),
        Err(kube::Error::Api(status)) if status.code == 404 => 0,
        Err(error) => panic!("{error}"),
    }
}

pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What `velero install` leaves in a cluster, as far as it says that a Velero is there: its definitions, its Deployment, a
/// storage location in `bucket`.
pub async fn velero(world: &World, bucket: &str) {
    apply(&world.admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "velero"}}))
        .await;
    for kind in ["BackupStorageLocation", "Backup"] {
        apply(&world.admin, &definition("velero.io", "v1", kind, "Namespaced")).await;
    }
    let labels = json!({"component": "velero"});
    apply(
        &world.admin,
        &json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "velero", "namespace": "velero", "labels": labels},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"deploy": "velero"}}, "template": {
                "metadata": {"labels": {"deploy": "velero"}},
                "spec": {"containers": [{"name": "velero", "image": "velero.invalid/velero:1"}]}}}}),
    )
    .await;
    until("Velero's resources are served", async || served(world, "velero.io/v1").await == 2).await;
    apply(
        &world.admin,
        &json!({"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": "default", "namespace": "velero"},
            "spec": {"provider": "aws", "objectStorage": {"bucket": bucket}}}),
    )
    .await;
}

/// Velero is gone, with all that it left.
pub async fn no_velero(world: &World) {
    for (kind, name) in [
        (DEFINITION, "backupstoragelocations.velero.io"),
        (DEFINITION, "backups.velero.io"),
        ("v1/Namespace", "velero"),
    ] {
        drop(api(&world.admin, kind, None).delete(name, &Default::default()).await);
    }
    let deployments = api(&world.admin, "apps/v1/Deployment", Some("velero"));
    drop(deployments.delete("velero", &Default::default()).await);
    until("Velero is gone", async || {
        served(world, "velero.io/v1").await == 0
            && world.find("apps/v1/Deployment", Some("velero"), "velero").await.is_none()
    })
    .await;
}

const POLICY: &str = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy";
const POLICY_BINDING: &str = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding";
/// What the policy says.
pub const POLICY_SAYS: &str = "images come from registry.example alone";

/// A policy that lets no pod into `namespace` whose image is not of one registry; it is in force when this returns.
pub async fn policy(world: &World, namespace: &str) {
    let images = "object.spec.containers.all(c, c.image.startsWith('registry.example/'))";
    policy_of(world, namespace, images).await;
}

/// A policy that lets no pod into `namespace` that runs with this account; it is in force when this returns.
pub async fn policy_against(world: &World, namespace: &str, account: &str) {
    // The probe is refused all the same.
    let accounts = format!(
        "object.metadata.namespace != '{PROBED}' && object.spec.?serviceAccountName.orValue('') != '{account}'"
    );
    policy_of(world, namespace, &accounts).await;
}

async fn policy_of(world: &World, namespace: &str, expression: &str) {
    apply(&world.admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROBED}}))
        .await;
    // One of another test that failed would be in force there already.
    no_policy(world).await;
    apply(
        &world.admin,
        &json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "images"},
            "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": [{"apiGroups": [""],
                "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
                "validations": [{"message": POLICY_SAYS, "expression": expression}]}}),
    )
    .await;
    apply(
        &world.admin,
        &json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "images"},
            "spec": {"policyName": "images", "validationActions": ["Deny"], "matchResources": {"namespaceSelector": {
                "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In",
                    "values": [namespace, PROBED]}]}}}}),
    )
    .await;
    apply(&world.admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROBED}}))
        .await;
    until("the policy is in force", async || admits(world).await == Some(false)).await;
}

/// The policy is gone; when this returns it is in force no more.
pub async fn no_policy(world: &World) {
    for kind in [POLICY_BINDING, POLICY] {
        drop(api(&world.admin, kind, None).delete("images", &Default::default()).await);
    }
    until("the policy is in force no more", async || admits(world).await == Some(true)).await;
}

/// A namespace that the policy is about too, to see whether it is in force.
const PROBED: &str = "policy-probed";

/// Whether a pod is let in there; `None` when something else is in its way.
async fn admits(world: &World) -> Option<bool> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": PROBED},
        "spec": {"containers": [{"name": "main", "image": "other.example/a:1"}]}});
    let params = kube::api::PatchParams { dry_run: true, ..kube::api::PatchParams::apply("test") };
    let pods = api(&world.admin, "v1/Pod", Some(PROBED));
    match pods.patch("probe", &params, &kube::api::Patch::Apply(&pod)).await {
        Ok(_) => Some(true),
        Err(error) => error.to_string().contains(POLICY_SAYS).then_some(false),
    }
}

/// An API server that answers some paths otherwise, until it is told not to.
#[derive(Debug, Clone, Default)]
pub struct FaultServer(Arc<Mutex<BTreeMap<String, (u16, String)>>>);

impl FaultServer {
    /// Answers requests of `path` like this from now on.
    pub fn answers(&self, path: &str, status: u16, body: &str) {
        self.0.lock().unwrap().insert(path.to_owned(), (status, body.to_owned()));
    }

    /// Is as it should be.
    pub fn heals(&self) {
        self.0.lock().unwrap().clear();
    }

    /// A client of it.
    pub fn in_front_of(&self, client: &Client) -> Client {
        let (faults, client) = (self.0.clone(), client.clone());
        let namespace = client.default_namespace().to_owned();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let fault = faults.lock().unwrap().get(request.uri().path()).cloned();
            let client = client.clone();
            async move {
                match fault {
                    None => client.send(request).await,
                    Some((status, body)) => {
                        let answer =
                            http::Response::builder().status(status).body(Body::from(body.into_bytes()));
                        Ok::<_, kube::Error>(answer.unwrap())
                    }
                }
            }
        });
        Client::new(service, namespace)
    }
}
