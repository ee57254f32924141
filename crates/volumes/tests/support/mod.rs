//! A real cluster with the testbed's CSI drivers: namespaces that clean up after themselves, claims, pods.
#![allow(dead_code, missing_docs)]

use k8s_openapi::api::{
    core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod},
    storage::v1::StorageClass,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use protection::{
    RecoveryPointId,
    claims::{
        AccessMode, ClaimPhase, ClaimVolume, CsiSource, SelectedClaim, VolumeFacts, VolumeMode, VolumeSource,
    },
    point::{VolumeProtection, VolumeRecord},
};
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use tokio::time::{Instant, sleep};
use volumes::{
    CutOptions, CutPlan, CutReport, Patience, anchor,
    decide::{Decision, Policy, decide_all},
    detach,
    labels::BackupTag,
    observe_storage, requests,
    restore::{FillOptions, FillRequest},
};

const MINUTE: Duration = Duration::from_secs(60);

/// The cluster that `COFFERDAM_TEST_KUBECONFIG` names.
pub async fn client() -> Client {
    client_of("COFFERDAM_TEST_KUBECONFIG").await
}

pub async fn client_of(variable: &str) -> Client {
    let path = std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "set {variable} to the kubeconfig of a testbed cluster: `testbed up`, then see `testbed status`"
        )
    });
    let kubeconfig =
        Kubeconfig::read_from(&path).unwrap_or_else(|why| panic!("{path} cannot be read: {why}"));
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// A random UID, as the API server makes them.
pub fn uid() -> String {
    let mut bytes = [0u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes))
        .unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// A namespace that is deleted by [`World::end`].
pub struct World {
    pub client: Client,
    pub namespace: String,
    pub tag: BackupTag,
}

impl World {
    pub async fn new(name: &str) -> Self {
        Self::on(client().await, name).await
    }

    pub async fn on(client: Client, name: &str) -> Self {
        let uid = uid();
        let world = Self {
            client,
            namespace: format!("volumes-{name}-{}", &uid[..6]),
            tag: BackupTag {
                recovery_point: RecoveryPointId::new(uid),
                instance: "volumes-test".into(),
                resource_group: None,
            },
        };
        let namespaces = Api::<Namespace>::all(world.client.clone());
        let object = serde_json::from_value(json!({"metadata": {"name": world.namespace}})).unwrap();
        namespaces.create(&PostParams::default(), &object).await.unwrap();
        world
    }

    /// Removes the namespace and every snapshot that the test took.
    pub async fn end(self) {
        let removal =
            volumes::remove_point(&self.client, &self.tag.recovery_point, &[], Duration::from_secs(60)).await;
        let namespaces = Api::<Namespace>::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::default()).await.unwrap();
        assert_eq!(removal.unwrap().kept, [], "the test leaves no snapshot behind");
    }

    pub async fn claim(&self, name: &str, class: &str, extra: serde_json::Value) -> PersistentVolumeClaim {
        let mut object = json!({
            "metadata": {"name": name},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": class,
                "resources": {"requests": {"storage": "64Mi"}},
            },
        });
        merge(&mut object, &extra);
        let claims = self.claims();
        claims.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    pub async fn bound(&self, name: &str) -> PersistentVolumeClaim {
        let claims = self.claims();
        eventually(&format!("claim {name} is bound"), || async {
            let claim = claims.get(name).await.ok()?;
            let phase = claim.status.as_ref().and_then(|status| status.phase.clone());
            (phase.as_deref() == Some("Bound")).then_some(claim)
        })
        .await
    }

    /// A pod with a shell that mounts the claim at /data and does nothing.
    pub async fn shell(&self, name: &str, claim: Option<&str>) -> Pod {
        let volumes =
            claim.map(|claim| json!([{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]));
        let mounts = claim.map(|_| json!([{"name": "data", "mountPath": "/data"}]));
        let object = json!({
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "shell", "image": shell_image(), "imagePullPolicy": "IfNotPresent",
                    "command": ["/busybox", "sh", "-c", "while true; do /busybox sleep 1; done"],
                    "securityContext": {"runAsUser": 0},
                    "volumeMounts": mounts.unwrap_or_else(|| json!([])),
                }],
                "volumes": volumes.unwrap_or_else(|| json!([])),
            },
        });
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        pods.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        eventually(&format!("pod {name} is ready"), || async {
            let pod = pods.get(name).await.ok()?;
            let statuses = pod.status.as_ref()?.container_statuses.clone()?;
            statuses.iter().all(|status| status.ready).then_some(pod)
        })
        .await
    }

    pub async fn run(&self, pod: &str, script: &str) -> Result<(), volumes::hooks::HookFailure> {
        let facts = volumes::hooks::observe_pod(&self.client, &self.namespace, pod).await.unwrap().unwrap();
        let command = volumes::hooks::Command {
            namespace: self.namespace.clone(),
            pod: pod.into(),
            pod_uid: facts.uid,
            container: facts.containers[0].clone(),
            argv: ["/busybox", "sh", "-c", script].map(Into::into).to_vec(),
            timeout: Duration::from_secs(20),
            on_error: resources::OnError::Fail,
        };
        volumes::hooks::run(&self.client, &command).await
    }

    pub async fn delete_pod(&self, name: &str) {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        pods.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
        eventually("the pod is gone", || async { pods.get_opt(name).await.ok()?.is_none().then_some(()) })
            .await;
    }

    pub fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The claims of the namespace, as `capture` finds them.
    pub async fn selected(&self) -> Vec<SelectedClaim> {
        let mut selected = Vec::new();
        for claim in self.claims().list(&ListParams::default()).await.unwrap() {
            selected.push(select(&self.client, &claim).await);
        }
        selected
    }

    pub async fn decisions(&self, policy: &Policy) -> Vec<Decision> {
        let storage = observe_storage(&self.client).await.unwrap();
        decide_all(self.selected().await, &storage, policy)
    }

    /// Cuts snapshots of everything in the namespace.
    pub async fn cut(&self, options: &CutOptions) -> CutReport {
        let decisions = self.decisions(&snapshots()).await;
        let plan = CutPlan { requests: requests(&decisions), groups: vec![], group_api: None };
        volumes::cut(&self.client, &self.tag, &plan, options).await.unwrap()
    }

    /// Writes text into the claim's file system through a pod that is then removed.
    pub async fn write(&self, claim: &str, text: &str) {
        let pod = format!("write-{claim}");
        self.shell(&pod, Some(claim)).await;
        self.run(&pod, &format!("echo '{text}' > /data/file && /busybox sync")).await.unwrap();
        self.delete_pod(&pod).await;
    }

    /// Whether the claim's file holds the text.
    pub async fn holds(&self, claim: &str, text: &str) -> Result<(), volumes::hooks::HookFailure> {
        let pod = format!("read-{claim}");
        self.shell(&pod, Some(claim)).await;
        let same = self.run(&pod, &format!("test \"$(/busybox cat /data/file)\" = '{text}'")).await;
        self.delete_pod(&pod).await;
        same
    }

    pub async fn relabel(&self, claim: &str, labels: serde_json::Value) {
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        self.claims().patch(claim, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Names of all snapshot objects in the namespace, groups included.
    pub async fn snapshots_here(&self) -> Vec<String> {
        let snapshots = Api::<volumes::api::VolumeSnapshot>::namespaced(self.client.clone(), &self.namespace);
        snapshots.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect()
    }
}

pub fn snapshots() -> Policy {
    Policy { snapshot_volumes: true, ..Policy::default() }
}

pub fn options() -> CutOptions {
    CutOptions {
        patience: Patience { timeout: Duration::from_secs(60), ..Patience::default() },
        parallel: 16,
        cancel: Default::default(),
    }
}

pub fn shell_image() -> String {
    std::env::var("COFFERDAM_TEST_SHELL_IMAGE").unwrap_or_else(|_| "cofferdam.test/pause:1".into())
}

/// The storage class of the driver with snapshots that binds at once.
pub fn immediate() -> String {
    std::env::var("COFFERDAM_TEST_CLASS").unwrap_or_else(|_| "standard".into())
}

/// Waits until the look gives something, at most a minute.
pub async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(250)).await;
    }
}

/// The record of an anchored snapshot, as the manifest holds it.
pub fn record(claim: &SelectedClaim, anchored: &volumes::Anchored) -> VolumeRecord {
    VolumeRecord {
        namespace: claim.namespace.clone(),
        claim: claim.name.clone(),
        persistent_volume: claim.bound().map(|volume| volume.name.clone()),
        driver: Some(anchored.snapshot.driver.clone()),
        storage_class: claim.storage_class.clone(),
        block: claim.volume_mode == VolumeMode::Block,
        capacity: claim.size(),
        protection: anchored.protection(),
    }
}

pub fn filling() -> FillOptions {
    FillOptions { snapshot_timeout: MINUTE, bind_timeout: MINUTE, parallel: 4, cancel: Default::default() }
}

/// One claim with known content, backed up, its snapshot detached.
pub async fn backed_up(name: &str, text: &str) -> (World, VolumeRecord) {
    let world = World::new(name).await;
    world.claim("data", &immediate(), json!({})).await;
    world.write("data", text).await;
    let claims = world.selected().await;
    let (anchored, problems) =
        anchor(&world.client, &world.tag, world.cut(&options()).await.cut(), 8).await.unwrap();
    assert_eq!(problems, []);
    assert_eq!(detach(&world.client, &world.tag.recovery_point, MINUTE).await.unwrap(), []);
    let record = record(&claims[0], &anchored[0]);
    (world, record)
}

pub fn request(world: &World, record: &VolumeRecord, name: &str, class: &str) -> FillRequest {
    let restore_uid = uid();
    FillRequest {
        claim: json!({
            "metadata": {"namespace": world.namespace, "name": name, "labels": {"kept": "yes"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
                     "resources": {"requests": {"storage": "1Mi"}}},
        }),
        record: record.clone(),
        field_manager: format!("cofferdam/{restore_uid}"),
        restore_uid,
    }
}

pub fn handle_of(record: &VolumeRecord) -> &str {
    match &record.protection {
        VolumeProtection::Snapshot { handle, .. } => handle,
        other => panic!("{other:?}"),
    }
}

pub async fn classes(client: &Client) -> BTreeMap<String, StorageClass> {
    let classes = Api::<StorageClass>::all(client.clone());
    classes
        .list(&ListParams::default())
        .await
        .unwrap()
        .into_iter()
        .map(|class| (class.name_any(), class))
        .collect()
}

/// Planned faults of the CSI driver, taken back when dropped. The driver has one file: one test at a time.
pub struct Faults(PathBuf, #[allow(dead_code)] tokio::sync::MutexGuard<'static, ()>);

static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Faults {
    pub async fn plan(faults: serde_json::Value) -> Self {
        let guard = ONE_AT_A_TIME.lock().await;
        let path = std::env::var("COFFERDAM_TEST_FAULTS")
            .unwrap_or_else(|_| panic!("set COFFERDAM_TEST_FAULTS to the CSI driver's faults file"));
        std::fs::write(&path, faults.to_string()).unwrap();
        Self(path.into(), guard)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

async fn select(client: &Client, claim: &PersistentVolumeClaim) -> SelectedClaim {
    let spec = claim.spec.clone().unwrap();
    let quantity = |text: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
        text.and_then(|text| protection::quantity::bytes(&text.0))
    };
    let capacity = claim.status.as_ref().and_then(|status| status.capacity.as_ref());
    let volume = match &spec.volume_name {
        None => ClaimVolume::Unbound,
        Some(name) => match Api::<PersistentVolume>::all(client.clone()).get_opt(name).await.unwrap() {
            None => ClaimVolume::Missing { name: name.clone() },
            Some(volume) => ClaimVolume::Bound(facts(&volume)),
        },
    };
    let phase = match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
        Some("Bound") => ClaimPhase::Bound,
        Some("Lost") => ClaimPhase::Lost,
        _ => ClaimPhase::Pending,
    };
    SelectedClaim {
        namespace: claim.namespace().unwrap(),
        name: claim.name_any(),
        uid: claim.uid().unwrap(),
        phase,
        storage_class: spec.storage_class_name.clone(),
        volume_mode: match spec.volume_mode.as_deref() {
            Some("Block") => VolumeMode::Block,
            _ => VolumeMode::Filesystem,
        },
        access_modes: vec![AccessMode::ReadWriteOnce],
        requested: quantity(spec.resources.and_then(|all| all.requests).unwrap_or_default().get("storage"))
            .unwrap(),
        capacity: quantity(capacity.and_then(|all| all.get("storage"))),
        labels: claim.labels().clone(),
        volume,
    }
}

fn facts(volume: &PersistentVolume) -> VolumeFacts {
    let spec = volume.spec.clone().unwrap();
    let source = match spec.csi {
        Some(csi) => VolumeSource::Csi(CsiSource {
            driver: csi.driver,
            volume_handle: csi.volume_handle,
            fs_type: csi.fs_type,
            volume_attributes: csi.volume_attributes.unwrap_or_default(),
            ..CsiSource::default()
        }),
        None => VolumeSource::InTree { kind: "hostPath".into(), migrated_to: None },
    };
    VolumeFacts {
        name: volume.name_any(),
        uid: volume.uid().unwrap(),
        source,
        capacity: 64 << 20,
        storage_class: spec.storage_class_name.unwrap_or_default(),
        reclaim_policy: spec.persistent_volume_reclaim_policy.unwrap_or_default(),
        mount_options: vec![],
        node_affinity: None,
        labels: BTreeMap::new(),
        deleting: false,
    }
}

fn merge(into: &mut serde_json::Value, from: &serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
