//! Snapshots: cut from a volume, found, listed, deleted.

use super::record::{self, Snapshot, SnapshotRecord};
use super::{Pool, RECORD, TREE, names};
use crate::btrfs::{self, Access};
use crate::error::Error;
use crate::ids::{GroupId, Handle, SnapshotId, VolumeId};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A snapshot to cut.
#[derive(Debug, Clone)]
pub struct NewSnapshot {
    /// The name; the id comes from it.
    pub name: String,
    /// The volume to cut it from.
    pub source: VolumeId,
    /// The request's parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Pool {
    /// Cuts a snapshot, or returns the one that an equal request cut before.
    pub fn create_snapshot(&self, new: &NewSnapshot) -> Result<Snapshot, Error> {
        let id = SnapshotId::from_name(&new.name, self.naming);
        if let Some(existing) = self.find_snapshot(&id)? {
            return same_snapshot(new, existing);
        }
        let record = self.describe_cut(&new.name, &new.source, &new.parameters, self.clock.now())?;
        let first = self.publish(&self.part("snapshots", &id), |stage| self.cut(stage, &record))?;
        if first { Ok(Snapshot { id, record }) } else { same_snapshot(new, self.snapshot(&id)?) }
    }

    /// Deletes a snapshot; absent is fine. A member of a group goes only with its group.
    pub fn delete_snapshot(&self, id: &SnapshotId) -> Result<(), Error> {
        match id.group() {
            None => self.retire(&self.part("snapshots", id)),
            Some(_) if self.find_snapshot(id)?.is_none() => Ok(()),
            Some(group) => Err(Error::Invalid(format!(
                "snapshot {id} is a member of group snapshot {group}; delete the group instead"
            ))),
        }
    }

    /// A snapshot that must exist.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot, Error> {
        self.find_snapshot(id)?.ok_or_else(|| Error::NotFound { what: "snapshot", id: id.to_string() })
    }

    /// A snapshot that may exist.
    pub fn find_snapshot(&self, id: &SnapshotId) -> Result<Option<Snapshot>, Error> {
        let record = record::read(&self.snapshot_home(id).join(RECORD))?;
        Ok(record.map(|record| Snapshot { id: id.clone(), record }))
    }

    /// Every snapshot, members of groups included, sorted by id.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        let mut snapshots = Vec::new();
        for name in names(&self.root.join("groups"))? {
            if let Handle::Ours(id) = GroupId::parse(&name)? {
                snapshots.extend(self.find_group(&id)?.map(|group| group.members).unwrap_or_default());
            }
        }
        for name in names(&self.root.join("snapshots"))? {
            if let Handle::Ours(id) = SnapshotId::parse(&name)? {
                snapshots.extend(self.find_snapshot(&id)?);
            }
        }
        Ok(snapshots)
    }

    /// The read-only subvolume that holds a snapshot.
    pub fn snapshot_tree(&self, id: &SnapshotId) -> PathBuf {
        self.snapshot_home(id).join(TREE)
    }

    fn snapshot_home(&self, id: &SnapshotId) -> PathBuf {
        match id.group() {
            None => self.part("snapshots", id),
            Some(group) => self.members(&group).join(id.as_ref()),
        }
    }

    /// What will be written beside a snapshot of `source` cut now.
    pub(super) fn describe_cut(
        &self,
        name: &str,
        source: &VolumeId,
        parameters: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<SnapshotRecord, Error> {
        let volume = self.volume(source)?.record;
        Ok(SnapshotRecord {
            name: name.to_owned(),
            source: source.clone(),
            kind: volume.kind,
            size: volume.capacity,
            parameters: parameters.clone(),
            created: now,
        })
    }

    /// Cuts the snapshot that `record` describes into the directory `home`.
    pub(super) fn cut(&self, home: &Path, record: &SnapshotRecord) -> Result<(), Error> {
        let source = self.volume_tree(&record.source);
        match btrfs::snapshot(&source, &home.join(TREE), Access::ReadOnly) {
            Ok(()) => record::write(&home.join(RECORD), record),
            // The volume may have been deleted since it was looked up.
            Err(error) => self.volume(&record.source).and(Err(error)),
        }
    }
}

fn same_snapshot(new: &NewSnapshot, existing: Snapshot) -> Result<Snapshot, Error> {
    if existing.record.source == new.source && existing.record.name == new.name {
        return Ok(existing);
    }
    Err(Error::Taken {
        what: "snapshot",
        name: new.name.clone(),
        difference: format!("the source volume {}", existing.record.source),
    })
}
