//! An open repository: its key, its store, and its files by kind.

use crate::{EngineError, RepositorySecret, settle};
use bytes::Bytes;
use repository::{
    Config, FileKind, IndexFile, IndexId, KeyFile, KeyId, MasterKey, Nonce, Snapshot, SnapshotId,
};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use storage::{Store, StoreError, StoreErrorKind, StorePath};

/// Files that are read at once where the caller gives no budget.
const PARALLEL_READS: usize = 8;

/// An open repository. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repo {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    key: MasterKey,
    config: Config,
}

impl Repo {
    /// Opens the repository at the root of `store`. Reads keys and config, writes nothing.
    pub async fn open(store: Arc<dyn Store>, secret: &RepositorySecret) -> Result<Self, EngineError> {
        let config = match store.read(&path(FileKind::Config, "")?).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_not_found() => {
                return Err(EngineError::NotARepository {
                    store: store.describe(),
                    path: "config".to_owned(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let keys = list_ids::<KeyId>(store.as_ref(), FileKind::Key).await?;
        if keys.is_empty() {
            return Err(EngineError::NotARepository { store: store.describe(), path: "keys".to_owned() });
        }
        let mut damaged = None;
        for id in &keys {
            let Some(key) = try_key(store.as_ref(), *id, secret).await? else { continue };
            match Config::decode(&key, &config) {
                Ok(config) => return Ok(Self::assemble(store, key, config)),
                // A key left by an `init` that lost a race opens nothing.
                Err(error @ repository::FormatError::Authentication { .. }) => damaged = Some(error),
                Err(error) => return Err(EngineError::format("config")(error)),
            }
        }
        // The password is right, so it is the config that is not.
        if let Some(error) = damaged {
            return Err(EngineError::format("config")(error));
        }
        Err(EngineError::WrongPassword { store: store.describe(), keys: keys.len() })
    }

    pub(crate) fn assemble(store: Arc<dyn Store>, key: MasterKey, config: Config) -> Self {
        Self { inner: Arc::new(Inner { store, key, config }) }
    }

    /// The store that the repository lies in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The repository's configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The key that seals everything.
    pub fn key(&self) -> &MasterKey {
        &self.inner.key
    }

    /// All snapshots, oldest first. One that is deleted meanwhile may be among them or not.
    pub async fn snapshots(&self) -> Result<Vec<(SnapshotId, Snapshot)>, EngineError> {
        let mut snapshots = Vec::new();
        let read = |id| self.snapshot(id);
        settle::each(self, FileKind::Snapshot, PARALLEL_READS, read, |id, snapshot| {
            snapshots.push((id, snapshot?));
            Ok(())
        })
        .await?;
        snapshots.sort_by_key(|(id, snapshot): &(SnapshotId, Snapshot)| (snapshot.time, *id));
        Ok(snapshots)
    }

    /// All snapshots that carry this tag (`key=value`), oldest first.
    pub async fn snapshots_with_tag(&self, tag: &str) -> Result<Vec<(SnapshotId, Snapshot)>, EngineError> {
        let mut snapshots = self.snapshots().await?;
        snapshots.retain(|(_, snapshot)| snapshot.tags.iter().any(|own| own == tag));
        Ok(snapshots)
    }

    /// One snapshot.
    pub async fn snapshot(&self, id: SnapshotId) -> Result<Snapshot, EngineError> {
        let bytes = self.read(FileKind::Snapshot, id).await?;
        let what = FileKind::Snapshot.path(id);
        Snapshot::decode(self.key(), &bytes).map_err(EngineError::format(what))
    }

    /// One index file.
    pub async fn index_file(&self, id: IndexId) -> Result<IndexFile, EngineError> {
        let bytes = self.read(FileKind::Index, id).await?;
        let repo = self.clone();
        let decode = move || {
            let what = FileKind::Index.path(id);
            IndexFile::decode(repo.key(), &bytes).map_err(EngineError::format(what))
        };
        tokio::task::spawn_blocking(decode).await?
    }

    /// The ids of all files of a kind, sorted. Names that are no ids are left out.
    pub async fn list<Id: FromStr + Ord>(&self, kind: FileKind) -> Result<Vec<Id>, EngineError> {
        list_ids(self.store().as_ref(), kind).await
    }

    /// The stored bytes of a file; they have been compared with the file's name.
    pub async fn read(&self, kind: FileKind, id: impl Display) -> Result<Bytes, EngineError> {
        read_checked(self.store().as_ref(), kind, &id.to_string()).await
    }

    /// Stores a file under the SHA-256 of its bytes, which it returns. Repeating it is harmless.
    pub async fn create<Id: From<[u8; 32]> + Display>(
        &self,
        kind: FileKind,
        bytes: impl Into<Bytes>,
    ) -> Result<Id, EngineError> {
        create(self.store().as_ref(), kind, bytes.into()).await
    }

    /// Deletes a file; absent is success.
    pub async fn delete(&self, kind: FileKind, id: impl Display) -> Result<(), EngineError> {
        Ok(self.store().delete(&path(kind, id)?).await?)
    }

    /// Seals a small piece of the caller's own, to be stored beside the repository. Not for packs.
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.key().seal(Nonce::random(&mut rand::rng()), plain, &mut sealed);
        sealed
    }

    /// Opens what [`Repo::seal`] sealed; `what` names it in errors.
    pub fn open_sealed(&self, sealed: &[u8], what: &str) -> Result<Vec<u8>, EngineError> {
        self.key().open(sealed, "a sealed file").map_err(EngineError::format(what))
    }
}

/// The path of a file below the repository's root.
pub(crate) fn path(kind: FileKind, id: impl Display) -> Result<StorePath, EngineError> {
    let text = kind.path(id);
    StorePath::parse(text.clone()).map_err(|error| EngineError::Internal(format!("path {text}: {error}")))
}

pub(crate) async fn list_ids<Id: FromStr + Ord>(
    store: &dyn Store,
    kind: FileKind,
) -> Result<Vec<Id>, EngineError> {
    let folder = kind.folder();
    let prefix = StorePath::parse(folder).map_err(|error| EngineError::Internal(error.to_string()))?;
    let entries = store.list(&prefix).await?;
    let mut ids: Vec<Id> = entries.iter().filter_map(|entry| entry.path.name().parse().ok()).collect();
    ids.sort();
    Ok(ids)
}

pub(crate) async fn create<Id: From<[u8; 32]> + Display>(
    store: &dyn Store,
    kind: FileKind,
    bytes: Bytes,
) -> Result<Id, EngineError> {
    let id = Id::from(*repository::BlobId::of(&bytes).as_bytes());
    store.create(&path(kind, &id)?, bytes).await?;
    Ok(id)
}

async fn read_checked(store: &dyn Store, kind: FileKind, id: &str) -> Result<Bytes, EngineError> {
    let bytes = store.read(&path(kind, id)?).await?;
    if repository::BlobId::of(&bytes).to_string() != id {
        return Err(EngineError::Damaged { path: kind.path(id) });
    }
    Ok(bytes)
}

/// The master key from one key file, or `None` when the password is not its own.
pub(crate) async fn try_key(
    store: &dyn Store,
    id: KeyId,
    secret: &RepositorySecret,
) -> Result<Option<MasterKey>, EngineError> {
    let what = FileKind::Key.path(id);
    let bytes = match read_checked(store, FileKind::Key, &id.to_string()).await {
        Ok(bytes) => bytes,
        // A key that was removed between the listing and now.
        Err(EngineError::Store(StoreError { kind: StoreErrorKind::NotFound, .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    let file = KeyFile::decode(&bytes).map_err(EngineError::format(&what))?;
    let secret = secret.clone();
    match tokio::task::spawn_blocking(move || file.open(secret.as_bytes())).await? {
        Ok(key) => Ok(Some(key)),
        Err(repository::FormatError::WrongPassword) => Ok(None),
        Err(error) => Err(EngineError::format(what)(error)),
    }
}
