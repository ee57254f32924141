//! The volumes behind claims.

use crate::pages::{each, each_metadata};
use crate::quantity::bytes;
use crate::seen;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, Client, ResourceExt};
use prerequisites::{ClusterVolume, Observed, VolumeKind};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn observe(client: &Client) -> Observed<Vec<ClusterVolume>> {
    seen("listing claims and volumes", look(client).await)
}

/// The volumes alone, by the claims that they are bound to: enough to know which drivers are in use.
pub(crate) async fn in_use(client: &Client) -> Observed<Vec<ClusterVolume>> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volumes = each(&volumes, |volume| {
        let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        let claim = claim.map(|claim| {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            format!("{}/{}", text(&claim.namespace), text(&claim.name))
        });
        ClusterVolume::new(claim.unwrap_or_default(), kind(&volume))
    });
    seen("listing volumes", volumes.await)
}

/// What is kept of a volume while claims are read.
struct Kept {
    kind: VolumeKind,
    class: Option<String>,
    bytes: u64,
    handle: String,
    protocol: Option<String>,
}

async fn look(client: &Client) -> Result<Vec<ClusterVolume>, kube::Error> {
    let classes: BTreeSet<String> = each_metadata::<StorageClass, _>(client, |meta| meta.name).await?;
    let volumes: BTreeMap<String, Kept> =
        each(&Api::<PersistentVolume>::all(client.clone()), |volume| (volume.name_any(), kept(&volume)))
            .await?
            .into_iter()
            .collect();
    each(&Api::<PersistentVolumeClaim>::all(client.clone()), |claim| seen_claim(&claim, &volumes, &classes))
        .await
}

fn kept(volume: &PersistentVolume) -> Kept {
    let spec = volume.spec.as_ref();
    let csi = spec.and_then(|spec| spec.csi.as_ref());
    let attributes = csi.and_then(|csi| csi.volume_attributes.as_ref());
    let capacity = spec.and_then(|spec| spec.capacity.as_ref()?.get("storage"));
    Kept {
        kind: kind(volume),
        class: spec.and_then(|spec| spec.storage_class_name.clone()).filter(|class| !class.is_empty()),
        bytes: capacity.map_or(0, |size| bytes(&size.0)),
        handle: csi.map(|csi| csi.volume_handle.clone()).unwrap_or_default(),
        protocol: attributes.and_then(|all| all.get("protocol").cloned()),
    }
}

fn seen_claim(
    claim: &PersistentVolumeClaim,
    volumes: &BTreeMap<String, Kept>,
    classes: &BTreeSet<String>,
) -> ClusterVolume {
    let spec = claim.spec.as_ref();
    let volume = spec.and_then(|spec| volumes.get(spec.volume_name.as_ref()?));
    let named = spec.and_then(|spec| spec.storage_class_name.clone()).filter(|class| !class.is_empty());
    let class = named.or_else(|| volume.and_then(|volume| volume.class.clone()));
    let name = format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any());
    let kind = volume.map_or(VolumeKind::Unbound, |volume| volume.kind.clone());
    let phase = claim.status.as_ref().and_then(|status| status.phase.clone());
    ClusterVolume {
        phase: phase.unwrap_or_else(|| "Pending".to_owned()),
        class: class.map(|class| {
            let exists = classes.contains(&class);
            (class, exists)
        }),
        bytes: volume.map_or(0, |volume| volume.bytes),
        handle: volume.map(|volume| volume.handle.clone()).unwrap_or_default(),
        protocol: volume.and_then(|volume| volume.protocol.clone()),
        ..ClusterVolume::new(name, kind)
    }
}

fn kind(volume: &PersistentVolume) -> VolumeKind {
    if let Some(csi) = volume.spec.as_ref().and_then(|spec| spec.csi.as_ref()) {
        return VolumeKind::Csi(csi.driver.clone());
    }
    let spec = serde_json::to_value(&volume.spec).unwrap_or_default();
    let name =
        IN_TREE.iter().find(|field| spec.get(**field).is_some()).copied().unwrap_or("an unknown plugin");
    VolumeKind::InTree(name.to_owned())
}

/// The fields of a PersistentVolume's spec that name a volume plugin of Kubernetes itself.
const IN_TREE: [&str; 20] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
];
