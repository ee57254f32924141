//! Where a backup location lies that is a container of one of the vault's own storage accounts.

use crate::{
    api::{
        Loaded, load, read,
        storage::{ACCOUNT, AccountRecord, ContainerRecord, container_id},
    },
    keys::setting,
    store::{Store, StoreError},
};
use arm::ResourceId;
use std::collections::BTreeMap;
use storage::{StorePath, location::REPOSITORY_FOLDER};

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

/// Where the repository of a location lies.
pub async fn located(
    store: &dyn Store,
    settings: &BTreeMap<String, String>,
) -> Result<Result<Located, NotLocated>, StoreError> {
    let (Some(account), Some(bucket)) =
        (setting(settings, ".config.storageAccount"), setting(settings, ".bucket"))
    else {
        return Ok(Err(NotLocated::Outside));
    };
    let Some(account) = account_named(store, account).await? else { return Ok(Err(NotLocated::Outside)) };
    let id = container_id(&account.id, bucket).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let container: Option<Loaded<ContainerRecord>> = load(store, &id).await?;
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

/// Names of accounts are unique in the vault.
async fn account_named(store: &dyn Store, name: &str) -> Result<Option<Loaded<AccountRecord>>, StoreError> {
    for subscription in store.subscriptions().await? {
        let mut after: Option<String> = None;
        loop {
            let page = store.resources(ACCOUNT, &subscription.id, after.as_deref(), 1_000).await?;
            let whole = page.len() == 1_000;
            after = page.last().map(|last| last.id.folded().to_owned());
            if let Some(found) = page.into_iter().find(|stored| stored.id.name().eq_ignore_ascii_case(name)) {
                return read(found).map(Some);
            }
            if !whole {
                break;
            }
        }
    }
    Ok(None)
}
