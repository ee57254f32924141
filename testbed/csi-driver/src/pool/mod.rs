//! The pool: one directory on btrfs that holds every volume and snapshot of one driver name.
//!
//! ```text
//! <pool>/<driver>/volumes/<id>/{record.json,tree}              tree: a subvolume
//! <pool>/<driver>/snapshots/<id>/{record.json,tree}            tree: a read-only subvolume
//! <pool>/<driver>/groups/<id>/{record.json,members/<id>/…}     members: like snapshots
//! <pool>/<driver>/staging/                                     being made, being deleted
//! ```
//!
//! Everything is built in `staging` and appears with one rename, and disappears with one. So the
//! drivers of two clusters can work on one pool with no lock between them: whoever renames first
//! has created the object, the other finds it.

mod groups;
mod record;
mod snapshots;
mod volumes;

pub use groups::NewGroup;
pub use record::{Group, GroupRecord, Kind, Snapshot, SnapshotRecord, Source, Volume, VolumeRecord};
pub use snapshots::NewSnapshot;
pub use volumes::{Asked, NewVolume};

use crate::btrfs;
use crate::error::Error;
use crate::ids::Naming;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use telemetry::Clock;

/// One driver's part of a pool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pool {
    root: PathBuf,
    naming: Naming,
    clock: Arc<dyn Clock>,
}

/// The name of the record in every object's directory.
const RECORD: &str = "record.json";
/// The name of the subvolume in every volume's and snapshot's directory.
const TREE: &str = "tree";
/// The file that holds a block volume's bytes, within its subvolume.
const DISK: &str = "disk.img";

impl Pool {
    /// Opens the part of `pool` that belongs to the driver named `driver`, creating it when missing,
    /// switches quotas on and sweeps what an interrupted deletion left.
    pub fn open(pool: &Path, driver: &str, naming: Naming, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        if driver.is_empty() || driver.starts_with('.') || !driver.bytes().all(plain) {
            return Err(Error::Invalid(format!(
                "{driver:?} cannot be a driver name: use letters, digits, - and ."
            )));
        }
        let pool = pool.canonicalize().map_err(Error::io("opening the pool", pool))?;
        btrfs::enable_quota(&pool)?;
        let opened = Self { root: pool.join(driver), naming, clock };
        for part in ["volumes", "snapshots", "groups", "staging"] {
            let part = opened.root.join(part);
            fs::create_dir_all(&part).map_err(Error::io("creating", part))?;
        }
        opened.sweep()?;
        Ok(opened)
    }

    /// The size of the file system below the pool, in bytes.
    pub fn total_bytes(&self) -> Result<u64, Error> {
        let stat =
            rustix::fs::statvfs(&self.root).map_err(|e| Error::io("measuring", &self.root)(e.into()))?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    /// What is free in the file system below the pool, in bytes.
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let stat =
            rustix::fs::statvfs(&self.root).map_err(|e| Error::io("measuring", &self.root)(e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn part(&self, part: &str, id: impl AsRef<str>) -> PathBuf {
        self.root.join(part).join(id.as_ref())
    }

    /// Makes a fresh directory to build an object in.
    fn stage(&self) -> Result<PathBuf, Error> {
        let stage = self.root.join("staging").join(format!("new-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&stage).map_err(Error::io("creating", &stage))?;
        Ok(stage)
    }

    /// Builds an object in a staging directory with `build` and lets it appear at `at` with one rename.
    /// Says `false`, and leaves no trace, when something is there already.
    fn publish(&self, at: &Path, build: impl FnOnce(&Path) -> Result<(), Error>) -> Result<bool, Error> {
        let stage = self.stage()?;
        let built = build(&stage).and_then(|()| match fs::rename(&stage, at) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
                Ok(false)
            }
            Err(source) => Err(Error::Io { doing: "publishing", path: at.to_owned(), source }),
        });
        match built {
            Ok(true) => Ok(true),
            Ok(false) => destroy(&stage).map(|()| false),
            Err(error) => {
                if let Err(left) = destroy(&stage) {
                    tracing::warn!(error = %left, "an unfinished object stays in staging");
                }
                Err(error)
            }
        }
    }

    /// Lets the object at `at` disappear with one rename, then frees what it held. Absent is fine.
    fn retire(&self, at: &Path) -> Result<(), Error> {
        let gone = self.root.join("staging").join(format!("gone-{}", uuid::Uuid::new_v4()));
        match fs::rename(at, &gone) {
            Ok(()) => destroy(&gone),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(Error::Io { doing: "retiring", path: at.to_owned(), source }),
        }
    }

    /// Frees what deletions interrupted by a kill left. Objects under construction are spared: they
    /// may be another driver's.
    fn sweep(&self) -> Result<(), Error> {
        for name in names(&self.root.join("staging"))? {
            if name.starts_with("gone-")
                && let Err(error) = destroy(&self.root.join("staging").join(&name))
            {
                tracing::warn!(%error, name, "left over in staging; another driver may be deleting it");
            }
        }
        Ok(())
    }
}

/// The names of a directory's entries, sorted; none when another driver has just deleted it.
fn names(of: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(of) {
        Ok(entries) => entries,
        Err(gone) if gone.kind() == ErrorKind::NotFound => return Ok(names),
        Err(source) => return Err(Error::Io { doing: "listing", path: of.to_owned(), source }),
    };
    for entry in entries {
        let entry = entry.map_err(Error::io("listing", of))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Deletes an object's directory: first the subvolumes in it, then the rest.
fn destroy(directory: &Path) -> Result<(), Error> {
    let tree = directory.join(TREE);
    if tree.exists() {
        btrfs::delete_subvolume(&tree)?;
    }
    let members = directory.join(groups::MEMBERS);
    if members.exists() {
        for member in names(&members)? {
            destroy(&members.join(member))?;
        }
    }
    fs::remove_dir_all(directory).map_err(Error::io("deleting", directory))
}
