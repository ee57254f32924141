//! A folder as a container: one file per blob, durable before its writer hears so.
//!
//! The file's name is the blob's, so that what is kept can be read without this program. Content settings and metadata
//! are an extended attribute of the file. There is no compare-and-swap on a disk: within this process conditional
//! writes of one blob wait for each other; processes that share a folder must not write one blob conditionally, except
//! to create it.

mod files;
mod list;
mod write;

use crate::{
    Backing, BlobError, Conditions, Content, Found, Key, Listing, Page, Properties, Read, Write,
    backing::Choose,
};
use async_trait::async_trait;
use bytes::Bytes;
use files::{at_fault, found_of, is_gone, open, set_properties, sync_directory};
use futures::StreamExt;
use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File},
    hash::{Hash, Hasher},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};
use tokio::sync::{Mutex, MutexGuard};

/// Bytes that are read at a time.
const PIECE: u64 = 1024 * 1024;
/// Where writers of one blob wait for each other; shared by all that open the same folder.
static TURNS: LazyLock<Vec<Mutex<()>>> = LazyLock::new(|| (0..1_024).map(|_| Mutex::new(())).collect());

/// A folder of a local file system.
#[derive(Debug, Clone)]
pub struct Disk {
    root: Arc<PathBuf>,
}

impl Disk {
    /// The container in `root`, which must exist: a volume that is not mounted must not be taken for an empty container.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = fs::canonicalize(root.into())?;
        if !root.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{} is no folder", root.display()),
            ));
        }
        Ok(Self { root: Arc::new(root) })
    }

    fn at(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    async fn turn(&self, path: &Path) -> Option<MutexGuard<'static, ()>> {
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % TURNS.len() as u64).unwrap_or_default();
        Some(TURNS.get(at)?.lock().await)
    }
}

/// Runs what waits for the disk where it may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "work on a disk ended badly");
            Err(BlobError::internal())
        }
    }
}

/// Checks conditions against the file that is there.
fn check_write(path: &Path, conditions: &Conditions) -> Result<(), BlobError> {
    if conditions.is_none() {
        return Ok(());
    }
    let found = open(path)?.map(|file| found_of(path, &file)).transpose()?;
    conditions.check_write(found.as_ref())
}

#[async_trait]
impl Backing for Disk {
    async fn look(&self, key: &Key) -> Result<Option<Found>, BlobError> {
        let path = self.at(key);
        blocking(move || open(&path)?.map(|file| found_of(&path, &file)).transpose()).await
    }

    async fn read(&self, key: &Key, choose: Choose<'_>) -> Result<Option<Read>, BlobError> {
        let path = self.at(key);
        let opened = blocking(move || {
            let Some(file) = open(&path)? else { return Ok(None) };
            Ok(Some((found_of(&path, &file)?, file)))
        });
        let Some((found, file)) = opened.await? else { return Ok(None) };
        let range = choose(&found)?;
        let content = pieces(Arc::new(file), range.clone());
        Ok(Some(Read { found, range, content }))
    }

    async fn write(&self, key: &Key, write: Write<'_>, content: Content) -> Result<Found, BlobError> {
        let path = self.at(key);
        let root = self.root.clone();
        let new = blocking(move || write::Unnamed::create(&root)).await?;
        let new = new.fill(content).await?;
        let turn = self.turn(&path).await;
        let (root, conditions, properties) = (self.root.clone(), write.conditions.clone(), write.properties);
        let done = blocking(move || new.publish(&root, &path, &properties, &conditions)).await;
        drop(turn);
        done
    }

    async fn delete(&self, key: &Key, conditions: &Conditions) -> Result<(), BlobError> {
        let path = self.at(key);
        let turn = self.turn(&path).await;
        let (root, conditions) = (self.root.clone(), conditions.clone());
        let done = blocking(move || {
            let Some(file) = open(&path)? else { return Err(BlobError::no_blob()) };
            if !conditions.is_none() {
                conditions.check_write(Some(&found_of(&path, &file)?))?;
            }
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if is_gone(&error) => return Err(BlobError::no_blob()),
                Err(_) if files::is_immutable(&file) => return Err(BlobError::retained()),
                Err(error) => return Err(at_fault("delete", &path, &error)),
            }
            let folder = path.parent().unwrap_or(&root);
            sync_directory(folder).map_err(|error| at_fault("sync", folder, &error))?;
            // A folder without a blob is nothing that a list could show.
            let mut folders = folder.ancestors().take_while(|folder| *folder != root.as_path());
            while folders.next().is_some_and(|folder| fs::remove_dir(folder).is_ok()) {}
            Ok(())
        });
        let done = done.await;
        drop(turn);
        done
    }

    async fn describe(
        &self,
        key: &Key,
        properties: Properties,
        conditions: &Conditions,
    ) -> Result<Found, BlobError> {
        let path = self.at(key);
        let turn = self.turn(&path).await;
        let conditions = conditions.clone();
        let done = blocking(move || {
            let Some(file) = open(&path)? else { return Err(BlobError::no_blob()) };
            conditions.check_write(Some(&found_of(&path, &file)?))?;
            set_properties(&path, &file, &properties)?;
            // The entity tag is made of the time of the last change.
            files::touch(&file).map_err(|error| at_fault("change", &path, &error))?;
            file.sync_all().map_err(|error| at_fault("sync", &path, &error))?;
            found_of(&path, &file)
        });
        let done = done.await;
        drop(turn);
        done
    }

    async fn list(&self, listing: &Listing) -> Result<Page, BlobError> {
        let (root, listing) = (self.root.clone(), listing.clone());
        blocking(move || list::page(&root, &listing)).await
    }
}

/// The bytes of a file, a piece at a time.
fn pieces(file: Arc<File>, range: Range<u64>) -> Content {
    let next = move |at: u64| {
        let file = file.clone();
        let end = range.end.min(at.saturating_add(PIECE));
        async move {
            if at >= end {
                return None;
            }
            let read = blocking(move || {
                let mut data = vec![0; usize::try_from(end - at).unwrap_or_default()];
                match file.read_exact_at(&mut data, at) {
                    Ok(()) => Ok(Bytes::from(data)),
                    Err(error) => {
                        tracing::error!(%error, "could not read on in a blob");
                        Err(BlobError::internal())
                    }
                }
            });
            let read = read.await;
            let then = if read.is_ok() { end } else { u64::MAX };
            Some((read, then))
        }
    };
    futures::stream::unfold(range.start, next).boxed()
}
