//! Which accounts there are, remembered for a few seconds: every request asks.

use crate::{
    api::{
        Loaded, load,
        storage::{AccountRecord, NameRecord, index},
    },
    store::{Store, StoreError},
    stores::Stores,
};
use arm::ResourceId;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long what was read is believed. A network rule counts after this time at the latest, on every replica.
pub const BELIEVED: Duration = Duration::from_secs(5);
/// Accounts and principals that are remembered.
pub const REMEMBERED: usize = 10_000;

/// An account, and where its containers lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its id.
    pub id: ResourceId,
    /// What is kept of it.
    pub record: AccountRecord,
}

/// What the data plane and the management of accounts have in common.
#[derive(Debug)]
pub struct StoredData {
    /// The operator's stores.
    pub stores: Stores,
    accounts: Mutex<HashMap<String, (Instant, Arc<Known>)>>,
}

impl StoredData {
    /// Over these stores.
    pub fn new(stores: Stores) -> Self {
        Self { stores, accounts: Mutex::default() }
    }

    /// The account of a name, as it was at most [`BELIEVED`] ago.
    pub async fn known(&self, store: &dyn Store, name: &str) -> Result<Option<Arc<Known>>, StoreError> {
        if let Some((at, known)) = self.accounts.lock().get(name)
            && at.elapsed() < BELIEVED
        {
            return Ok(Some(known.clone()));
        }
        let found = self.find(store, name).await?.map(Arc::new);
        let mut accounts = self.accounts.lock();
        match &found {
            Some(known) => {
                if accounts.len() >= REMEMBERED {
                    accounts.clear();
                }
                accounts.insert(name.to_owned(), (Instant::now(), known.clone()));
            }
            None => drop(accounts.remove(name)),
        }
        Ok(found)
    }

    /// The account of a name, as it is.
    pub async fn find(&self, store: &dyn Store, name: &str) -> Result<Option<Known>, StoreError> {
        let damaged = |error: arm::IdError| StoreError::Damaged(error.to_string());
        let named: Option<Loaded<NameRecord>> = load(store, &index(name).map_err(damaged)?).await?;
        let Some(named) = named else { return Ok(None) };
        let account: Option<Loaded<AccountRecord>> = load(store, &named.document.account).await?;
        Ok(account.map(|account| Known { id: account.id, record: account.document }))
    }

    /// Reads an account again the next time: it was changed here.
    pub fn forget(&self, name: &str) {
        self.accounts.lock().remove(name);
    }
}
