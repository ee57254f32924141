//! Snapshot files: one recovery point each, written last.

use crate::{FormatError, MasterKey, Nonce, SnapshotId, TreeId, limits, unpacked};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

const WHAT: &str = "a snapshot file";

/// The content of a file under `snapshots/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When the snapshot was taken.
    #[serde(with = "crate::time")]
    pub time: Timestamp,
    /// The snapshot it was compared with while it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SnapshotId>,
    /// The root directory.
    pub tree: TreeId,
    /// What was saved.
    #[serde(default, deserialize_with = "null_as_default")]
    pub paths: Vec<String>,
    /// The machine it came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// The user who made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// That user's id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// That user's group id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
    /// Patterns that were left out.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub excludes: Vec<String>,
    /// Tags, `key=value` for ours.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The snapshot that this one replaced when its tags were changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SnapshotId>,
    /// The program that made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program_version: String,
    /// What was done to make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<SnapshotSummary>,
}

/// Counts of the work behind a snapshot; sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are those of the format and say it all
pub struct SnapshotSummary {
    #[serde(with = "crate::time")]
    pub backup_start: Timestamp,
    #[serde(with = "crate::time")]
    pub backup_end: Timestamp,
    #[serde(default)]
    pub files_new: u64,
    #[serde(default)]
    pub files_changed: u64,
    #[serde(default)]
    pub files_unmodified: u64,
    #[serde(default)]
    pub dirs_new: u64,
    #[serde(default)]
    pub dirs_changed: u64,
    #[serde(default)]
    pub dirs_unmodified: u64,
    #[serde(default)]
    pub data_blobs: u64,
    #[serde(default)]
    pub tree_blobs: u64,
    #[serde(default)]
    pub data_added: u64,
    #[serde(default)]
    pub data_added_packed: u64,
    #[serde(default)]
    pub total_files_processed: u64,
    #[serde(default)]
    pub total_bytes_processed: u64,
}

impl Snapshot {
    /// A snapshot of `tree` with nothing else filled in.
    pub fn new(time: Timestamp, tree: TreeId) -> Self {
        Self {
            time,
            parent: None,
            tree,
            paths: Vec::new(),
            hostname: String::new(),
            username: String::new(),
            uid: 0,
            gid: 0,
            excludes: Vec::new(),
            tags: Vec::new(),
            original: None,
            program_version: String::new(),
            summary: None,
        }
    }

    /// The value of the first tag `key=value` with this key.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(key)?.strip_prefix('='))
    }

    /// The stored bytes of the file.
    pub fn encode(&self, key: &MasterKey, nonce: Nonce) -> Result<Vec<u8>, FormatError> {
        unpacked::encode(key, nonce, self, WHAT)
    }

    /// The snapshot from the stored bytes of the file.
    pub fn decode(key: &MasterKey, sealed: &[u8]) -> Result<Self, FormatError> {
        unpacked::decode(key, sealed, limits::SNAPSHOT, WHAT)
    }

    /// The snapshot from the opened bytes of the file.
    pub fn from_plain(plain: &[u8]) -> Result<Self, FormatError> {
        unpacked::from_plain(plain, limits::SNAPSHOT, WHAT)
    }
}

fn is_zero(id: &u32) -> bool {
    *id == 0
}

/// Go writes an empty list as `null`.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_survives_its_file_and_its_tags_are_found() {
        let key = MasterKey::random(&mut rand::rng());
        let mut snapshot = Snapshot::new("2026-01-02T03:04:05Z".parse().unwrap(), TreeId::of(b"tree"));
        snapshot.tags = vec!["recovery-pointless".into(), "recovery-point=abc=d".into()];

        let sealed = snapshot.encode(&key, Nonce::random(&mut rand::rng())).unwrap();

        assert_eq!(Snapshot::decode(&key, &sealed).unwrap(), snapshot);
        assert_eq!(snapshot.tag("recovery-point"), Some("abc=d"));
        assert_eq!(snapshot.tag("instance"), None);
    }

    #[test]
    fn what_other_versions_add_or_leave_out_is_accepted() {
        let tree = TreeId::of(b"tree");
        let json =
            format!(r#"{{"time":"2026-01-02T03:04:05+01:00","tree":"{tree}","paths":null,"new":{{}}}}"#);

        let snapshot = Snapshot::from_plain(json.as_bytes()).unwrap();

        assert_eq!(snapshot, Snapshot::new("2026-01-02T02:04:05Z".parse().unwrap(), tree));
    }
}
