//! Where the repositories are whose keys the vault has: in accounts of its own, or where the operator says.

use crate::{
    data_plane::{NotLocated, located},
    directory::DataDirectory,
    keys::{KeyedLocation, locations},
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
    if let Some(named) = reach.locations.iter().find(|spec| spec.name == key) {
        let folder = StorePath::parse(REPOSITORY_FOLDER).map_err(|bad| bad.to_string());
        return Ok(folder.map(|folder| (named.clone(), folder)));
    }
    let found = match located(store, settings, None).await? {
        Ok(found) => found,
        Err(error @ NotLocated::Outside) => {
            return Ok(Err(format!("{error}; say where with --repository {key}=URL")));
        }
        Err(error) => return Ok(Err(error.to_string())),
    };
    let named = &found.store;
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
    Ok(Ok((spec, found.folder)))
}
