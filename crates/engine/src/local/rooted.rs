//! Opening files below a directory without ever following a link out of it.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

const BASE: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Opens the directory that everything else is opened below. Links in its own path are followed.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, BASE | OFlags::DIRECTORY, Mode::empty())?)
}

/// Opens a file or device by its path. Links are followed.
pub(super) fn open_root_file(path: &Path) -> io::Result<File> {
    Ok(openat(CWD, path, BASE, Mode::empty())?.into())
}

/// Opens the directory at `path` below `root`, component by component, without following links.
pub(crate) fn open_directory(root: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut current = root.try_clone()?;
    let mut components = path.components().peekable();
    if components.peek().is_none() {
        return Ok(openat(root, ".", BASE | OFlags::DIRECTORY | flags, Mode::empty())?);
    }
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let last = components.peek().is_none();
        let flags = if last { flags } else { OFlags::PATH };
        current = open_quietly(&current, name, OFlags::DIRECTORY | flags)?;
    }
    Ok(current)
}

/// Opens an entry of a directory for reading, without following a link.
pub(super) fn open_entry(directory: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    open_quietly(directory, name, OFlags::empty())
}

/// Opens without touching the access time where we may.
fn open_quietly(directory: impl AsFd, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = BASE | OFlags::NOFOLLOW | flags;
    if flags.contains(OFlags::PATH) {
        return Ok(openat(&directory, name, flags, Mode::empty())?);
    }
    match openat(&directory, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => Ok(openat(&directory, name, flags, Mode::empty())?),
        other => Ok(other?),
    }
}
