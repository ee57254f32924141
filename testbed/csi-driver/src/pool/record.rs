//! The small JSON files beside every volume, snapshot and group: all the state the driver has.

use crate::error::Error;
use crate::ids::{GroupId, SnapshotId, VolumeId};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// How a volume is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A directory tree.
    Filesystem,
    /// A device.
    Block,
}

/// Where a volume's first content came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A snapshot.
    Snapshot(SnapshotId),
    /// Another volume.
    Volume(VolumeId),
}

/// What is known of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeRecord {
    /// The name in the create request.
    pub name: String,
    /// How it is used.
    pub kind: Kind,
    /// Size in bytes.
    pub capacity: u64,
    /// Where its first content came from, if it did not start empty.
    pub source: Option<Source>,
    /// The parameters of the create request; never its secrets.
    pub parameters: BTreeMap<String, String>,
    /// When it was created.
    pub created: Timestamp,
}

/// What is known of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotRecord {
    /// The name in the create request; for a member, its group's.
    pub name: String,
    /// The volume it was cut from.
    pub source: VolumeId,
    /// How that volume is used.
    pub kind: Kind,
    /// The volume's size when it was cut, in bytes: what a volume made from it needs at least.
    pub size: u64,
    /// The parameters of the create request; never its secrets.
    pub parameters: BTreeMap<String, String>,
    /// When it was cut.
    pub created: Timestamp,
}

/// What is known of a group of snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupRecord {
    /// The name in the create request.
    pub name: String,
    /// The volumes it was cut from, sorted.
    pub sources: Vec<VolumeId>,
    /// When it was cut.
    pub created: Timestamp,
}

/// A volume with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its handle.
    pub id: VolumeId,
    /// What is known of it.
    pub record: VolumeRecord,
}

/// A snapshot with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its handle.
    pub id: SnapshotId,
    /// What is known of it.
    pub record: SnapshotRecord,
}

/// A group with its id and members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its handle.
    pub id: GroupId,
    /// What is known of it.
    pub record: GroupRecord,
    /// Its snapshots.
    pub members: Vec<Snapshot>,
}

/// Reads a record; `None` when there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(gone) if matches!(gone.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(Error::Io { doing: "reading", path: path.to_owned(), source }),
    };
    serde_json::from_slice(&text).map(Some).map_err(|source| Error::Damaged { path: path.to_owned(), source })
}

/// Writes a record so that a reader sees the old one or the new one, never a part.
pub(super) fn write<T: Serialize>(path: &Path, record: &T) -> Result<(), Error> {
    let fresh = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4()));
    let text = serde_json::to_vec_pretty(record)
        .map_err(|source| Error::Damaged { path: path.to_owned(), source })?;
    let mut file = std::fs::File::create_new(&fresh).map_err(Error::io("creating", &fresh))?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(Error::io("writing", &fresh))?;
    std::fs::rename(&fresh, path).map_err(Error::io("publishing", path))
}
