//! The snapshot class of our own, per backup instance and driver: the parameters and secret references of the
//! class that the usual order selects, policy `Retain`, plus the snapshot resource group.
//!
//! A class never changes: its name ends in a digest of everything it says, so that two backups of one
//! instance with different settings do not write over each other, and because a group class is immutable
//! anyway. A class that no configuration leads to any more is removed by [`remove_stale`].

use crate::{
    api::{GroupApi, RETAIN, VolumeSnapshotClass},
    error::{Tried, VolumesError, if_served, is_absent, is_conflict, persistently},
    labels::{self, BackupTag},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
    core::DynamicObject,
};
use std::collections::{BTreeMap, BTreeSet};

/// The driver that knows resource groups itself.
const AZURE_DISK: &str = "disk.csi.azure.com";

/// Our class for one driver, made from the selected one.
pub fn own_class(source: &VolumeSnapshotClass, tag: &BackupTag) -> VolumeSnapshotClass {
    let mut parameters = source.parameters.clone().unwrap_or_default();
    if source.driver == AZURE_DISK {
        parameters.insert("incremental".to_owned(), "true".to_owned());
        if let Some(group) = &tag.resource_group {
            parameters.insert("resourceGroup".to_owned(), labels::last_segment(group).to_owned());
        }
    }
    class("VolumeSnapshotClass", "snapshot.storage.k8s.io/v1".to_owned(), source, parameters, tag)
}

/// Our group class for one driver, made from the selected one.
pub fn own_group_class(source: &VolumeSnapshotClass, tag: &BackupTag, api: &GroupApi) -> VolumeSnapshotClass {
    let parameters = source.parameters.clone().unwrap_or_default();
    class("VolumeGroupSnapshotClass", api.api_version(), source, parameters, tag)
}

fn class(
    kind: &str,
    api_version: String,
    source: &VolumeSnapshotClass,
    parameters: BTreeMap<String, String>,
    tag: &BackupTag,
) -> VolumeSnapshotClass {
    let labels = [(labels::MANAGED_BY, labels::COFFERDAM), (labels::INSTANCE, &tag.instance)];
    VolumeSnapshotClass {
        api_version,
        kind: kind.to_owned(),
        metadata: ObjectMeta {
            name: Some(class_name(&tag.instance, &source.driver, kind, &parameters)),
            labels: Some(
                labels.into_iter().map(|(key, value)| (key.to_owned(), labels::label_value(value))).collect(),
            ),
            ..ObjectMeta::default()
        },
        driver: source.driver.clone(),
        deletion_policy: RETAIN.to_owned(),
        parameters: Some(parameters).filter(|all| !all.is_empty()),
    }
}

fn class_name(instance: &str, driver: &str, kind: &str, parameters: &BTreeMap<String, String>) -> String {
    let mut parts = vec![instance, driver, kind];
    parts.extend(parameters.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
    let readable: String = driver
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    format!("cofferdam-{instance}-{}-{}", readable.trim_matches('-'), labels::digest(&parts))
}

/// Creates the class unless it exists; its name says all that it holds.
pub(crate) async fn ensure_class(client: &Client, class: &VolumeSnapshotClass) -> Result<(), VolumesError> {
    let classes = Api::<VolumeSnapshotClass>::all(client.clone());
    let params = PostParams::default();
    created(persistently(|| classes.create(&params, class)).await.map(drop), class)
}

/// The same for a group class.
pub(crate) async fn ensure_group_class(
    client: &Client,
    class: &VolumeSnapshotClass,
    api: &GroupApi,
) -> Result<(), VolumesError> {
    let classes = Api::<DynamicObject>::all_with(client.clone(), &api.classes());
    let object: DynamicObject = serde_json::to_value(class)
        .and_then(serde_json::from_value)
        .map_err(kube::Error::SerdeError)
        .tried(|| format!("write the class {}", class.name_any()))?;
    let params = PostParams::default();
    created(persistently(|| classes.create(&params, &object)).await.map(drop), class)
}

fn created(result: Result<(), kube::Error>, class: &VolumeSnapshotClass) -> Result<(), VolumesError> {
    match result {
        Err(error) if is_conflict(&error) => Ok(()),
        other => other.tried(|| format!("create the snapshot class {}", class.name_any())),
    }
}

/// Removes classes of the instance except those named. Snapshots do not need the class they were made with
/// once they are ready; call this only when no backup of the instance is under way.
pub async fn remove_stale(
    client: &Client,
    instance: &str,
    keep: &BTreeSet<String>,
) -> Result<usize, VolumesError> {
    let classes = Api::<VolumeSnapshotClass>::all(client.clone());
    let ours = format!(
        "{}={},{}={}",
        labels::MANAGED_BY,
        labels::COFFERDAM,
        labels::INSTANCE,
        labels::label_value(instance)
    );
    let found = if_served(classes.list_metadata(&ListParams::default().labels(&ours)).await)
        .tried(|| format!("list the snapshot classes of the instance {instance}"))?;
    let mut removed = 0;
    for name in found.items.iter().map(ResourceExt::name_any).filter(|name| !keep.contains(name)) {
        match classes.delete(&name, &DeleteParams::default()).await {
            Err(error) if is_absent(&error) => {}
            other => {
                other.tried(|| format!("delete the snapshot class {name}"))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protection::RecoveryPointId;

    fn tag(resource_group: Option<&str>) -> BackupTag {
        BackupTag {
            recovery_point: RecoveryPointId::new("6f1c2a50-1111-4222-8333-944455556666"),
            instance: "shop".into(),
            resource_group: resource_group.map(Into::into),
        }
    }

    fn source(driver: &str) -> VolumeSnapshotClass {
        VolumeSnapshotClass {
            driver: driver.into(),
            deletion_policy: "Delete".into(),
            parameters: Some(BTreeMap::from([
                ("csi.storage.k8s.io/snapshotter-secret-name".into(), "secret".into()),
                ("speed".into(), "fast".into()),
            ])),
            ..VolumeSnapshotClass::default()
        }
    }

    #[test]
    fn our_class_copies_parameters_and_secret_references_and_retains() {
        let class = own_class(&source("x.example.com"), &tag(Some("rg")));

        assert_eq!(class.parameters, source("x.example.com").parameters);
        assert_eq!(class.deletion_policy, "Retain");
        assert_eq!(class.labels()[labels::INSTANCE], "shop");
        assert!(class.name_any().starts_with("cofferdam-shop-x-example-com-"), "{}", class.name_any());
    }

    #[test]
    fn azure_disks_are_incremental_and_go_to_the_resource_group() {
        let id = "/subscriptions/s/resourceGroups/snapshots-rg";

        let class = own_class(&source(AZURE_DISK), &tag(Some(id)));

        let parameters = class.parameters.unwrap();
        assert_eq!(parameters["incremental"], "true");
        assert_eq!(parameters["resourceGroup"], "snapshots-rg");
        assert_eq!(parameters["speed"], "fast");
    }

    #[test]
    fn the_name_is_stable_and_changes_with_what_the_class_says() {
        let name = |driver: &str, group: Option<&str>| own_class(&source(driver), &tag(group)).name_any();

        let names = BTreeSet::from([
            name(AZURE_DISK, None),
            name(AZURE_DISK, Some("a")),
            name(AZURE_DISK, Some("b")),
        ]);

        assert_eq!(names.len(), 3);
        assert_eq!(name(AZURE_DISK, Some("a")), name(AZURE_DISK, Some("a")));
    }
}
