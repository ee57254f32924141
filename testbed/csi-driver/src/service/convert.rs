//! Translates CSI's messages into the driver's types and back.

use crate::error::Error;
use crate::ids::{Handle, SnapshotId, VolumeId};
use crate::pool::{self, Asked, Kind, Source};
use crate::proto::csi::volume_capability::AccessType;
use crate::proto::csi::volume_capability::access_mode::Mode;
use crate::proto::csi::volume_content_source::{self, SnapshotSource, Type, VolumeSource};
use crate::proto::csi::{self, CapacityRange, VolumeCapability, VolumeContentSource};
use crate::publish::Sharing;
use jiff::Timestamp;
use rustix::mount::MountFlags;

/// What a volume capability asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    pub kind: Kind,
    pub sharing: Sharing,
    pub flags: MountFlags,
}

/// Understands one capability.
pub fn capability(from: Option<&VolumeCapability>) -> Result<Capability, Error> {
    let missing = |what: &str| Error::Invalid(format!("the volume capability lacks {what}"));
    let from = from.ok_or_else(|| Error::Invalid("the volume capability is missing".to_owned()))?;
    let mode = from.access_mode.as_ref().ok_or_else(|| missing("an access mode"))?.mode();
    let (sharing, mut flags) = match mode {
        Mode::Unknown => return Err(missing("a known access mode")),
        Mode::SingleNodeSingleWriter => (Sharing::One, MountFlags::empty()),
        Mode::SingleNodeReaderOnly | Mode::MultiNodeReaderOnly => (Sharing::Many, MountFlags::RDONLY),
        Mode::SingleNodeWriter
        | Mode::SingleNodeMultiWriter
        | Mode::MultiNodeSingleWriter
        | Mode::MultiNodeMultiWriter => (Sharing::Many, MountFlags::empty()),
    };
    let kind = match from.access_type.as_ref().ok_or_else(|| missing("an access type"))? {
        AccessType::Block(_) => Kind::Block,
        AccessType::Mount(mount) => {
            if !matches!(mount.fs_type.as_str(), "" | "btrfs") {
                return Err(Error::Invalid(format!(
                    "the file system {:?} cannot be had; leave it out or ask for btrfs",
                    mount.fs_type
                )));
            }
            for flag in &mount.mount_flags {
                flags |= mount_flag(flag)?;
            }
            Kind::Filesystem
        }
    };
    Ok(Capability { kind, sharing, flags })
}

/// Understands all capabilities of a request; they must agree on the kind.
pub fn capabilities(from: &[VolumeCapability]) -> Result<Kind, Error> {
    let mut kinds = from.iter().map(|one| capability(Some(one)).map(|one| one.kind));
    let first =
        kinds.next().unwrap_or_else(|| Err(Error::Invalid("no volume capability is given".to_owned())))?;
    for kind in kinds {
        if kind? != first {
            return Err(Error::Invalid("a volume cannot be files and a device at once".to_owned()));
        }
    }
    Ok(first)
}

/// Understands a size range; nothing given means all zero.
pub fn asked(from: Option<&CapacityRange>) -> Result<Asked, Error> {
    let Some(range) = from else { return Ok(Asked::default()) };
    let positive = |bytes: i64| {
        u64::try_from(bytes).map_err(|_| Error::OutOfRange(format!("{bytes} bytes is less than nothing")))
    };
    Ok(Asked { required: positive(range.required_bytes)?, limit: positive(range.limit_bytes)? })
}

/// Understands where a new volume's content shall come from.
pub fn source(from: Option<&VolumeContentSource>) -> Result<Option<Source>, Error> {
    match from.map(|source| &source.r#type) {
        None => Ok(None),
        Some(None) => Err(Error::Invalid("the content source is empty".to_owned())),
        Some(Some(Type::Snapshot(SnapshotSource { snapshot_id }))) => {
            SnapshotId::parse(snapshot_id)?.or_not_found("snapshot").map(Source::Snapshot).map(Some)
        }
        Some(Some(Type::Volume(VolumeSource { volume_id }))) => {
            volume_id_of(volume_id).map(Source::Volume).map(Some)
        }
    }
}

/// Understands the id of a volume that must exist.
pub fn volume_id_of(text: &str) -> Result<VolumeId, Error> {
    VolumeId::parse(text)?.or_not_found("volume")
}

/// Understands the ids of snapshots; a foreign one is an error.
pub fn snapshot_ids(texts: &[String]) -> Result<Vec<SnapshotId>, Error> {
    texts
        .iter()
        .map(|text| match SnapshotId::parse(text)? {
            Handle::Ours(id) => Ok(id),
            Handle::Foreign(id) => {
                Err(Error::Invalid(format!("snapshot {id:?} is not one of this driver's")))
            }
        })
        .collect()
}

/// A name that a create request must carry.
pub fn name(text: String) -> Result<String, Error> {
    if text.is_empty() { Err(Error::Invalid("the name is missing".to_owned())) } else { Ok(text) }
}

/// A volume as CSI shows it.
pub fn volume(volume: pool::Volume) -> csi::Volume {
    let content = volume.record.source.map(|source| match source {
        Source::Snapshot(id) => Type::Snapshot(SnapshotSource { snapshot_id: id.to_string() }),
        Source::Volume(id) => Type::Volume(volume_content_source::VolumeSource { volume_id: id.to_string() }),
    });
    csi::Volume {
        capacity_bytes: bytes(volume.record.capacity),
        volume_id: volume.id.to_string(),
        content_source: content.map(|content| VolumeContentSource { r#type: Some(content) }),
        ..csi::Volume::default()
    }
}

/// A snapshot as CSI shows it.
pub fn snapshot(snapshot: pool::Snapshot, ready: bool) -> csi::Snapshot {
    csi::Snapshot {
        size_bytes: bytes(snapshot.record.size),
        group_snapshot_id: snapshot.id.group().map(|id| id.to_string()).unwrap_or_default(),
        snapshot_id: snapshot.id.to_string(),
        source_volume_id: snapshot.record.source.to_string(),
        creation_time: Some(time(snapshot.record.created)),
        ready_to_use: ready,
        ..csi::Snapshot::default()
    }
}

/// A time as CSI shows it.
pub fn time(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// A size as CSI shows it.
pub fn bytes(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// One page of a list: what comes after `token`, at most `most` entries (0: all), and the next token.
pub fn page<T>(
    all: Vec<T>,
    id: impl Fn(&T) -> String,
    token: &str,
    most: i32,
) -> Result<(Vec<T>, String), Error> {
    let most = usize::try_from(most)
        .map_err(|_| Error::Invalid(format!("a page of {most} entries is impossible")))?;
    let after = match token {
        "" => None,
        token => Some(token.strip_prefix("after:").ok_or_else(|| Error::Token(token.to_owned()))?),
    };
    let mut rest: Vec<T> =
        all.into_iter().filter(|one| after.is_none_or(|after| *id(one) > *after)).collect();
    if most == 0 || rest.len() <= most {
        return Ok((rest, String::new()));
    }
    rest.truncate(most);
    let next = rest.last().map(|last| format!("after:{}", id(last))).unwrap_or_default();
    Ok((rest, next))
}

fn mount_flag(flag: &str) -> Result<MountFlags, Error> {
    match flag {
        "rw" => Ok(MountFlags::empty()),
        "ro" => Ok(MountFlags::RDONLY),
        "noatime" => Ok(MountFlags::NOATIME),
        "nodev" => Ok(MountFlags::NODEV),
        "noexec" => Ok(MountFlags::NOEXEC),
        "nosuid" => Ok(MountFlags::NOSUID),
        other => Err(Error::Invalid(format!(
            "the mount flag {other:?} is not known; use rw, ro, noatime, nodev, noexec or nosuid"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_list() {
        let all = || vec!["a", "b", "c", "d", "e"];
        let id = |one: &&str| (*one).to_owned();

        let (first, token) = page(all(), id, "", 2).unwrap();
        let (second, token_2) = page(all(), id, &token, 2).unwrap();
        let (third, end) = page(all(), id, &token_2, 2).unwrap();

        assert_eq!([first, second, third].concat(), all());
        assert_eq!(end, "");
        assert!(matches!(page(all(), id, "bogus", 2), Err(Error::Token(_))));
    }

    #[test]
    fn a_page_goes_on_although_the_entry_of_its_token_was_deleted() {
        let (rest, _) = page(vec!["a", "c"], |one| (*one).to_owned(), "after:b", 0).unwrap();

        assert_eq!(rest, ["c"]);
    }
}
