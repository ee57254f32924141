//! The calls on accounts.

use super::{
    AccountRecord,
    decide::{self, Around},
    record::shown,
    removal,
};
use crate::{
    alerts,
    api::{
        Call, Failure,
        resource::{
            self, Loaded, TRIES, check_conditions, check_group, check_registered, load, put as write, read,
        },
        storage::{ACCOUNT, NAMESPACE, READ, names},
    },
    protect::hold::{self, Place},
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, ResourceId};
use uuid::Uuid;

type Account = Loaded<AccountRecord>;

/// Those that the caller may see, in pages.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    resource::page(call, ACCOUNT, call.scope()?, |stored| {
        if !call.may(READ, &stored.id) {
            return Ok(None);
        }
        let account: Account = read(stored)?;
        Ok(Some(shown(&account.id, &account.document, &call.app.public)))
    })
    .await
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.scope()?;
    let account = existing(call).await?.ok_or_else(|| ArmError::not_found(id))?;
    Ok(answer(call, &account))
}

/// The account of a path that goes on behind it.
pub async fn of_path(call: &Call<'_>) -> Result<Account, Failure> {
    let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
    let group =
        ResourceId::group(call.params.get("subscription"), call.params.get("group")).map_err(wrong)?;
    let id = group.with(ACCOUNT, call.params.get("account")).map_err(wrong)?;
    let found = load(call.app.store.as_ref(), &id).await?;
    Ok(found.ok_or_else(|| ArmError::not_found(&id))?)
}

/// Creates or replaces. Clients take 200 alone for an answer that is final.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("account");
    names::check(name)?;
    let body = call.json()?;
    check_registered(call, NAMESPACE).await?;
    for _ in 0..TRIES {
        let group = check_group(call, call.scope()?).await?;
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let is = found.as_ref().map(|found| &found.document);
        let record = decide::put(name, is, &body, around(call, &|store| call.app.stored.stores.has(store)))?;
        let wrong = |error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string());
        let (id, changes) = match found {
            Some(found) => {
                let change = write(&found.id, &record, Expected::Version(found.version))?;
                (found.id, vec![change])
            }
            None => {
                let id = group.with(ACCOUNT, name).map_err(wrong)?;
                let changes = vec![write(&id, &record, Expected::Absent)?, take(call, name, &id).await?];
                (id, changes)
            }
        };
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.stored.forget(name);
                return Ok(answer(call, &Loaded { id, document: record, version: 1 }));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// The change that takes a name, unless another account has it.
async fn take(call: &Call<'_>, name: &str, id: &ResourceId) -> Result<Change, Failure> {
    if names::holder(call, name).await?.is_some_and(|holder| holder != *id) {
        return Err(names::taken(name).into());
    }
    let index = names::index(name).map_err(|error| StoreError::Damaged(error.to_string()))?;
    // What stands there is of accounts that are gone, and stays known.
    let left: Option<Loaded<names::NameRecord>> = load(call.app.store.as_ref(), &index).await?;
    let (earlier, expected) = match left {
        Some(left) => (left.document.earlier, Expected::Version(left.version)),
        None => (Vec::new(), Expected::Absent),
    };
    Ok(write(&index, &names::NameRecord { account: id.clone(), earlier }, expected)?)
}

/// Changes some of it.
pub async fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    for _ in 0..TRIES {
        let id = call.scope()?;
        let found = existing(call).await?.ok_or_else(|| ArmError::not_found(id))?;
        check_conditions(call, Some(found.version))?;
        let has_store = |store: &str| call.app.stored.stores.has(store);
        let document = decide::patch(found.id.name(), &found.document, &body, around(call, &has_store))?;
        match call.commit(&[write(&found.id, &document, Expected::Version(found.version))?]).await {
            Ok(()) => {
                call.app.stored.forget(found.id.name());
                return Ok(answer(call, &Loaded { id: found.id, document, version: found.version + 1 }));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Deletes it, unless recovery points hold it; its data goes in the background. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let found = existing(call).await?;
        check_conditions(call, found.as_ref().map(|found| found.version))?;
        let Some(found) = found else { return Ok(Reply::empty(204)) };
        let place = Place { accounts: &[found.id.name()], container: None };
        if let Some(refusal) =
            hold::keeps(call.app.store.as_ref(), place, "AccountProtectedFromDeletion").await?
        {
            return Err(refusal.into());
        }
        let mut changes = removal(call.app.store.as_ref(), &found, call.now).await?;
        changes.extend(
            alerts::place_deleted(call.app, &[found.id.name()], None, &call.caller.object_id, call.now)
                .await?,
        );
        changes.push(Change::Remove(found.id.clone(), Expected::Version(found.version)));
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.stored.forget(found.id.name());
                call.app.poke_work.notify_one();
                return Ok(Reply::empty(200));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

fn around<'c>(call: &'c Call<'_>, has_store: &'c dyn Fn(&str) -> bool) -> Around<'c> {
    let unique = Uuid::new_v4().simple().to_string();
    let folder = format!("{}-{}", call.params.get("account"), unique.get(..8).unwrap_or(&unique));
    Around { tenant: call.app.issuer.tenant(), has_store, folder, now: call.now }
}

async fn existing(call: &Call<'_>) -> Result<Option<Account>, Failure> {
    Ok(load(call.app.store.as_ref(), call.scope()?).await?)
}

fn answer(call: &Call<'_>, account: &Account) -> Reply {
    Reply::json(200, shown(&account.id, &account.document, &call.app.public))
}
