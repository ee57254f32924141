//! The verb `init`: creates a repository.

use crate::repo::{create, list_ids, path, try_key};
use crate::{EngineError, Repo, RepositorySecret};
use jiff::Timestamp;
use repository::{Config, FileKind, FormatError, KeyFile, KeyId, KeyOwner, MasterKey, Nonce, ScryptParams};
use std::sync::Arc;
use storage::{Store, StoreErrorKind};

/// How a repository is created.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The time that the first key shows.
    pub now: Timestamp,
    /// Who the first key says made it.
    pub owner: KeyOwner,
    /// The cost of opening the repository. Anything but the default is for tests.
    pub scrypt: ScryptParams,
}

impl InitOptions {
    /// The usual options.
    pub fn new(now: Timestamp) -> Self {
        Self { now, owner: KeyOwner::default(), scrypt: ScryptParams::DEFAULT }
    }
}

impl Repo {
    /// Creates a repository at the root of `store`: first a key, then the config, which makes it one.
    ///
    /// Repeated after a crash it continues with the key that is there. Of two at once one wins; the other takes its
    /// key back, because other programs take the first key that the password opens for the repository's, and reports
    /// [`EngineError::AlreadyExists`].
    pub async fn init(
        store: Arc<dyn Store>,
        secret: &RepositorySecret,
        options: InitOptions,
    ) -> Result<Self, EngineError> {
        let exists = || EngineError::AlreadyExists { store: store.describe() };
        let config_path = path(FileKind::Config, "")?;
        match store.size(&config_path).await {
            Ok(_) => return Err(exists()),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let (key, id) = match existing_key(store.as_ref(), secret).await? {
            Some(found) => found,
            None => new_key(store.as_ref(), secret, options).await?,
        };
        let config = Config::new(&mut rand::rng());
        let bytes =
            config.encode(&key, Nonce::random(&mut rand::rng())).map_err(EngineError::format("config"))?;
        match store.create(&config_path, bytes.into()).await {
            Ok(()) => Ok(Self::assemble(store, key, config)),
            Err(error) if error.kind == StoreErrorKind::Exists => {
                let winner = Config::decode(&key, &store.read(&config_path).await?);
                if matches!(winner, Err(FormatError::Authentication { .. })) {
                    store.delete(&path(FileKind::Key, id)?).await?;
                }
                Err(exists())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The key of an earlier `init` that did not get as far as the config.
async fn existing_key(
    store: &dyn Store,
    secret: &RepositorySecret,
) -> Result<Option<(MasterKey, KeyId)>, EngineError> {
    let keys = list_ids::<KeyId>(store, FileKind::Key).await?;
    for id in &keys {
        if let Some(key) = try_key(store, *id, secret).await? {
            return Ok(Some((key, *id)));
        }
    }
    if keys.is_empty() {
        Ok(None)
    } else {
        Err(EngineError::WrongPassword { store: store.describe(), keys: keys.len() })
    }
}

async fn new_key(
    store: &dyn Store,
    secret: &RepositorySecret,
    options: InitOptions,
) -> Result<(MasterKey, KeyId), EngineError> {
    let secret = secret.clone();
    let made = tokio::task::spawn_blocking(move || {
        let InitOptions { now, owner, scrypt } = options;
        let key = MasterKey::random(&mut rand::rng());
        let file = KeyFile::create(&key, secret.as_bytes(), scrypt, owner, now, &mut rand::rng())?;
        Ok::<_, FormatError>((key, file.encode()?))
    });
    let (key, bytes) = made.await?.map_err(EngineError::format("the new key"))?;
    let id = create(store, FileKind::Key, bytes.into()).await?;
    Ok((key, id))
}
