//! Groups: snapshots of several volumes that appear, and disappear, together.
//!
//! The members are cut one right after the other; btrfs has no cut across subvolumes.

use super::record::{self, Group, GroupRecord, Snapshot};
use super::{Pool, RECORD, names};
use crate::error::Error;
use crate::ids::{GroupId, Handle, SnapshotId, VolumeId};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The directory of a group's members, within the group's directory.
pub(super) const MEMBERS: &str = "members";

/// A group to cut.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// The name; the id comes from it.
    pub name: String,
    /// The volumes to cut it from, at least one.
    pub sources: Vec<VolumeId>,
    /// The request's parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Pool {
    /// Cuts a group, or returns the one that an equal request cut before.
    pub fn create_group(&self, new: &NewGroup) -> Result<Group, Error> {
        let id = GroupId::from_name(&new.name, self.naming);
        let mut sources = new.sources.clone();
        sources.sort();
        sources.dedup();
        if let Some(existing) = self.find_group(&id)? {
            return same_group(new, &sources, existing);
        }
        let now = self.clock.now();
        let mut members = Vec::new();
        for source in &sources {
            let record = self.describe_cut(&new.name, source, &new.parameters, now)?;
            members.push(Snapshot { id: SnapshotId::member(&id, source), record });
        }
        let record = GroupRecord { name: new.name.clone(), sources: sources.clone(), created: now };
        let first = self.publish(&self.part("groups", &id), |stage| {
            for member in &members {
                let home = stage.join(MEMBERS).join(member.id.as_ref());
                fs::create_dir_all(&home).map_err(Error::io("creating", &home))?;
                self.cut(&home, &member.record)?;
            }
            record::write(&stage.join(RECORD), &record)
        })?;
        if first { Ok(Group { id, record, members }) } else { same_group(new, &sources, self.group(&id)?) }
    }

    /// Deletes a group with its members; absent is fine. `named` must be the members, or empty.
    pub fn delete_group(&self, id: &GroupId, named: &[SnapshotId]) -> Result<(), Error> {
        let Some(group) = self.find_group(id)? else { return Ok(()) };
        check_members(&group, named)?;
        self.retire(&self.part("groups", id))
    }

    /// A group that must exist, whose members are those `named`, or any when none is named.
    pub fn group_with(&self, id: &GroupId, named: &[SnapshotId]) -> Result<Group, Error> {
        let group = self.group(id)?;
        check_members(&group, named)?;
        Ok(group)
    }

    /// A group that must exist.
    pub fn group(&self, id: &GroupId) -> Result<Group, Error> {
        self.find_group(id)?.ok_or_else(|| Error::NotFound { what: "group snapshot", id: id.to_string() })
    }

    /// A group that may exist.
    pub fn find_group(&self, id: &GroupId) -> Result<Option<Group>, Error> {
        let Some(record) = record::read::<GroupRecord>(&self.part("groups", id).join(RECORD))? else {
            return Ok(None);
        };
        let mut members = Vec::new();
        for name in names(&self.members(id))? {
            if let Handle::Ours(member) = SnapshotId::parse(&name)? {
                members.extend(self.find_snapshot(&member)?);
            }
        }
        Ok(Some(Group { id: id.clone(), record, members }))
    }

    pub(super) fn members(&self, group: &GroupId) -> PathBuf {
        self.part("groups", group).join(MEMBERS)
    }
}

fn check_members(group: &Group, named: &[SnapshotId]) -> Result<(), Error> {
    let mut named = named.to_vec();
    named.sort();
    if named.is_empty() || group.members.iter().map(|m| &m.id).eq(&named) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the snapshots in the request are not the members of group snapshot {}",
        group.id
    )))
}

fn same_group(new: &NewGroup, sources: &[VolumeId], existing: Group) -> Result<Group, Error> {
    if existing.record.sources == sources && existing.record.name == new.name {
        return Ok(existing);
    }
    Err(Error::Taken {
        what: "group snapshot",
        name: new.name.clone(),
        difference: "other source volumes".to_owned(),
    })
}
