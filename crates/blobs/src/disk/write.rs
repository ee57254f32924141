//! Writes a file that has no name until it is whole and on the disk.

use super::files::{at_fault, found_of, set_properties, sync_directory};
use crate::{BlobError, Conditions, Content, Found, Properties, names::RESERVED};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::{self, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Bytes that are written at a time; as many again may be on their way.
const PIECE: usize = 1024 * 1024;
/// How often a folder may vanish under a writer's hands: its last blob was deleted just then.
const TRIES: usize = 16;

/// A file without a blob's name. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Unnamed {
    file: File,
    /// Its name on file systems where a file must have one.
    hidden: Option<Hidden>,
}

/// A name that lists do not show; removed on drop.
#[derive(Debug)]
struct Hidden(PathBuf);

impl Hidden {
    fn in_folder(folder: &Path) -> Self {
        Self(folder.join(format!("{RESERVED}unfinished-{:016x}", rand::random::<u64>())))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Renamed away in the good case; what a crash leaves is swept later.
        drop(fs::remove_file(&self.0));
    }
}

impl Unnamed {
    /// An empty one in the file system of `root`.
    pub(super) fn create(root: &Path) -> Result<Self, BlobError> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(root, flags, Mode::from_raw_mode(0o600)) {
            Ok(fd) => Ok(Self { file: File::from(fd), hidden: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let hidden = Hidden::in_folder(root);
                let file = File::options().read(true).write(true).create_new(true).open(&hidden.0);
                let file = file.map_err(|error| at_fault("create", &hidden.0, &error))?;
                Ok(Self { file, hidden: Some(hidden) })
            }
            Err(errno) => Err(at_fault("create a file in", root, &errno.into())),
        }
    }

    /// Writes the content: one piece goes to the disk while the next one comes.
    pub(super) async fn fill(self, mut content: Content) -> Result<Self, BlobError> {
        let mut gathered = BytesMut::new();
        let mut busy: Option<tokio::task::JoinHandle<io::Result<Self>>> = None;
        let mut idle = Some(self);
        while let Some(piece) = content.next().await {
            gathered.extend_from_slice(&piece?);
            if gathered.len() < PIECE {
                continue;
            }
            let this = ready(&mut idle, &mut busy).await?;
            busy = Some(this.write(gathered.split().freeze()));
        }
        let this = ready(&mut idle, &mut busy).await?;
        let last = this.write(gathered.freeze());
        ready(&mut None, &mut Some(last)).await
    }

    fn write(mut self, data: Bytes) -> tokio::task::JoinHandle<io::Result<Self>> {
        tokio::task::spawn_blocking(move || {
            self.file.write_all(&data)?;
            Ok(self)
        })
    }

    /// Makes it the file `path`, durably, if the conditions hold. The caller holds the turn of `path`.
    pub(super) fn publish(
        mut self,
        root: &Path,
        path: &Path,
        properties: &Properties,
        conditions: &Conditions,
    ) -> Result<Found, BlobError> {
        super::check_write(path, conditions)?;
        if !properties.is_empty() {
            set_properties(path, &self.file, properties)?;
        }
        self.file.sync_all().map_err(|error| at_fault("sync", path, &error))?;
        let folder = path.parent().unwrap_or(root);
        for _ in 0..TRIES {
            make_folder(root, folder)?;
            match self.name(root, path, conditions) {
                Ok(()) => {
                    sync_directory(folder).map_err(|error| at_fault("sync", folder, &error))?;
                    return found_of(path, &self.file);
                }
                Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                    return Err(BlobError::in_the_way());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(BlobError::blob_exists());
                }
                Err(error) => return Err(at_fault("name", path, &error)),
            }
        }
        Err(BlobError::busy())
    }

    /// Gives it its name, over another file only where that is allowed.
    fn name(&mut self, root: &Path, path: &Path, conditions: &Conditions) -> io::Result<()> {
        let linked = match &self.hidden {
            None => self.link(path),
            Some(hidden) => {
                match rustix::fs::renameat_with(CWD, &hidden.0, CWD, path, RenameFlags::NOREPLACE) {
                    Err(Errno::INVAL | Errno::NOSYS) => fs::hard_link(&hidden.0, path),
                    other => Ok(other?),
                }
            }
        };
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !conditions.creates() => {
                // A link cannot replace a name; a rename can.
                if self.hidden.is_none() {
                    let hidden = Hidden::in_folder(root);
                    self.link(&hidden.0)?;
                    self.hidden = Some(hidden);
                }
                match &self.hidden {
                    Some(hidden) => fs::rename(&hidden.0, path),
                    None => Ok(()),
                }
            }
            other => other,
        }
    }

    fn link(&self, path: &Path) -> io::Result<()> {
        let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// The file once nobody writes to it.
async fn ready(
    idle: &mut Option<Unnamed>,
    busy: &mut Option<tokio::task::JoinHandle<io::Result<Unnamed>>>,
) -> Result<Unnamed, BlobError> {
    if let Some(this) = idle.take() {
        return Ok(this);
    }
    let Some(writing) = busy.take() else { return Err(BlobError::internal()) };
    match writing.await {
        Ok(Ok(this)) => Ok(this),
        Ok(Err(error)) => Err(at_fault("write", Path::new("a new blob"), &error)),
        Err(error) => {
            tracing::error!(%error, "a write ended badly");
            Err(BlobError::internal())
        }
    }
}

/// Makes a folder below the root, each new name durable.
fn make_folder(root: &Path, folder: &Path) -> Result<(), BlobError> {
    if folder.is_dir() {
        return Ok(());
    }
    let below: Vec<&Path> = folder.ancestors().take_while(|folder| *folder != root).collect();
    for folder in below.into_iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => {
                let parent = folder.parent().unwrap_or(root);
                sync_directory(parent).map_err(|error| at_fault("sync", parent, &error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Removed again by who deleted its last blob; the caller tries once more.
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) && root.is_dir() => {
                return Ok(());
            }
            Err(error) => return Err(at_fault("create", folder, &error)),
        }
    }
    Ok(())
}
