//! The volumes behind claims.

use crate::seen;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{ClusterVolume, Observed, VolumeKind};
use std::collections::BTreeMap;

pub(crate) async fn observe(client: &Client) -> Observed<Vec<ClusterVolume>> {
    seen("listing claims and volumes", look(client).await)
}

async fn look(client: &Client) -> Result<Vec<ClusterVolume>, kube::Error> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let kinds: BTreeMap<String, VolumeKind> = volumes
        .list(&ListParams::default())
        .await?
        .items
        .iter()
        .map(|volume| (volume.name_any(), kind(volume)))
        .collect();
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let claims = claims.list(&ListParams::default()).await?;
    Ok(claims
        .items
        .iter()
        .map(|claim| ClusterVolume {
            claim: format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any()),
            kind: claim
                .spec
                .as_ref()
                .and_then(|spec| spec.volume_name.as_ref())
                .and_then(|name| kinds.get(name))
                .cloned()
                .unwrap_or(VolumeKind::Unbound),
        })
        .collect())
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
