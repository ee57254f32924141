//! A directory as a store: a file is durable and whole, or it is not there.

use crate::{Entry, Store, StoreError, StoreErrorKind as Kind, StorePath, path::UNFINISHED};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use rustix::{
    fs::{AtFlags, CWD, IFlags, Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    ops::Range,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A store in a local directory (also a mounted network file system that supports `fsync` and `link`).
#[derive(Debug, Clone)]
pub struct LocalStore {
    root: Arc<PathBuf>,
}

impl LocalStore {
    /// The store in `root`, which must exist: a volume that is not mounted must not be mistaken for an empty store.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { root: Arc::new(root.into()) };
        let at = store.clone();
        store.blocking("open", &StorePath::root(), move || at.check_root()).await?;
        Ok(store)
    }

    fn check_root(&self) -> Result<(), Failure> {
        match fs::metadata(&*self.root) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Failure(Kind::BucketMissing, "it is not a directory".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Failure(Kind::BucketMissing, "the directory does not exist".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn at(&self, path: &StorePath) -> PathBuf {
        if path.is_root() { self.root.to_path_buf() } else { self.root.join(path.as_str()) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        tried: &'static str,
        path: &StorePath,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failure = match tokio::task::spawn_blocking(work).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(stopped) => Failure(Kind::Other, stopped.to_string()),
        };
        let target = if path.is_root() { self.describe() } else { format!("{path} in {}", self.describe()) };
        Err(StoreError::new(tried, target, failure.0, failure.1))
    }

    /// Makes the folder of `file` below the root and syncs each new directory's parent.
    fn make_folder(&self, file: &Path) -> Result<PathBuf, Failure> {
        let folder = file.parent().unwrap_or(&self.root).to_path_buf();
        if folder.is_dir() {
            return Ok(folder);
        }
        self.check_root()?;
        let mut missing: Vec<&Path> =
            folder.ancestors().take_while(|dir| *dir != self.root.as_path() && !dir.exists()).collect();
        while let Some(dir) = missing.pop() {
            match fs::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => sync_directory(dir.parent().unwrap_or(dir))?,
            }
        }
        Ok(folder)
    }

    fn create_blocking(&self, path: &StorePath, data: &Bytes) -> Result<(), Failure> {
        let target = self.at(path);
        let folder = self.make_folder(&target)?;
        match write_new(&folder, &target, data) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if same_content(&target, data)? {
                    // The earlier attempt may have been cut off before its sync.
                    File::open(&target)?.sync_all()?;
                    Ok(sync_directory(&folder)?)
                } else {
                    Err(Failure(Kind::Exists, "a file of that name with other content is there".into()))
                }
            }
            other => Ok(other?),
        }
    }

    fn replace_blocking(&self, path: &StorePath, data: &Bytes) -> Result<(), Failure> {
        let target = self.at(path);
        let folder = self.make_folder(&target)?;
        let unfinished = Unfinished::write(&folder, data)?;
        fs::rename(&unfinished.0, &target)?;
        Ok(sync_directory(&folder)?)
    }

    fn list_blocking(&self, prefix: &StorePath) -> Result<Vec<Entry>, Failure> {
        self.check_root()?;
        let mut found = Vec::new();
        let mut folders = vec![self.at(prefix)];
        while let Some(folder) = folders.pop() {
            let children = match fs::read_dir(&folder) {
                Ok(children) => children,
                Err(error) if gone(&error) || error.kind() == io::ErrorKind::NotADirectory => continue,
                Err(error) => return Err(error.into()),
            };
            for child in children {
                let child = child?;
                let metadata = match child.metadata() {
                    Ok(metadata) => metadata,
                    Err(error) if gone(&error) => continue,
                    Err(error) => return Err(error.into()),
                };
                if metadata.is_dir() {
                    folders.push(child.path());
                } else if let Some(path) = self.store_path(&child.path()) {
                    let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
                    found.push(Entry {
                        path,
                        size: metadata.len(),
                        modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
                    });
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn store_path(&self, file: &Path) -> Option<StorePath> {
        StorePath::parse(file.strip_prefix(&*self.root).ok()?.to_str()?).ok()
    }

    fn top_level_blocking(&self, limit: usize) -> Result<Vec<String>, Failure> {
        self.check_root()?;
        let mut names = Vec::new();
        for child in fs::read_dir(&*self.root)? {
            let child = child?;
            let name = child.file_name().to_string_lossy().into_owned();
            if !name.starts_with(UNFINISHED) && name != "lost+found" {
                names.push(if child.file_type()?.is_dir() { format!("{name}/") } else { name });
            }
        }
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }

    fn delete_blocking(&self, path: &StorePath) -> Result<(), Failure> {
        let target = self.at(path);
        match fs::remove_file(&target) {
            Ok(()) => Ok(sync_directory(target.parent().unwrap_or(&self.root))?),
            Err(error) if gone(&error) => self.check_root(),
            Err(_) if is_immutable(&target) => {
                Err(Failure(Kind::Retained, "the file is marked immutable".into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read_blocking(&self, path: &StorePath) -> Result<Bytes, Failure> {
        let mut file = self.open_file(path)?;
        let expected = file.metadata()?.len();
        let mut data = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        file.read_to_end(&mut data)?;
        match data.len() as u64 {
            got if got < expected => {
                Err(Failure(Kind::Corrupt, format!("only {got} of {expected} bytes came back")))
            }
            _ => Ok(data.into()),
        }
    }

    fn read_range_blocking(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, Failure> {
        let file = self.open_file(path)?;
        let size = file.metadata()?.len();
        if range.end > size {
            return Err(Failure(
                Kind::Corrupt,
                format!("bytes {} to {} were asked for, the file has {size}", range.start, range.end),
            ));
        }
        let length = usize::try_from(range.end.saturating_sub(range.start))
            .map_err(|_| Failure(Kind::Other, "the range does not fit into memory".into()))?;
        let mut data = vec![0; length];
        file.read_exact_at(&mut data, range.start)?;
        Ok(data.into())
    }

    fn open_file(&self, path: &StorePath) -> Result<File, Failure> {
        match File::open(self.at(path)) {
            Err(error) if gone(&error) => {
                self.check_root()?;
                Err(error.into())
            }
            other => Ok(other?),
        }
    }
}

#[async_trait]
impl Store for LocalStore {
    fn describe(&self) -> String {
        format!("local directory {}", self.root.display())
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        let (store, at) = (self.clone(), path.clone());
        self.blocking("create", path, move || store.create_blocking(&at, &data)).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        let (store, at) = (self.clone(), path.clone());
        self.blocking("write", path, move || store.replace_blocking(&at, &data)).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        let (store, at) = (self.clone(), path.clone());
        self.blocking("read", path, move || store.read_blocking(&at)).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        let (store, at) = (self.clone(), path.clone());
        self.blocking("read", path, move || store.read_range_blocking(&at, range)).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        let (store, at) = (self.clone(), path.clone());
        self.blocking("measure", path, move || Ok(store.open_file(&at)?.metadata()?.len())).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        let (store, at) = (self.clone(), prefix.clone());
        self.blocking("list", prefix, move || store.list_blocking(&at)).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let store = self.clone();
        self.blocking("list", &StorePath::root(), move || store.top_level_blocking(limit)).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        let (store, at) = (self.clone(), path.clone());
        self.blocking("delete", path, move || store.delete_blocking(&at)).await
    }
}

/// Why a blocking step failed, before the path is known.
struct Failure(Kind, String);

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Kind::NotFound,
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Kind::Denied,
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Kind::Full,
            Some(Errno::STALE | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::AGAIN) => {
                Kind::Unreachable
            }
            Some(Errno::IO | Errno::UCLEAN) => Kind::Corrupt,
            _ if error.kind() == io::ErrorKind::UnexpectedEof => Kind::Corrupt,
            _ => Kind::Other,
        };
        Self(kind, error.to_string())
    }
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Writes `data` to a file without a name and links it to `target`: there is no moment with half a file.
fn write_new(folder: &Path, target: &Path, data: &[u8]) -> io::Result<()> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o600)) {
        Ok(fd) => {
            let mut file = File::from(fd);
            file.write_all(data)?;
            file.sync_all()?;
            let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
            rustix::fs::linkat(CWD, unnamed, CWD, target, AtFlags::SYMLINK_FOLLOW)?;
        }
        // File systems without unnamed files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            let unfinished = Unfinished::write(folder, data)?;
            match rustix::fs::renameat_with(CWD, &unfinished.0, CWD, target, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS) => fs::hard_link(&unfinished.0, target)?,
                other => other?,
            }
        }
        Err(errno) => return Err(errno.into()),
    }
    sync_directory(folder)
}

/// A complete, synced file under a name that listings hide; removed when dropped, if still there.
struct Unfinished(PathBuf);

impl Unfinished {
    fn write(folder: &Path, data: &[u8]) -> io::Result<Self> {
        let path = folder.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        let unfinished = Self(path);
        file.write_all(data)?;
        file.sync_all()?;
        Ok(unfinished)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Renamed away in the good case; a leftover is invisible and harmless.
        drop(fs::remove_file(&self.0));
    }
}

fn same_content(path: &Path, data: &[u8]) -> io::Result<bool> {
    let file = File::open(path)?;
    if file.metadata()?.len() != data.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; data.len()];
    file.read_exact_at(&mut found, 0)?;
    Ok(found == data)
}

fn is_immutable(path: &Path) -> bool {
    File::open(path)
        .ok()
        .and_then(|file| rustix::fs::ioctl_getflags(&file).ok())
        .is_some_and(|flags| flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_errors_become_kinds() {
        let cases = [
            (Errno::NOENT, Kind::NotFound),
            (Errno::ACCESS, Kind::Denied),
            (Errno::ROFS, Kind::Denied),
            (Errno::NOSPC, Kind::Full),
            (Errno::DQUOT, Kind::Full),
            (Errno::STALE, Kind::Unreachable),
            (Errno::IO, Kind::Corrupt),
        ];

        for (errno, kind) in cases {
            assert_eq!(Failure::from(io::Error::from(errno)).0, kind, "{errno}");
        }
    }

    #[tokio::test]
    async fn an_unfinished_file_is_neither_listed_nor_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::open(folder.path()).await.unwrap();
        fs::write(folder.path().join(".tmp-0123"), "half").unwrap();

        assert_eq!(store.list(&StorePath::root()).await.unwrap(), []);
        assert_eq!(store.top_level(9).await.unwrap(), Vec::<String>::new());
    }
}
