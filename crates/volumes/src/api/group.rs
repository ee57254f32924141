//! VolumeGroupSnapshot and its content, in whichever version the cluster serves.

use super::{GROUP_SNAPSHOTS, SnapshotError};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde::Deserialize;

/// The version of the group API that a cluster serves; `v1` and `v1beta2` have the same fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupApi {
    version: String,
}

impl GroupApi {
    /// The best of the served versions that this crate understands.
    pub fn choose<S: AsRef<str>>(served: &[S]) -> Option<Self> {
        ["v1", "v1beta2"]
            .into_iter()
            .find(|known| served.iter().any(|version| version.as_ref() == *known))
            .map(|version| Self { version: version.to_owned() })
    }

    /// `VolumeGroupSnapshot`.
    pub fn snapshots(&self) -> ApiResource {
        self.resource("VolumeGroupSnapshot", "volumegroupsnapshots")
    }

    /// `VolumeGroupSnapshotContent`.
    pub fn contents(&self) -> ApiResource {
        self.resource("VolumeGroupSnapshotContent", "volumegroupsnapshotcontents")
    }

    /// `VolumeGroupSnapshotClass`.
    pub fn classes(&self) -> ApiResource {
        self.resource("VolumeGroupSnapshotClass", "volumegroupsnapshotclasses")
    }

    /// `groupsnapshot.storage.k8s.io/<version>`.
    pub fn api_version(&self) -> String {
        format!("{GROUP_SNAPSHOTS}/{}", self.version)
    }

    fn resource(&self, kind: &str, plural: &str) -> ApiResource {
        let gvk = GroupVersionKind::gvk(GROUP_SNAPSHOTS, &self.version, kind);
        ApiResource::from_gvk_with_plural(&gvk, plural)
    }
}

/// `status` of a VolumeGroupSnapshot.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupStatus {
    /// Its content.
    pub bound_volume_group_snapshot_content_name: Option<String>,
    /// The last failure.
    pub error: Option<SnapshotError>,
}

impl GroupStatus {
    /// Reads the status; absent counts as empty.
    pub fn of(object: &DynamicObject) -> Self {
        read(object)
    }
}

/// `status` of a VolumeGroupSnapshotContent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupContentStatus {
    /// The storage system's handle of the group.
    pub volume_group_snapshot_handle: Option<String>,
    /// When the group was cut.
    pub creation_time: Option<Time>,
    /// Its members.
    #[serde(rename = "volumeSnapshotInfoList")]
    pub members: Vec<GroupMember>,
    /// The last failure.
    pub error: Option<SnapshotError>,
}

impl GroupContentStatus {
    /// Reads the status; absent counts as empty.
    pub fn of(object: &DynamicObject) -> Self {
        read(object)
    }
}

/// One snapshot of a group.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupMember {
    /// The volume.
    pub volume_handle: String,
    /// Its snapshot.
    pub snapshot_handle: String,
    /// When it was cut, in nanoseconds since 1970.
    pub creation_time: Option<i64>,
    /// Bytes that a volume made from it needs.
    pub restore_size: Option<i64>,
    /// Whether a volume can be made from it.
    pub ready_to_use: Option<bool>,
}

impl GroupMember {
    /// When it was cut; the group's own instant when the member has none.
    pub fn cut(&self, group: &GroupContentStatus) -> Option<Timestamp> {
        let own = self.creation_time.and_then(|nanos| Timestamp::from_nanosecond(i128::from(nanos)).ok());
        own.or_else(|| group.creation_time.as_ref().map(|time| time.0))
    }
}

fn read<T: Default + for<'de> Deserialize<'de>>(object: &DynamicObject) -> T {
    object.data.get("status").and_then(|status| T::deserialize(status).ok()).unwrap_or_default()
}
