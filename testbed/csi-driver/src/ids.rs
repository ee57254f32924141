//! Volume, snapshot and group ids: derived from the name in the request, so that a repeated create finds the first.
//!
//! An id is a fixed prefix and 32 hexadecimal digits. Nothing else ever becomes a path, so an id
//! that arrives from outside cannot leave the pool.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// What a handle from outside turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle<T> {
    /// An id of the form this driver hands out.
    Ours(T),
    /// A harmless string that this driver never handed out: no such object can exist.
    Foreign(String),
}

impl<T> Handle<T> {
    /// The id, or "not found" when this driver cannot have handed the string out.
    pub fn or_not_found(self, what: &'static str) -> Result<T, Error> {
        match self {
            Self::Ours(id) => Ok(id),
            Self::Foreign(text) => Err(Error::NotFound { what, id: text }),
        }
    }
}

/// How ids come from names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Naming {
    /// The same name gives the same id.
    #[default]
    FromName,
    /// Every request gives a new id: a planted defect that csi-sanity must find.
    Random,
}

impl Naming {
    fn digits(self, name: &str) -> String {
        let seed = match self {
            Self::FromName => name.to_owned(),
            Self::Random => uuid::Uuid::new_v4().to_string(),
        };
        let digest = Sha256::digest(seed.as_bytes());
        hex::encode(digest).chars().take(DIGITS).collect()
    }
}

const DIGITS: usize = 32;

/// A volume in the pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VolumeId(String);

/// A snapshot in the pool, either on its own or a member of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(String);

/// A group of snapshots in the pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(String);

impl VolumeId {
    /// The id of the volume that a create request names.
    pub fn from_name(name: &str, naming: Naming) -> Self {
        Self(format!("vol-{}", naming.digits(name)))
    }

    /// Judges a volume id that arrived in a request; refuses one that could be a path.
    pub fn parse(text: &str) -> Result<Handle<Self>, Error> {
        judge(text, "volume", |digits| one("vol-", digits), Self)
    }
}

impl SnapshotId {
    /// The id of the snapshot that a create request names.
    pub fn from_name(name: &str, naming: Naming) -> Self {
        Self(format!("snap-{}", naming.digits(name)))
    }

    /// The id of the member of `group` that was cut from `source`.
    pub fn member(group: &GroupId, source: &VolumeId) -> Self {
        Self(format!("{}.{}", group.0, source.0))
    }

    /// The group this snapshot is a member of, if any: a member's id starts with its group's.
    pub fn group(&self) -> Option<GroupId> {
        self.0.split_once('.').map(|(group, _)| GroupId(group.to_owned()))
    }

    /// Judges a snapshot id that arrived in a request; refuses one that could be a path.
    pub fn parse(text: &str) -> Result<Handle<Self>, Error> {
        let known = |text: &str| {
            one("snap-", text)
                || text
                    .split_once('.')
                    .is_some_and(|(group, source)| one("group-", group) && one("vol-", source))
        };
        judge(text, "snapshot", known, Self)
    }
}

impl GroupId {
    /// The id of the group that a create request names.
    pub fn from_name(name: &str, naming: Naming) -> Self {
        Self(format!("group-{}", naming.digits(name)))
    }

    /// Judges a group id that arrived in a request; refuses one that could be a path.
    pub fn parse(text: &str) -> Result<Handle<Self>, Error> {
        judge(text, "group snapshot", |text| one("group-", text), Self)
    }
}

impl AsRef<str> for VolumeId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SnapshotId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for GroupId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn one(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn judge<T>(
    text: &str,
    what: &'static str,
    known: impl Fn(&str) -> bool,
    make: impl Fn(String) -> T,
) -> Result<Handle<T>, Error> {
    if text.is_empty() {
        return Err(Error::Invalid(format!("the {what} id is missing")));
    }
    if known(text) {
        return Ok(Handle::Ours(make(text.to_owned())));
    }
    let harmless = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if text.len() > 256 || text.contains("..") || !text.bytes().all(harmless) {
        return Err(Error::Invalid(format!("{text:?} cannot be a {what} id")));
    }
    Ok(Handle::Foreign(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_gives_the_same_id_and_parses_back() {
        let id = VolumeId::from_name("pvc-1", Naming::FromName);

        let again = VolumeId::from_name("pvc-1", Naming::FromName);
        let parsed = VolumeId::parse(id.as_ref()).unwrap();

        assert_eq!(id, again);
        assert_eq!(parsed, Handle::Ours(id));
    }

    #[test]
    fn ids_that_could_be_paths_are_refused() {
        for hostile in
            ["../etc", "a/b", "..", "vol-..", "vol-00000000000000000000000000000000/../x", "a\0b", ""]
        {
            let verdicts = [
                VolumeId::parse(hostile).map(|_| ()),
                SnapshotId::parse(hostile).map(|_| ()),
                GroupId::parse(hostile).map(|_| ()),
            ];

            assert!(verdicts.iter().all(|v| matches!(v, Err(Error::Invalid(_)))), "{hostile:?} got through");
        }
    }

    #[test]
    fn a_harmless_unknown_id_is_foreign() {
        let verdict = SnapshotId::parse("reallyfakesnapshotid").unwrap();

        assert_eq!(verdict, Handle::Foreign("reallyfakesnapshotid".to_owned()));
    }

    #[test]
    fn a_member_knows_its_group() {
        let group = GroupId::from_name("g", Naming::FromName);
        let member = SnapshotId::member(&group, &VolumeId::from_name("v", Naming::FromName));

        let parsed = SnapshotId::parse(member.as_ref()).unwrap();

        assert_eq!(member.group(), Some(group));
        assert_eq!(parsed, Handle::Ours(member));
        assert_eq!(SnapshotId::from_name("alone", Naming::FromName).group(), None);
    }
}
