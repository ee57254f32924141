//! Puts a volume where a pod will find it, and takes it away again.
//!
//! A filesystem volume is a bind mount of its subvolume; a block volume is a bind mount of a loop
//! device's file. Nothing is remembered: what is published is read from the kernel's table of mounts.

use crate::error::Error;
use crate::ids::VolumeId;
use crate::loops;
use crate::mountinfo::Mount;
use crate::pool::{Kind, Pool};
use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// Publishes the volumes of one pool below one kubelet's directory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher {
    pool: Pool,
    kubelet: PathBuf,
}

/// Whether several targets on one node may have the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Any number of targets.
    Many,
    /// One target only (access mode `SINGLE_NODE_SINGLE_WRITER`).
    One,
}

/// How to publish a volume.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which volume.
    pub volume: VolumeId,
    /// Where; below kubelet's directory.
    pub target: PathBuf,
    /// As files or as a device.
    pub kind: Kind,
    /// Whether other targets may have it too.
    pub sharing: Sharing,
    /// Mount flags such as `MountFlags::RDONLY`; only that one means anything for a device.
    pub flags: MountFlags,
}

impl Publisher {
    /// A publisher that touches nothing outside `kubelet`.
    pub fn new(pool: Pool, kubelet: PathBuf) -> Self {
        Self { pool, kubelet }
    }

    /// Publishes a volume; doing so again with the same wish changes nothing.
    pub fn publish(&self, wish: &Wish) -> Result<(), Error> {
        self.check_target(&wish.target)?;
        let volume = self.pool.volume(&wish.volume)?;
        if volume.record.kind != wish.kind {
            return Err(Error::Invalid(format!(
                "volume {} is a {:?} volume, the request wants a {:?} volume",
                wish.volume, volume.record.kind, wish.kind
            )));
        }
        let read_only = wish.flags.contains(MountFlags::RDONLY);
        let mine = self.mounts(&wish.volume)?;
        if let Some(there) = Mount::at(&wish.target)? {
            return match mine.contains(&there) && there.read_only == read_only {
                true => Ok(()),
                false => Err(Error::Taken {
                    what: "mount",
                    name: wish.target.display().to_string(),
                    difference: "another volume or other flags".to_owned(),
                }),
            };
        }
        let elsewhere = mine.iter().find(|mount| mount.target.starts_with(&self.kubelet));
        if let (Sharing::One, Some(other)) = (wish.sharing, elsewhere) {
            return Err(Error::Precondition(format!(
                "volume {} may have one user and is published at {}; stop that pod first",
                wish.volume,
                other.target.display()
            )));
        }
        match wish.kind {
            Kind::Filesystem => {
                fs::create_dir_all(&wish.target).map_err(Error::io("creating", &wish.target))?;
                bind(&self.pool.volume_tree(&wish.volume), &wish.target, wish.flags)
            }
            Kind::Block => {
                create_file(&wish.target)?;
                let device = loops::attach(&self.pool.volume_disk(&wish.volume))?;
                bind(&device, &wish.target, wish.flags & MountFlags::RDONLY)
            }
        }
    }

    /// Takes a volume away from `target`, with its loop device when that was the last user; absent is fine.
    pub fn unpublish(&self, volume: &VolumeId, target: &Path) -> Result<(), Error> {
        self.check_target(target)?;
        while Mount::at(target)?.is_some() {
            unmount(target, UnmountFlags::empty()).map_err(|e| Error::io("unmounting", target)(e.into()))?;
        }
        match fs::symlink_metadata(target) {
            Ok(found) if found.is_dir() => fs::remove_dir(target).map_err(Error::io("removing", target))?,
            Ok(_) => fs::remove_file(target).map_err(Error::io("removing", target))?,
            Err(gone) if gone.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { doing: "looking at", path: target.to_owned(), source }),
        }
        if self.mounts(volume)?.is_empty() {
            for device in loops::attached(&self.pool.volume_disk(volume))? {
                loops::detach(&device)?;
            }
        }
        Ok(())
    }

    /// Whether `volume` is published at `target`.
    pub fn is_at(&self, volume: &VolumeId, target: &Path) -> Result<bool, Error> {
        Ok(self.mounts(volume)?.iter().any(|mount| mount.target == target))
    }

    /// Refuses when any node that shares this kernel still uses the volume.
    pub fn check_unused(&self, volume: &VolumeId) -> Result<(), Error> {
        match self.mounts(volume)?.first() {
            None => Ok(()),
            Some(mount) => Err(Error::Precondition(format!(
                "volume {volume} is published at {}; stop the pod that uses it first",
                mount.target.display()
            ))),
        }
    }

    /// Tells the loop devices of a block volume that it has grown.
    pub fn grow(&self, volume: &VolumeId) -> Result<(), Error> {
        loops::attached(&self.pool.volume_disk(volume))?.iter().try_for_each(|device| loops::resize(device))
    }

    /// The mounts that show this volume, on any node that shares this kernel.
    fn mounts(&self, volume: &VolumeId) -> Result<Vec<Mount>, Error> {
        let devices = loops::attached(&self.pool.volume_disk(volume))?;
        let tree = Path::new("volumes").join(volume.as_ref()).join("tree");
        let shows = |mount: &Mount| match mount.fs_type.as_str() {
            "btrfs" => mount.root.ends_with(&tree),
            "devtmpfs" => devices.iter().any(|device| device.file_name() == mount.root.file_name()),
            _ => false,
        };
        Ok(Mount::all()?.into_iter().filter(shows).collect())
    }

    fn check_target(&self, target: &Path) -> Result<(), Error> {
        let plain = target.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if plain && target.starts_with(&self.kubelet) && target != self.kubelet {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "the target {} is not below kubelet's directory {}",
            target.display(),
            self.kubelet.display()
        )))
    }
}

fn bind(what: &Path, target: &Path, flags: MountFlags) -> Result<(), Error> {
    mount_bind(what, target).map_err(|e| Error::io("mounting on", target)(e.into()))?;
    if flags.is_empty() {
        return Ok(());
    }
    let restricted = mount_remount(target, MountFlags::BIND | flags, "");
    restricted.map_err(|errno| {
        let undone = unmount(target, UnmountFlags::empty()).err();
        let source = io::Error::from(errno);
        tracing::warn!(?undone, error = %source, "mount flags refused");
        Error::Io { doing: "setting the mount flags of", path: target.to_owned(), source }
    })
}

fn create_file(at: &Path) -> Result<(), Error> {
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).map_err(Error::io("creating", parent))?;
    }
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(at)
        .map(drop)
        .map_err(Error::io("creating", at))
}
