//! The volumes behind claims.

use crate::seen;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{ClusterVolume, Observed, VolumeKind};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// Objects that are asked for at once.
const PAGE: u32 = 500;

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
        ClusterVolume { claim: claim.unwrap_or_default(), kind: kind(&volume) }
    });
    seen("listing volumes", volumes.await)
}

async fn look(client: &Client) -> Result<Vec<ClusterVolume>, kube::Error> {
    let kinds: BTreeMap<String, VolumeKind> =
        each(&Api::<PersistentVolume>::all(client.clone()), |volume| (volume.name_any(), kind(&volume)))
            .await?
            .into_iter()
            .collect();
    each(&Api::<PersistentVolumeClaim>::all(client.clone()), |claim| ClusterVolume {
        claim: format!("{}/{}", claim.namespace().unwrap_or_default(), claim.name_any()),
        kind: claim
            .spec
            .and_then(|spec| spec.volume_name)
            .and_then(|name| kinds.get(&name).cloned())
            .unwrap_or(VolumeKind::Unbound),
    })
    .await
}

/// What `keep` says of every object, page by page: only a page of whole objects is held at a time.
async fn each<K, T>(api: &Api<K>, keep: impl Fn(K) -> T) -> Result<Vec<T>, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut kept = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        let next = list.metadata.continue_.clone().filter(|token| !token.is_empty());
        kept.extend(list.items.into_iter().map(&keep));
        match next {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(kept),
        }
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
