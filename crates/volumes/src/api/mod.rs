//! The snapshot API of the CSI community (`snapshot.storage.k8s.io/v1`), as far as this crate reads and
//! writes it. Objects of others are changed by patches only, so unknown fields are never lost.

mod class;
mod group;
mod snapshot;

pub use class::{VolumeSnapshotClass, is_default};
pub use group::{GroupApi, GroupContentStatus, GroupMember, GroupStatus};
pub use snapshot::{
    ContentSource, SnapshotError, SnapshotRef, SnapshotSource, VolumeSnapshot, VolumeSnapshotContent,
    VolumeSnapshotContentSpec, VolumeSnapshotContentStatus, VolumeSnapshotSpec, VolumeSnapshotStatus,
};

/// API group of snapshots.
pub const SNAPSHOTS: &str = "snapshot.storage.k8s.io";
/// API group of group snapshots.
pub const GROUP_SNAPSHOTS: &str = "groupsnapshot.storage.k8s.io";
/// Deletion policy: the storage snapshot stays when the object goes.
pub const RETAIN: &str = "Retain";
/// Deletion policy: the storage snapshot goes with the object.
pub const DELETE: &str = "Delete";
/// Annotation with which the snapshot controller allows the sidecar to let a content go.
pub const BEING_DELETED: &str = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted";
/// The same for group contents.
pub const GROUP_BEING_DELETED: &str = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted";
/// Annotation on the content of a group's member: the handle of the group.
pub const GROUP_HANDLE: &str = "groupsnapshot.storage.kubernetes.io/volumeGroupSnapshotHandle";
