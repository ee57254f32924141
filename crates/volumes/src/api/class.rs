//! VolumeSnapshotClass, and VolumeGroupSnapshotClass, which has the same fields.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{ClusterResourceScope, DynamicObject};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// How snapshots of one driver are made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSnapshotClass {
    /// `snapshot.storage.k8s.io/v1`, or the version of the group API.
    #[serde(default)]
    pub api_version: String,
    /// `VolumeSnapshotClass` or `VolumeGroupSnapshotClass`.
    #[serde(default)]
    pub kind: String,
    /// Name, labels, annotations.
    pub metadata: ObjectMeta,
    /// The CSI driver.
    #[serde(default)]
    pub driver: String,
    /// What becomes of a storage snapshot when its object is deleted.
    #[serde(default)]
    pub deletion_policy: String,
    /// Passed to the driver, except `csi.storage.k8s.io/…`, which names Secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, String>>,
}

impl VolumeSnapshotClass {
    /// Reads one that was fetched without a type.
    pub fn from_dynamic(object: DynamicObject) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(object)?)
    }
}

impl kube::Resource for VolumeSnapshotClass {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        "VolumeSnapshotClass".into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        super::SNAPSHOTS.into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        "volumesnapshotclasses".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Whether a class is the default of its driver.
pub fn is_default(class: &VolumeSnapshotClass) -> bool {
    let annotations = class.metadata.annotations.as_ref();
    [
        "snapshot.storage.kubernetes.io/is-default-class",
        "groupsnapshot.storage.kubernetes.io/is-default-class",
    ]
    .iter()
    .any(|key| annotations.and_then(|all| all.get(*key)).is_some_and(|value| value == "true"))
}
