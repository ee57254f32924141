//! Where the repositories are whose keys the vault has: in accounts of its own, or where the operator says.

use crate::{
    api::{
        Loaded, load, read,
        storage::{ACCOUNT, AccountRecord, ContainerRecord, container_id},
    },
    directory::DataDirectory,
    keys::{KeyedLocation, locations, setting},
    store::{Store, StoreError},
    stores::{DEFAULT, DEFAULT_FOLDER, StoreSpec, files_of},
};
use std::{collections::BTreeMap, sync::Arc};
use storage::{StorePath, location::REPOSITORY_FOLDER};
use telemetry::Clock;

/// A repository.
#[derive(Debug)]
pub struct Repository {
    /// Id of its key.
    pub key: String,
    /// The settings of its location.
    pub settings: BTreeMap<String, String>,
    /// Its files; or why they cannot be reached from here, with what the operator can do.
    pub files: Result<Arc<dyn storage::Store>, String>,
}

/// Where the operator's stores are.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// The stores of storage accounts, as the vault is started with them.
    pub stores: &'a [StoreSpec],
    /// Locations outside the vault, each named after its key: where its bucket and prefix are.
    pub locations: &'a [StoreSpec],
    /// The data directory, where the store `default` is.
    pub directory: &'a DataDirectory,
    /// The time.
    pub clock: &'a Arc<dyn Clock>,
}

/// All repositories whose keys the database holds.
pub async fn repositories(store: &dyn Store, reach: Reach<'_>) -> Result<Vec<Repository>, StoreError> {
    let mut found = Vec::new();
    for KeyedLocation { id: key, settings, .. } in locations(store).await? {
        let files = match place(store, reach, &key, &settings).await? {
            Ok((spec, folder)) => files_of(&spec, &folder, reach.clock).await,
            Err(why) => Err(why),
        };
        found.push(Repository { key, settings, files });
    }
    Ok(found)
}

/// Store and folder of a repository.
async fn place(
    store: &dyn Store,
    reach: Reach<'_>,
    key: &str,
    settings: &BTreeMap<String, String>,
) -> Result<Result<(StoreSpec, StorePath), String>, StoreError> {
    let folder = |text: &str| StorePath::parse(text).map_err(|bad| format!("the folder {text:?}: {bad}"));
    if let Some(named) = reach.locations.iter().find(|spec| spec.name == key) {
        return Ok(folder(REPOSITORY_FOLDER).map(|folder| (named.clone(), folder)));
    }
    let outside = || format!("it lies outside the vault; say where with --repository {key}=URL");
    let (Some(account), Some(bucket)) =
        (setting(settings, ".config.storageAccount"), setting(settings, ".bucket"))
    else {
        return Ok(Err(outside()));
    };
    let Some(account) = account_named(store, account).await? else { return Ok(Err(outside())) };
    let id = container_id(&account.id, bucket).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let container: Option<Loaded<ContainerRecord>> = load(store, &id).await?;
    let Some(container) = container else {
        return Ok(Err(format!(
            "its container {bucket} is gone from the storage account {}",
            account.id.name()
        )));
    };
    let named = &account.document.store;
    let spec = match reach.stores.iter().find(|spec| spec.name == *named) {
        Some(spec) => spec.clone(),
        None if named == DEFAULT => StoreSpec::directory(DEFAULT, reach.directory.path(DEFAULT_FOLDER)),
        None => {
            return Ok(Err(format!(
                "its storage account lies in the store {named}, which was not named; give --store {named}=URL as \
                 `vault serve` has it"
            )));
        }
    };
    let prefix = setting(settings, ".prefix").map(|prefix| prefix.trim_matches('/'));
    let parts = [Some(container.document.folder.as_str()), prefix, Some(REPOSITORY_FOLDER)];
    let path = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    Ok(folder(&path).map(|folder| (spec, folder)))
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
