//! Entries of a directory: files, folders, links, devices, and everything that is known about them.

use crate::{BlobId, FileMode, FormatError, TreeId, limits};
use jiff::Timestamp;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const WHAT: &str = "a directory entry";

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name: any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// What is known about it.
    pub meta: Metadata,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File(FileContent),
    /// A directory. Stock clients leave the subtree out when they could not read it.
    Dir {
        /// Its entries.
        subtree: Option<TreeId>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points: any bytes.
        target: Vec<u8>,
    },
    /// A block device.
    BlockDevice {
        /// `st_rdev`.
        device: u64,
    },
    /// A character device.
    CharDevice {
        /// `st_rdev`.
        device: u64,
    },
    /// A named pipe.
    Fifo,
    /// A socket. It is listed, and cannot be restored.
    Socket,
    /// Something that only the client that wrote it knows.
    Other(String),
}

/// Where a file's bytes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileContent {
    /// The file's chunks, in order.
    pub ids: Vec<BlobId>,
    /// The file's length in bytes.
    pub size: u64,
}

/// What is known about an entry besides its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// Kind and permissions.
    pub mode: FileMode,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the metadata; cannot be restored.
    pub ctime: Timestamp,
    /// Owner.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// The owner's name, when known.
    pub user: String,
    /// The group's name, when known.
    pub group: String,
    /// Inode number; with `device_id` it tells hard links.
    pub inode: u64,
    /// `st_dev`.
    pub device_id: u64,
    /// Number of hard links.
    pub links: u64,
    /// Extended attributes, ACLs among them.
    pub extended_attributes: Vec<ExtendedAttribute>,
    /// Metadata of other systems; carried, never interpreted.
    pub generic_attributes: GenericAttributes,
    /// What went wrong when the entry was read.
    pub error: String,
}

/// One extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedAttribute {
    /// Its name with the namespace, `user.…` for example.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// Metadata of other systems, by name, as the JSON they were stored as.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct GenericAttributes(pub BTreeMap<String, Box<RawValue>>);

impl PartialEq for GenericAttributes {
    fn eq(&self, other: &Self) -> bool {
        let text = |map: &Self| -> Vec<(String, String)> {
            map.0.iter().map(|(name, value)| (name.clone(), value.get().to_owned())).collect()
        };
        text(self) == text(other)
    }
}

impl Metadata {
    /// Metadata of something that never was on a disk: this mode, this time, owner and group 0.
    pub fn synthetic(mode: FileMode, time: Timestamp) -> Self {
        Self {
            mode,
            mtime: time,
            atime: time,
            ctime: time,
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            inode: 0,
            device_id: 0,
            links: 0,
            extended_attributes: Vec::new(),
            generic_attributes: GenericAttributes::default(),
            error: String::new(),
        }
    }
}

impl Node {
    /// A file that never was on a disk; readable by its owner only.
    pub fn file(name: &str, content: &FileContent, time: Timestamp) -> Self {
        Self {
            name: name.into(),
            kind: NodeKind::File(content.clone()),
            meta: Metadata::synthetic(FileMode::file(0o600), time),
        }
    }

    /// A directory that never was on a disk; open to its owner only.
    pub fn dir(name: &str, subtree: TreeId, time: Timestamp) -> Self {
        Self {
            name: name.into(),
            kind: NodeKind::Dir { subtree: Some(subtree) },
            meta: Metadata::synthetic(FileMode::dir(0o700), time),
        }
    }

    /// The name for people; bytes that are not UTF-8 are replaced.
    pub fn name_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// The file's content, when it is a file.
    pub fn content(&self) -> Option<&FileContent> {
        match &self.kind {
            NodeKind::File(content) => Some(content),
            _ => None,
        }
    }

    /// The directory's tree, when it is a directory that could be read.
    pub fn subtree(&self) -> Option<TreeId> {
        match &self.kind {
            NodeKind::Dir { subtree } => *subtree,
            _ => None,
        }
    }
}

/// Refuses names that could lead a restore out of its directory.
pub(crate) fn check_name(name: &[u8]) -> Result<(), FormatError> {
    if name.len() > limits::NAME {
        return Err(FormatError::too_large("the name of a directory entry", name.len(), limits::NAME));
    }
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.contains(&0) {
        let detail = format!("the name {:?} is not one", String::from_utf8_lossy(name));
        return Err(FormatError::inconsistent(WHAT, detail));
    }
    Ok(())
}
