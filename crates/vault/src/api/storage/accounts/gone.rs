//! What goes with an account: its name is free again, and what it held is removed in the background. That there was such
//! an account stays known: recovery points that lay there are gone, and not in a place that the vault never knew.

use super::AccountRecord;
use crate::api::Each;
use crate::{
    alerts,
    api::{
        Loaded, put, read,
        resource::load,
        storage::{
            ACCOUNT,
            names::{Life, NameRecord, index},
        },
    },
    app::App,
    data_plane::remove,
    store::{Change, Expected, Store, StoreError},
};
use arm::ResourceId;
use jiff::Timestamp;

/// The changes that go with the removal of all accounts below some ids, resource groups that go at once.
pub async fn changes(
    app: &App,
    groups: &[ResourceId],
    by: &str,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let store = app.store.as_ref();
    let (mut changes, mut names) = (Vec::new(), Vec::new());
    for group in groups {
        let mut each = Each::of(store, ACCOUNT, group);
        while let Some(stored) = each.next().await? {
            let account: Loaded<AccountRecord> = read(stored)?;
            changes.extend(removal(store, &account, now).await?);
            names.push(account.id.name().to_owned());
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    changes.extend(alerts::place_deleted(app, &names, None, by, now).await?);
    Ok(changes)
}

/// The changes that go with the removal of one account.
pub async fn removal(
    store: &dyn Store,
    account: &Loaded<AccountRecord>,
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let AccountRecord { store: place, folder, .. } = &account.document;
    let mut changes = vec![remove::work(&account.id, place, folder, now)];
    let id = index(account.id.name()).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let found: Option<Loaded<NameRecord>> = load(store, &id).await?;
    let life = Life { account: account.id.clone(), from: account.document.created_at, until: now };
    changes.push(match found {
        Some(found) => put(&id, &found.document.ended(life), Expected::Version(found.version))?,
        None => {
            let record = NameRecord { account: account.id.clone(), earlier: vec![life] };
            put(&id, &record, Expected::Absent)?
        }
    });
    Ok(changes)
}
