//! A container in whose repositories recovery points must stay: nobody deletes or changes over the wire what they need, with
//! whatever roles. The vault itself works in the store behind.

use super::gate::of_store;
use crate::{
    app::App,
    protect::hold::{Part, may_be_part, part, refuses_to_forget},
};
use async_trait::async_trait;
use blobs::{
    Backing, BlobError, Choose, Conditions, Content, Found, Key, Listing, Page, Properties, Read, Write,
};
use http::StatusCode;
use std::sync::Arc;

const SHARED: &str =
    "recovery points of an immutable vault need it; the vault deletes what none of them needs";

/// The blobs of a container.
#[derive(Debug)]
pub struct Held {
    app: Arc<App>,
    account: String,
    container: String,
    inner: Arc<dyn Backing>,
}

impl Held {
    /// Around the blobs of a container.
    pub fn new(app: Arc<App>, account: &str, container: &str, inner: Arc<dyn Backing>) -> Self {
        Self { app, account: account.to_owned(), container: container.to_owned(), inner }
    }

    /// What a blob is to a repository in which something must stay, and that repository's prefix.
    async fn part(&self, key: &Key) -> Result<Option<(Option<String>, Part)>, BlobError> {
        if !may_be_part(key.as_str()) {
            return Ok(None);
        }
        let (store, now) = (self.app.store.as_ref(), self.app.clock.now());
        let prefixes = self.app.holds.prefixes(store, &self.account, &self.container, now).await;
        let prefixes = prefixes.map_err(|error| of_store(&error))?;
        let mut parts = prefixes.into_iter().filter_map(|prefix| {
            let part = part(prefix.as_deref(), key.as_str())?;
            Some((prefix, part))
        });
        Ok(parts.next().filter(|(_, part)| *part != Part::Passing))
    }
}

fn refused(key: &Key, why: &str) -> BlobError {
    tracing::info!(blob = %key, why, "a blob that must stay was to be deleted or changed");
    let message = format!("The blob cannot be deleted or changed: {why}.");
    BlobError::new(StatusCode::CONFLICT, "BlobImmutableDueToPolicy", message)
}

#[async_trait]
impl Backing for Held {
    async fn look(&self, key: &Key) -> Result<Option<Found>, BlobError> {
        self.inner.look(key).await
    }

    async fn read(&self, key: &Key, choose: Choose<'_>) -> Result<Option<Read>, BlobError> {
        self.inner.read(key, choose).await
    }

    async fn write(&self, key: &Key, write: Write<'_>, content: Content) -> Result<Found, BlobError> {
        // Whoever creates changes nothing that is there.
        if write.conditions.creates() || self.part(key).await?.is_none() {
            return self.inner.write(key, write, content).await;
        }
        if let Some(found) = self.inner.look(key).await? {
            write.conditions.check_write(Some(&found))?;
            return Err(refused(key, SHARED));
        }
        // If one comes while this is written, it stays.
        let conditions = Conditions { none_matches: Some("*".to_owned()), ..write.conditions.clone() };
        self.inner.write(key, Write { conditions: &conditions, ..write }, content).await
    }

    async fn delete(&self, key: &Key, conditions: &Conditions) -> Result<(), BlobError> {
        match self.part(key).await? {
            None => {}
            Some((prefix, Part::Snapshot(id))) => {
                let (account, container) = (&self.account, &self.container);
                let why = refuses_to_forget(&self.app, account, container, prefix.as_deref(), &id).await;
                if let Some(why) = why.map_err(|error| of_store(&error))? {
                    return Err(refused(key, &why));
                }
            }
            Some(_) if self.inner.look(key).await?.is_none() => return Err(BlobError::no_blob()),
            Some(_) => return Err(refused(key, SHARED)),
        }
        self.inner.delete(key, conditions).await
    }

    async fn describe(
        &self,
        key: &Key,
        properties: Properties,
        conditions: &Conditions,
    ) -> Result<Found, BlobError> {
        match self.part(key).await? {
            None => self.inner.describe(key, properties, conditions).await,
            Some(_) => Err(refused(key, SHARED)),
        }
    }

    async fn list(&self, listing: &Listing) -> Result<Page, BlobError> {
        self.inner.list(listing).await
    }
}
