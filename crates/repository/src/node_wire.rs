//! Directory entries as JSON: restic's field names, order and omissions.

use crate::node::check_name;
use crate::snapshot::null_as_default;
use crate::{
    BlobId, ExtendedAttribute, FileContent, FileMode, FormatError, GenericAttributes, Metadata, Node,
    NodeKind, TreeId, quote, unquote,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// One entry in the shape of the JSON. The order of the fields is the order in the file.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireNode<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "FileMode::is_zero")]
    mode: FileMode,
    #[serde(with = "crate::time", default = "zero_time")]
    mtime: Timestamp,
    #[serde(with = "crate::time", default = "zero_time")]
    atime: Timestamp,
    #[serde(with = "crate::time", default = "zero_time")]
    ctime: Timestamp,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default, borrow, skip_serializing_if = "str::is_empty")]
    user: Cow<'a, str>,
    #[serde(default, borrow, skip_serializing_if = "str::is_empty")]
    group: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_zero")]
    inode: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    device_id: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    links: u64,
    #[serde(default, borrow, skip_serializing_if = "str::is_empty")]
    linktarget: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    linktarget_raw: Option<Base64<'a>>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    extended_attributes: Vec<WireAttribute<'a>>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "no_attributes")]
    generic_attributes: Cow<'a, GenericAttributes>,
    #[serde(default, skip_serializing_if = "is_zero")]
    device: u64,
    #[serde(default)]
    content: Option<Cow<'a, [BlobId]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subtree: Option<TreeId>,
    #[serde(default, borrow, skip_serializing_if = "str::is_empty")]
    error: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct WireAttribute<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, deserialize_with = "null_as_default")]
    value: Base64<'a>,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

fn no_attributes(attributes: &GenericAttributes) -> bool {
    attributes.0.is_empty()
}

fn zero_time() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

impl<'a> From<&'a Node> for WireNode<'a> {
    fn from(node: &'a Node) -> Self {
        let meta = &node.meta;
        let mut wire = WireNode {
            name: quote(&node.name).into(),
            kind: "".into(),
            mode: meta.mode,
            mtime: meta.mtime,
            atime: meta.atime,
            ctime: meta.ctime,
            uid: meta.uid,
            gid: meta.gid,
            user: meta.user.as_str().into(),
            group: meta.group.as_str().into(),
            inode: meta.inode,
            device_id: meta.device_id,
            size: 0,
            links: meta.links,
            linktarget: "".into(),
            linktarget_raw: None,
            extended_attributes: meta.extended_attributes.iter().map(WireAttribute::from).collect(),
            generic_attributes: Cow::Borrowed(&meta.generic_attributes),
            device: 0,
            content: None,
            subtree: None,
            error: meta.error.as_str().into(),
        };
        wire.set_kind(&node.kind);
        wire
    }
}

impl<'a> WireNode<'a> {
    fn set_kind(&mut self, kind: &'a NodeKind) {
        self.kind = match kind {
            NodeKind::File(content) => {
                self.size = content.size;
                self.content = Some(Cow::Borrowed(&content.ids));
                "file".into()
            }
            NodeKind::Dir { subtree } => {
                self.subtree = *subtree;
                "dir".into()
            }
            NodeKind::Symlink { target } => {
                self.linktarget = String::from_utf8_lossy(target);
                if matches!(self.linktarget, Cow::Owned(_)) {
                    self.linktarget = go_replacements(target).into();
                    self.linktarget_raw = Some(Base64(target.into()));
                }
                "symlink".into()
            }
            NodeKind::BlockDevice { device } => {
                self.device = *device;
                "dev".into()
            }
            NodeKind::CharDevice { device } => {
                self.device = *device;
                "chardev".into()
            }
            NodeKind::Fifo => "fifo".into(),
            NodeKind::Socket => "socket".into(),
            NodeKind::Other(name) => name.as_str().into(),
        };
    }
}

/// Go replaces each byte that is not UTF-8 by one replacement character.
fn go_replacements(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    out
}

impl TryFrom<WireNode<'_>> for Node {
    type Error = FormatError;

    fn try_from(wire: WireNode<'_>) -> Result<Self, FormatError> {
        let name = unquote(&wire.name)?;
        check_name(&name)?;
        let kind = match wire.kind.as_ref() {
            "file" => NodeKind::File(FileContent {
                ids: wire.content.map(Cow::into_owned).unwrap_or_default(),
                size: wire.size,
            }),
            "dir" => NodeKind::Dir { subtree: wire.subtree },
            "symlink" => NodeKind::Symlink {
                target: match wire.linktarget_raw {
                    Some(raw) => raw.0.into_owned(),
                    None => wire.linktarget.into_owned().into_bytes(),
                },
            },
            "dev" => NodeKind::BlockDevice { device: wire.device },
            "chardev" => NodeKind::CharDevice { device: wire.device },
            "fifo" => NodeKind::Fifo,
            "socket" => NodeKind::Socket,
            other => NodeKind::Other(other.to_owned()),
        };
        let attribute = |wire: WireAttribute<'_>| ExtendedAttribute {
            name: wire.name.into_owned(),
            value: wire.value.0.into_owned(),
        };
        let meta = Metadata {
            mode: wire.mode,
            mtime: wire.mtime,
            atime: wire.atime,
            ctime: wire.ctime,
            uid: wire.uid,
            gid: wire.gid,
            user: wire.user.into_owned(),
            group: wire.group.into_owned(),
            inode: wire.inode,
            device_id: wire.device_id,
            links: wire.links,
            extended_attributes: wire.extended_attributes.into_iter().map(attribute).collect(),
            generic_attributes: wire.generic_attributes.into_owned(),
            error: wire.error.into_owned(),
        };
        Ok(Self { name, kind, meta })
    }
}

impl<'a> From<&'a ExtendedAttribute> for WireAttribute<'a> {
    fn from(attribute: &'a ExtendedAttribute) -> Self {
        Self { name: attribute.name.as_str().into(), value: Base64(attribute.value.as_slice().into()) }
    }
}

/// Bytes as base64 text.
#[derive(Default)]
struct Base64<'a>(Cow<'a, [u8]>);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        BASE64_STANDARD
            .decode(text.as_bytes())
            .map(|bytes| Self(bytes.into()))
            .map_err(serde::de::Error::custom)
    }
}
