//! The stores that the operator configured: where the blobs of storage accounts lie. Each account has a folder of its own
//! in one store, and each container a folder in that.

mod credentials;
mod spec;

pub use spec::{StoreSpec, StoreSpecError};

use blobs::{Backing, BlobError, Disk, Objects};
use spec::Place;
use std::{collections::BTreeMap, fs, io, path::PathBuf, sync::Arc};
use storage::{LocalStore, Prefixed, StorePath, location::ObjectClient};
use telemetry::Clock;

/// The store in the data directory.
pub const DEFAULT: &str = "default";
/// Its folder there.
pub const DEFAULT_FOLDER: &str = "blobs";

/// Why the stores cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// A directory.
    #[error("could not use the directory {path} of the store {name:?}: {source}; make it, or mount it", path = .path.display())]
    Directory {
        /// Of which store.
        name: String,
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Settings of an object store.
    #[error("could not use the store {name:?}: {why}")]
    Settings {
        /// Which store.
        name: String,
        /// Why not.
        why: String,
    },
    /// Two of one name.
    #[error("there are two stores of the name {0:?}; give each a name of its own")]
    Twice(String),
}

/// A store that is open.
#[derive(Debug, Clone)]
enum Opened {
    Directory(PathBuf),
    Objects { client: ObjectClient, prefix: String },
}

/// All stores, by name, each with what it was opened from.
#[derive(Debug, Clone, Default)]
pub struct Stores(BTreeMap<String, (StoreSpec, Opened)>);

impl Stores {
    /// Opens what the operator configured, and the default one where that names none. Object stores are not contacted.
    pub fn open(
        specs: &[StoreSpec],
        default: impl FnOnce() -> PathBuf,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StoresError> {
        let mut stores = BTreeMap::new();
        for spec in specs {
            if stores.insert(spec.name.clone(), (spec.clone(), open(spec, clock)?)).is_some() {
                return Err(StoresError::Twice(spec.name.clone()));
            }
        }
        if !stores.contains_key(DEFAULT) {
            let path = default();
            let failed =
                |source| StoresError::Directory { name: DEFAULT.to_owned(), path: path.clone(), source };
            fs::create_dir_all(&path).map_err(failed)?;
            let spec = StoreSpec::directory(DEFAULT, path.clone());
            stores.insert(DEFAULT.to_owned(), (spec, Opened::Directory(path)));
        }
        Ok(Self(stores))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A folder of a store as write-once files, for what clusters wrote there; or why it cannot be reached.
    pub async fn files(
        &self,
        name: &str,
        folder: &StorePath,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn storage::Store>, String> {
        match self.0.get(name) {
            Some((spec, _)) => files_of(spec, folder, clock).await,
            None => Err(format!(
                "its storage account lies in the store {name}, which is not configured any more; start the vault with \
                 --store {name}=URL again"
            )),
        }
    }

    /// Makes a folder for a container; in object stores there is nothing to make.
    pub async fn make(&self, name: &str, folder: &str) -> Result<(), BlobError> {
        let Opened::Directory(path) = self.get(name)? else { return Ok(()) };
        let (path, folder) = (path.clone(), folder.to_owned());
        blocking(move || {
            let at = path.join(&folder);
            fs::create_dir_all(&at)?;
            // A folder that is lost in a crash would take durable blobs with it.
            for parent in at.ancestors().take_while(|parent| parent.starts_with(&path)) {
                fs::File::open(parent)?.sync_all()?;
            }
            Ok(())
        })
        .await
        .map_err(|error| failed("make", name, &error))
    }

    /// A container's blobs.
    pub fn backing(&self, name: &str, folder: &str) -> Result<Arc<dyn Backing>, BlobError> {
        Ok(match self.get(name)? {
            Opened::Directory(path) => {
                Arc::new(Disk::open(path.join(folder)).map_err(|error| failed("open", name, &error))?)
            }
            Opened::Objects { client, prefix } => {
                let ObjectClient { objects, pages } = client;
                Arc::new(Objects::of(objects.clone(), pages.clone(), &format!("{prefix}/{folder}")))
            }
        })
    }

    /// Removes some of what lies in a folder; `true` when nothing is left.
    pub async fn remove_some(&self, name: &str, folder: &str) -> Result<bool, BlobError> {
        let Opened::Directory(path) = self.get(name)? else {
            let backing = self.backing(name, folder)?;
            return blobs::remove_some(backing.as_ref()).await;
        };
        let at = path.join(folder);
        let removed = blocking(move || match fs::remove_dir_all(&at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        });
        removed.await.map(|()| true).map_err(|error| failed("remove", name, &error))
    }

    fn get(&self, name: &str) -> Result<&Opened, BlobError> {
        self.0.get(name).map(|(_, opened)| opened).ok_or_else(|| {
            tracing::error!(store = name, "an account lies in a store that is not configured any more");
            BlobError::unreachable()
        })
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn failed(tried: &str, store: &str, error: &io::Error) -> BlobError {
    tracing::error!(%error, store, "could not {tried} a container's folder");
    if error.kind() == io::ErrorKind::StorageFull { BlobError::full() } else { BlobError::internal() }
}

/// What lies in one store, apart from any account.
pub fn backing_of(spec: &StoreSpec, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Backing>, StoresError> {
    Ok(match open(spec, clock)? {
        Opened::Directory(path) => Arc::new(Disk::open(&path).map_err(|source| StoresError::Directory {
            name: spec.name.clone(),
            path: path.clone(),
            source,
        })?),
        Opened::Objects { client, prefix } => Arc::new(Objects::of(client.objects, client.pages, &prefix)),
    })
}

/// A folder of a store as write-once files, for what clusters wrote there. Nothing is contacted yet.
pub async fn files_of(
    spec: &StoreSpec,
    folder: &StorePath,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn storage::Store>, String> {
    let whole: Arc<dyn storage::Store> = match &spec.place {
        Place::Directory(path) => {
            // Whoever opens a directory makes it; one that is not mounted must not be taken for an empty one.
            let at = path.join(folder.as_str());
            let missing = |error: io::Error| format!("could not use the directory {}: {error}", at.display());
            let at = fs::canonicalize(&at).map_err(missing)?;
            return match LocalStore::open(&at).await {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => Err(error.to_string()),
            };
        }
        Place::Objects(location, credentials) => {
            let source = credentials::source(&spec.name, location, credentials.as_deref())?;
            let opened = location.open(source, clock.clone()).await;
            opened.map_err(|error| error.to_string())?.root
        }
    };
    Ok(if folder.is_root() { whole } else { Arc::new(Prefixed::new(whole, folder.clone())) })
}

fn open(spec: &StoreSpec, clock: &Arc<dyn Clock>) -> Result<Opened, StoresError> {
    let name = &spec.name;
    match &spec.place {
        Place::Directory(path) => {
            let failed = |source| StoresError::Directory { name: name.clone(), path: path.clone(), source };
            // One that is not mounted must not be taken for an empty one.
            let at = fs::canonicalize(path).map_err(failed)?;
            if !at.is_dir() {
                return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
            }
            Ok(Opened::Directory(at))
        }
        Place::Objects(location, credentials) => {
            let wrong = |why: String| StoresError::Settings { name: name.clone(), why };
            let source = credentials::source(name, location, credentials.as_deref()).map_err(wrong)?;
            let client = location.object_client(source, clock.clone()).map_err(|e| wrong(e.to_string()))?;
            let client = client.ok_or_else(|| wrong("it is no object store".to_owned()))?;
            Ok(Opened::Objects { client, prefix: location.prefix.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::SystemClock;

    fn clock() -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    #[tokio::test]
    async fn a_folder_is_made_used_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let stores = Stores::open(&[], || directory.path().join("blobs"), &clock()).unwrap();

        stores.make(DEFAULT, "acct-1/box-1").await.unwrap();
        let opened = stores.backing(DEFAULT, "acct-1/box-1");
        let gone = stores.remove_some(DEFAULT, "acct-1").await.unwrap();

        assert!(opened.is_ok() && gone);
        assert!(stores.remove_some(DEFAULT, "acct-1").await.unwrap(), "again is fine");
        assert!(stores.backing(DEFAULT, "acct-1/box-1").is_err());
        assert!(stores.backing("other", "x").is_err());
    }

    #[test]
    fn a_directory_that_is_not_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let absent: StoreSpec = format!("big=file://{}/absent", directory.path().display()).parse().unwrap();
        let there: StoreSpec = format!("big=file://{}", directory.path().display()).parse().unwrap();
        let default = || directory.path().join("blobs");

        let refused = Stores::open(&[absent], default, &clock()).unwrap_err();
        let twice = Stores::open(&[there.clone(), there.clone()], default, &clock()).unwrap_err();
        let both = Stores::open(&[there], default, &clock()).unwrap();

        assert!(refused.to_string().contains("make it, or mount it"), "{refused}");
        assert!(matches!(twice, StoresError::Twice(_)));
        assert_eq!(both.names().collect::<Vec<_>>(), ["big", "default"]);
    }
}
