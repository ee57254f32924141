//! The data directory: readable by its owner alone, used by one server at a time, with files that appear whole or not
//! at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The directory that holds everything a vault keeps.
#[derive(Debug, Clone)]
pub struct DataDirectory(PathBuf);

/// Held while a server uses the directory.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// The owner: 0600.
    Owner,
    /// Everyone: 0644.
    Everyone,
}

/// What went wrong with the directory.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused.
    #[error("could not {what} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read it.
    #[error("{path} can be read by other users of this machine (mode {mode:o}); run: chmod 700 {path}", path = .0.display(), mode = .1)]
    Open(PathBuf, u32),
    /// Another server uses it.
    #[error("another vault uses {path}; end it first, or choose another directory", path = .0.display())]
    InUse(PathBuf),
}

impl DataDirectory {
    /// The directory, made if it is not there.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error("create", path))?;
        let mode = fs::metadata(path).map_err(io_error("look at", path))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(DirectoryError::Open(path.to_owned(), mode));
        }
        Ok(Self(path.to_owned()))
    }

    /// Keeps other servers away for as long as the lock lives.
    pub fn lock(&self) -> Result<Lock, DirectoryError> {
        let path = self.path("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(io_error("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::InUse(self.0.clone())),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &path)(error)),
        }
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What a file holds; `None` when there is none.
    pub fn read(&self, name: &str) -> Result<Option<String>, DirectoryError> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// Writes a file whole: it has its mode before it has its content, and its name once it is on disk.
    pub fn write(&self, name: &str, content: &str, readers: Readers) -> Result<PathBuf, DirectoryError> {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.0);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io_error("create", folder))?;
        let draft = path.with_extension("new");
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Everyone => 0o644,
        };
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &draft)(error));
            }
            _ => {}
        }
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(&draft)
            .map_err(io_error("create", &draft))?;
        file.write_all(content.as_bytes()).map_err(io_error("write", &draft))?;
        file.sync_all().map_err(io_error("write", &draft))?;
        fs::rename(&draft, &path).map_err(io_error("put into place", &path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error("write", folder))?;
        Ok(path)
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |source| DirectoryError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directory_and_secret_files_belong_to_their_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(&parent.path().join("vault")).unwrap();

        let secret = directory.write("secrets/key", "x", Readers::Owner).unwrap();
        let public = directory.write("tls/ca.crt", "y", Readers::Everyone).unwrap();

        assert_eq!(mode(&parent.path().join("vault")), 0o700);
        assert_eq!((mode(&secret), mode(&public)), (0o600, 0o644));
        assert_eq!(directory.read("secrets/key").unwrap().as_deref(), Some("x"));
        assert_eq!(directory.read("secrets/other").unwrap(), None);
    }

    #[test]
    fn a_directory_that_others_can_read_is_refused() {
        let open = tempfile::tempdir().unwrap();
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();

        let refused = DataDirectory::open(open.path()).unwrap_err();

        assert!(refused.to_string().contains("chmod 700"), "{refused}");
    }

    #[test]
    fn two_servers_do_not_share_a_directory() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(&parent.path().join("vault")).unwrap();
        let first = directory.lock().unwrap();

        assert!(matches!(directory.lock(), Err(DirectoryError::InUse(_))));
        drop(first);
        assert!(directory.lock().is_ok());
    }
}
