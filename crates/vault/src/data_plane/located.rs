//! Where a backup location lies that is a container of one of the vault's own storage accounts.

use crate::api::Each;
use crate::{
    api::{
        Loaded, load, read,
        storage::{ACCOUNT, AccountRecord, ContainerRecord, NameRecord, container_id, index},
    },
    keys::setting,
    store::{Store, StoreError},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use storage::{StorePath, location::REPOSITORY_FOLDER};

/// A backup that ended while its account was deleted is written down a little later.
const LATE: SignedDuration = SignedDuration::from_hours(1);

/// Where a repository lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The storage account.
    pub account: ResourceId,
    /// The operator's store in which the account lies.
    pub store: String,
    /// The repository's folder there.
    pub folder: StorePath,
}

/// Why it lies nowhere here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLocated {
    /// It is in no account of the vault.
    #[error("it lies outside the vault")]
    Outside,
    /// Its account was deleted, and with it all that was in it.
    #[error("its storage account {account} was deleted at {at}, with all that was in it")]
    NoAccount {
        /// The account's name.
        account: String,
        /// When.
        at: Timestamp,
    },
    /// Its container was deleted, and with it all that was in it.
    #[error("its container {container} is gone from the storage account {account}")]
    NoContainer {
        /// The account's name.
        account: String,
        /// The container's name.
        container: String,
    },
    /// It can be no folder.
    #[error("the folder {0:?}: {1}")]
    Folder(String, String),
}

impl NotLocated {
    /// Whether it lay in the vault and is there no more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::NoAccount { .. } | Self::NoContainer { .. })
    }
}

/// Where the repository of a location lies. With the time at which something was written there it is where that lies: an
/// account or a container that was made of the same name since is another one.
pub async fn located(
    store: &dyn Store,
    settings: &BTreeMap<String, String>,
    written: Option<Timestamp>,
) -> Result<Result<Located, NotLocated>, StoreError> {
    let (Some(name), Some(bucket)) =
        (setting(settings, ".config.storageAccount"), setting(settings, ".bucket"))
    else {
        return Ok(Err(NotLocated::Outside));
    };
    let account = account_named(store, name).await?;
    let is_younger = |made: Timestamp| written.is_some_and(|written| made > written);
    let Some(account) = account.filter(|account| !is_younger(account.document.created_at)) else {
        return gone(store, name, written).await.map(Err);
    };
    let id = container_id(&account.id, bucket).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let container: Option<Loaded<ContainerRecord>> = load(store, &id).await?;
    let container = container.filter(|container| !container.document.created_at.is_some_and(is_younger));
    let Some(container) = container else {
        let (account, container) = (account.id.name().to_owned(), bucket.to_owned());
        return Ok(Err(NotLocated::NoContainer { account, container }));
    };
    let prefix = setting(settings, ".prefix").map(|prefix| prefix.trim_matches('/'));
    let parts = [Some(container.document.folder.as_str()), prefix, Some(REPOSITORY_FOLDER)];
    let path = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    Ok(match StorePath::parse(path.as_str()) {
        Ok(folder) => Ok(Located { account: account.id, store: account.document.store, folder }),
        Err(bad) => Err(NotLocated::Folder(path, bad.to_string())),
    })
}

/// What is known of an account that is not there.
async fn gone(store: &dyn Store, name: &str, written: Option<Timestamp>) -> Result<NotLocated, StoreError> {
    let Ok(index) = index(name) else { return Ok(NotLocated::Outside) };
    let known: Option<Loaded<NameRecord>> = load(store, &index).await?;
    let lives = known.map(|known| known.document.earlier).unwrap_or_default();
    // Of an account outside the vault that has the same name, nothing is known.
    let life = lives.into_iter().rev().find(|life| {
        written.is_none_or(|written| {
            life.from <= written && written <= life.until.saturating_add(LATE).unwrap_or(life.until)
        })
    });
    Ok(match life {
        Some(life) => NotLocated::NoAccount { account: name.to_owned(), at: life.until },
        None => NotLocated::Outside,
    })
}

/// Names of accounts are unique in the vault.
async fn account_named(store: &dyn Store, name: &str) -> Result<Option<Loaded<AccountRecord>>, StoreError> {
    for subscription in store.subscriptions().await? {
        let mut each = Each::of(store, ACCOUNT, &subscription.id);
        while let Some(stored) = each.next().await? {
            if stored.id.name().eq_ignore_ascii_case(name) {
                return read(stored).map(Some);
            }
        }
    }
    Ok(None)
}
