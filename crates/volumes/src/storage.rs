//! Sees what the cluster offers for volumes: drivers, snapshot classes, served snapshot APIs.

use crate::{
    api::{GROUP_SNAPSHOTS, GroupApi, SNAPSHOTS, VolumeSnapshotClass},
    decide::{Neighbour, Storage},
    error::{Tried, VolumesError},
};
use futures::{TryFutureExt, try_join};
use k8s_openapi::{
    api::{
        core::v1::PersistentVolumeClaim,
        storage::v1::{CSIDriver, CSINode},
    },
    apimachinery::pkg::apis::meta::v1::APIGroupList,
};
use kube::{Api, Client, ResourceExt, api::ListParams, core::DynamicObject};
use std::collections::BTreeSet;

/// Reads everything that deciding needs; nothing is written.
pub async fn observe_storage(client: &Client) -> Result<Storage, VolumesError> {
    let served = served(client).await?;
    let snapshots_served = versions(&served, SNAPSHOTS).iter().any(|version| version == "v1");
    let groups = GroupApi::choose(&versions(&served, GROUP_SNAPSHOTS));
    let (drivers, classes, group_classes) = try_join!(
        installed_drivers(client),
        classes(client, snapshots_served),
        group_classes(client, groups.as_ref()),
    )?;
    Ok(Storage { snapshots_served, groups, drivers, classes, group_classes })
}

/// All claims that carry the group label, selected by the backup or not.
pub async fn observe_neighbours(client: &Client, label: &str) -> Result<Vec<Neighbour>, VolumesError> {
    let claims = Api::<PersistentVolumeClaim>::all(client.clone());
    let found = claims
        .list_metadata(&ListParams::default().labels(label))
        .await
        .tried(|| format!("list the claims with the label {label}"))?;
    Ok(found
        .items
        .into_iter()
        .map(|claim| Neighbour {
            namespace: claim.namespace().unwrap_or_default(),
            uid: claim.uid().unwrap_or_default(),
            value: claim.labels().get(label).cloned().unwrap_or_default(),
        })
        .collect())
}

/// The group API that the cluster serves, if any.
pub(crate) async fn group_api(client: &Client) -> Result<Option<GroupApi>, VolumesError> {
    Ok(GroupApi::choose(&versions(&served(client).await?, GROUP_SNAPSHOTS)))
}

async fn served(client: &Client) -> Result<APIGroupList, VolumesError> {
    client.list_api_groups().await.tried(|| "discover the served API groups".into())
}

fn versions(served: &APIGroupList, group: &str) -> Vec<String> {
    let found = served.groups.iter().find(|one| one.name == group);
    found.into_iter().flat_map(|one| &one.versions).map(|version| version.version.clone()).collect()
}

/// Drivers with a `CSIDriver` object, and drivers that registered on a node without one.
pub(crate) async fn installed_drivers(client: &Client) -> Result<BTreeSet<String>, VolumesError> {
    let drivers = Api::<CSIDriver>::all(client.clone());
    let nodes = Api::<CSINode>::all(client.clone());
    let everything = ListParams::default();
    let (drivers, nodes) = try_join!(
        drivers.list_metadata(&everything).map_err(|e| (e, "list the CSI drivers")),
        nodes.list(&everything).map_err(|e| (e, "list the CSI drivers of the nodes")),
    )
    .or_else(|(error, what)| Err(error).tried(|| what.to_owned()))?;
    let mut names: BTreeSet<String> = drivers.items.iter().map(ResourceExt::name_any).collect();
    names.extend(nodes.items.into_iter().flat_map(|node| node.spec.drivers).map(|driver| driver.name));
    Ok(names)
}

async fn classes(client: &Client, served: bool) -> Result<Vec<VolumeSnapshotClass>, VolumesError> {
    if !served {
        return Ok(Vec::new());
    }
    let classes = Api::<VolumeSnapshotClass>::all(client.clone());
    let found = classes.list(&ListParams::default()).await;
    Ok(found.tried(|| "list the snapshot classes".into())?.items)
}

async fn group_classes(
    client: &Client,
    groups: Option<&GroupApi>,
) -> Result<Vec<VolumeSnapshotClass>, VolumesError> {
    let Some(groups) = groups else { return Ok(Vec::new()) };
    let classes = Api::<DynamicObject>::all_with(client.clone(), &groups.classes());
    let found =
        classes.list(&ListParams::default()).await.tried(|| "list the group snapshot classes".into())?;
    found
        .items
        .into_iter()
        .map(VolumeSnapshotClass::from_dynamic)
        .collect::<Result<_, _>>()
        .map_err(kube::Error::SerdeError)
        .tried(|| "read the group snapshot classes".into())
}
