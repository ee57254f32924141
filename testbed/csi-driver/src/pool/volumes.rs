//! Volumes: created empty, from a snapshot or from another volume; grown; deleted.

use super::record::{self, Kind, Source, Volume, VolumeRecord};
use super::{DISK, Pool, RECORD, TREE, names};
use crate::btrfs::{self, Access};
use crate::error::Error;
use crate::ids::{Handle, VolumeId};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The size of a volume when the request asks for none: 1 GiB.
const DEFAULT_BYTES: u64 = 1 << 30;
/// Sizes are rounded up to whole blocks of this many bytes.
const BLOCK_BYTES: u64 = 4096;

/// The size range of a create or expand request, in bytes; zero means "not given".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// At least this.
    pub required: u64,
    /// At most this.
    pub limit: u64,
}

impl Asked {
    /// The size to give: at least what is asked and `least`, in whole blocks, within the limit and the pool.
    pub fn size(self, least: u64, pool: u64) -> Result<u64, Error> {
        if self.limit != 0 && self.limit < self.required {
            return Err(Error::Invalid(format!(
                "the limit of {} bytes is below the required {} bytes",
                self.limit, self.required
            )));
        }
        let default = if least == 0 { DEFAULT_BYTES } else { least };
        let wanted = match (self.required, self.limit) {
            (0, 0) => default,
            (0, limit) => default.min(limit).max(least),
            (required, _) => required,
        };
        if wanted < least {
            return Err(Error::OutOfRange(format!(
                "{wanted} bytes cannot hold the source's {least} bytes; ask for at least as much"
            )));
        }
        let size = wanted.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES);
        if self.limit != 0 && size > self.limit {
            return Err(Error::OutOfRange(format!(
                "{size} bytes, in whole blocks, exceed the limit of {} bytes",
                self.limit
            )));
        }
        if size > pool {
            return Err(Error::OutOfRange(format!("{size} bytes exceed the pool's {pool} bytes")));
        }
        Ok(size)
    }

    /// Whether an existing volume of `capacity` bytes is what was asked for.
    fn admits(self, capacity: u64) -> bool {
        let blocks = |bytes: u64| bytes.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES);
        if self.required == 0 && self.limit == 0 {
            return true;
        }
        capacity >= self.required
            && (self.limit == 0 || capacity <= self.limit)
            && (self.limit != 0 || capacity == blocks(self.required))
    }
}

/// A volume to create.
#[derive(Debug, Clone)]
pub struct NewVolume {
    /// The name; the id comes from it.
    pub name: String,
    /// How it will be used.
    pub kind: Kind,
    /// How big.
    pub asked: Asked,
    /// Where its first content comes from.
    pub source: Option<Source>,
    /// The request's parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Pool {
    /// Creates a volume, or returns the one that an equal request created before.
    pub fn create_volume(&self, new: &NewVolume) -> Result<Volume, Error> {
        let id = VolumeId::from_name(&new.name, self.naming);
        if let Some(existing) = self.find_volume(&id)? {
            return same_volume(new, existing);
        }
        let origin = self.origin(new)?;
        let least = origin.as_ref().map_or(0, |origin| origin.bytes);
        let capacity = new.asked.size(least, self.total_bytes()?)?;
        let record = VolumeRecord {
            name: new.name.clone(),
            kind: new.kind,
            capacity,
            source: new.source.clone(),
            parameters: new.parameters.clone(),
            created: self.clock.now(),
        };
        let first = self.publish(&self.part("volumes", &id), |stage| {
            let tree = stage.join(TREE);
            match &origin {
                None => btrfs::create_subvolume(&tree)?,
                Some(origin) => btrfs::snapshot(&origin.tree, &tree, Access::Writable)?,
            }
            fit(&tree, new.kind, capacity)?;
            record::write(&stage.join(RECORD), &record)
        })?;
        if first { Ok(Volume { id, record }) } else { same_volume(new, self.volume(&id)?) }
    }

    /// Deletes a volume; absent is fine. The caller has checked that nothing uses it.
    pub fn delete_volume(&self, id: &VolumeId) -> Result<(), Error> {
        self.retire(&self.part("volumes", id))
    }

    /// Grows a volume to what is asked; one that is big enough stays as it is.
    pub fn expand_volume(&self, id: &VolumeId, asked: Asked) -> Result<Volume, Error> {
        let mut volume = self.volume(id)?;
        let wanted = asked.size(0, self.total_bytes()?)?;
        if asked.limit != 0 && volume.record.capacity > asked.limit {
            return Err(Error::OutOfRange(format!(
                "the volume has {} bytes already, more than the limit of {}; volumes never shrink",
                volume.record.capacity, asked.limit
            )));
        }
        if wanted > volume.record.capacity {
            fit(&self.volume_tree(id), volume.record.kind, wanted)?;
            volume.record.capacity = wanted;
            record::write(&self.part("volumes", id).join(RECORD), &volume.record)?;
        }
        Ok(volume)
    }

    /// A volume that must exist.
    pub fn volume(&self, id: &VolumeId) -> Result<Volume, Error> {
        self.find_volume(id)?.ok_or_else(|| Error::NotFound { what: "volume", id: id.to_string() })
    }

    /// A volume that may exist.
    pub fn find_volume(&self, id: &VolumeId) -> Result<Option<Volume>, Error> {
        let record = record::read(&self.part("volumes", id).join(RECORD))?;
        Ok(record.map(|record| Volume { id: id.clone(), record }))
    }

    /// Every volume, sorted by id.
    pub fn volumes(&self) -> Result<Vec<Volume>, Error> {
        let mut volumes = Vec::new();
        for name in names(&self.root.join("volumes"))? {
            if let Handle::Ours(id) = VolumeId::parse(&name)? {
                volumes.extend(self.find_volume(&id)?);
            }
        }
        Ok(volumes)
    }

    /// The subvolume that holds a volume's files.
    pub fn volume_tree(&self, id: &VolumeId) -> PathBuf {
        self.part("volumes", id).join(TREE)
    }

    /// The file that holds a block volume's bytes.
    pub fn volume_disk(&self, id: &VolumeId) -> PathBuf {
        self.volume_tree(id).join(DISK)
    }

    /// Looks up where a new volume's content comes from and whether it fits the request.
    fn origin(&self, new: &NewVolume) -> Result<Option<Origin>, Error> {
        let origin = match &new.source {
            None => return Ok(None),
            Some(Source::Volume(id)) => {
                let source = self.volume(id)?.record;
                Origin { tree: self.volume_tree(id), bytes: source.capacity, kind: source.kind }
            }
            Some(Source::Snapshot(id)) => {
                let source = self.snapshot(id)?.record;
                Origin { tree: self.snapshot_tree(id), bytes: source.size, kind: source.kind }
            }
        };
        if origin.kind != new.kind {
            return Err(Error::Invalid(format!(
                "the source is a {:?} volume, the request wants a {:?} volume; ask for the same volume mode",
                origin.kind, new.kind
            )));
        }
        Ok(Some(origin))
    }
}

struct Origin {
    tree: PathBuf,
    bytes: u64,
    kind: Kind,
}

/// Gives a subvolume its size: a quota for files, the length of the disk file for a device. A device
/// has no quota: overwritten extents would count twice and fail writes that fit.
fn fit(tree: &Path, kind: Kind, capacity: u64) -> Result<(), Error> {
    match kind {
        Kind::Filesystem => btrfs::limit(tree, Some(capacity)),
        Kind::Block => {
            let disk = tree.join(DISK);
            let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&disk);
            file.and_then(|file| file.set_len(capacity)).map_err(Error::io("sizing", disk))
        }
    }
}

fn same_volume(new: &NewVolume, existing: Volume) -> Result<Volume, Error> {
    let has = &existing.record;
    let difference = if has.name != new.name {
        Some(format!("the name {:?}", has.name))
    } else if has.kind != new.kind {
        Some(format!("the kind {:?}", has.kind))
    } else if has.source != new.source {
        Some(format!("the source {:?}", has.source))
    } else if !new.asked.admits(has.capacity) {
        Some(format!("{} bytes", has.capacity))
    } else {
        None
    };
    match difference {
        None => Ok(existing),
        Some(difference) => Err(Error::Taken { what: "volume", name: new.name.clone(), difference }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn sizes_follow_the_request_the_source_and_the_pool() {
        let asked = |required, limit| Asked { required, limit };

        assert_eq!(asked(0, 0).size(0, 9 * GIB).unwrap(), GIB);
        assert_eq!(asked(0, 8192).size(0, 9 * GIB).unwrap(), 8192);
        assert_eq!(asked(1, 0).size(0, 9 * GIB).unwrap(), 4096);
        assert_eq!(asked(0, 0).size(2 * GIB, 9 * GIB).unwrap(), 2 * GIB);
        assert_eq!(asked(3 * GIB, 0).size(2 * GIB, 9 * GIB).unwrap(), 3 * GIB);
        assert!(matches!(asked(GIB, 0).size(2 * GIB, 9 * GIB), Err(Error::OutOfRange(_))));
        assert!(matches!(asked(10 * GIB, 0).size(0, 9 * GIB), Err(Error::OutOfRange(_))));
        assert!(matches!(asked(1, 2).size(0, 9 * GIB), Err(Error::OutOfRange(_))));
        assert!(matches!(asked(2, 1).size(0, 9 * GIB), Err(Error::Invalid(_))));
        assert!(matches!(asked(0, GIB).size(2 * GIB, 9 * GIB), Err(Error::OutOfRange(_))));
    }

    #[test]
    fn a_repeated_request_admits_only_what_it_would_have_created() {
        let asked = |required, limit| Asked { required, limit };

        assert!(asked(0, 0).admits(5 * GIB));
        assert!(asked(GIB, 0).admits(GIB));
        assert!(!asked(2 * GIB, 0).admits(GIB));
        assert!(!asked(GIB, 0).admits(2 * GIB));
        assert!(asked(GIB, 3 * GIB).admits(2 * GIB));
        assert!(!asked(0, GIB).admits(2 * GIB));
    }
}
