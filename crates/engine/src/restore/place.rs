//! Open directories and what can be done in them by name; no call here follows a symbolic link.

use crate::EngineError;
use rustix::{
    fs::{AtFlags, Dev, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::Path,
};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory below the target, or the target itself.
#[derive(Debug)]
pub(super) struct Place(OwnedFd);

impl Place {
    /// Opens the target, a path that the caller trusts; makes it when only its last part is missing.
    pub(super) fn open_target(target: &Path) -> Result<Self, EngineError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(target, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) => {
                std::fs::create_dir(target).map_err(EngineError::io("create", target))?;
                open()
            }
            other => other,
        };
        opened.map(Self).map_err(|errno| EngineError::io("open", target)(errno.into()))
    }

    /// A second handle on the same directory.
    pub(super) fn duplicate(&self) -> Result<Self, EngineError> {
        self.0.try_clone().map(Self).map_err(EngineError::io("open", "the target"))
    }

    /// Makes the directory `name`, or opens it when it is there already and is a real directory.
    pub(super) fn make_directory(&self, name: &[u8]) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        match rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Self(fd)),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(taken()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes an empty file that nobody else can read; the name must be free.
    pub(super) fn make_file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR).map_err(explain)?;
        Ok(File::from(fd))
    }

    /// Makes a symbolic link; the name must be free.
    pub(super) fn make_symlink(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        rustix::fs::symlinkat(target, &self.0, name).map_err(explain)
    }

    /// Makes a device or named pipe that nobody else can use; the name must be free.
    pub(super) fn make_special(&self, name: &[u8], kind: FileType, device: Dev) -> io::Result<()> {
        rustix::fs::mknodat(&self.0, name, kind, Mode::RUSR | Mode::WUSR, device).map_err(explain)
    }

    /// Gives the open file another name; the name must be free.
    pub(super) fn make_link(&self, name: &[u8], file: BorrowedFd<'_>) -> io::Result<()> {
        let open = format!("/proc/self/fd/{}", file.as_raw_fd());
        let at = rustix::fs::CWD;
        rustix::fs::linkat(at, open, &self.0, name, AtFlags::SYMLINK_FOLLOW).map_err(explain)
    }

    /// A handle on an entry itself, whatever it is, without opening what it stands for.
    pub(super) fn handle(&self, name: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?)
    }

    /// Removes an entry that is not a directory; absent is success.
    pub(super) fn remove(&self, name: &[u8]) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the directory at `path`, name by name.
    pub(super) fn descend(&self, path: &Path) -> io::Result<Self> {
        let mut at = Self(self.0.try_clone()?);
        for name in path.iter().map(OsStr::as_bytes) {
            at = Self(rustix::fs::openat(&at.0, name, DIRECTORY, Mode::empty())?);
        }
        Ok(at)
    }

    /// Waits until everything that was written to this file system is on the disk.
    pub(super) fn sync_file_system(&self) -> Result<(), EngineError> {
        rustix::fs::syncfs(&self.0).map_err(|errno| EngineError::io("sync", "the target")(errno.into()))
    }
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn explain(errno: Errno) -> io::Error {
    if errno == Errno::EXIST { taken() } else { errno.into() }
}

fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "the name is taken in the target")
}
