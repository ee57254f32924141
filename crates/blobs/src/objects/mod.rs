//! A prefix in another object store (S3, Azure Blob, Google Cloud Storage) as a container.
//!
//! Conditions are the store's own, so they hold between replicas too, except for one: a blob above
//! [`write::AT_ONCE`] bytes that is written under `If-Match` is checked first and written then.

mod fault;
mod meta;
mod write;

use crate::{
    Backing, BlobError, Conditions, Content, Found, Item, Key, Listing, Page, Properties, Read, Write,
    backing::Choose,
    names::{RESERVED, is_blob},
};
use async_trait::async_trait;
use fault::at_fault;
use futures::{StreamExt, TryStreamExt};
use meta::{found_of, plain};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};
use std::sync::Arc;

/// A prefix in an object store.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    pages: Arc<dyn PaginatedListStore>,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Objects({}, {:?})", self.store, self.prefix)
    }
}

impl Objects {
    /// The container below `prefix`. An S3 store must have `copy_if_not_exists` set, else large blobs cannot be created
    /// under `If-None-Match: *`.
    pub fn new<S: ObjectStore + PaginatedListStore>(store: Arc<S>, prefix: &str) -> Self {
        Self::of(store.clone(), store, prefix)
    }

    /// The same, for one client that is at hand as two.
    pub fn of(store: Arc<dyn ObjectStore>, pages: Arc<dyn PaginatedListStore>, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { store, pages, prefix }
    }

    fn at(&self, key: &Key) -> Result<Path, BlobError> {
        Path::parse(format!("{}{key}", self.prefix))
            .map_err(|_| BlobError::name("blob", "this account's store does not take it"))
    }
}

#[async_trait]
impl Backing for Objects {
    async fn look(&self, key: &Key) -> Result<Option<Found>, BlobError> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.store.get_opts(&self.at(key)?, options).await {
            Ok(result) => Ok(Some(found_of(&result))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(at_fault("look at", key.as_str(), &error)),
        }
    }

    async fn read(&self, key: &Key, choose: Choose<'_>) -> Result<Option<Read>, BlobError> {
        let Some(found) = self.look(key).await? else { return Ok(None) };
        let range = choose(&found)?;
        if range.is_empty() {
            return Ok(Some(Read { found, range, content: futures::stream::empty().boxed() }));
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: Some(format!("\"{}\"", found.etag)).filter(|_| found.version.is_none()),
            version: found.version.clone(),
            ..GetOptions::default()
        };
        let result = match self.store.get_opts(&self.at(key)?, options).await {
            Ok(result) => result,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(object_store::Error::Precondition { .. }) => return Err(BlobError::busy()),
            Err(error) => return Err(at_fault("read", key.as_str(), &error)),
        };
        let name = key.to_string();
        let content = result.into_stream().map_err(move |error| at_fault("read", &name, &error)).boxed();
        Ok(Some(Read { found, range, content }))
    }

    async fn write(&self, key: &Key, write: Write<'_>, content: Content) -> Result<Found, BlobError> {
        write::write(self, key, write, content).await
    }

    async fn delete(&self, key: &Key, conditions: &Conditions) -> Result<(), BlobError> {
        // Object stores do not say whether there was something, and delete without conditions.
        match self.look(key).await? {
            None => return Err(BlobError::no_blob()),
            Some(found) if !conditions.is_none() => conditions.check_write(Some(&found))?,
            Some(_) => {}
        }
        match self.store.delete(&self.at(key)?).await {
            Ok(()) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => Err(BlobError::no_blob()),
            Err(error) => Err(at_fault("delete", key.as_str(), &error)),
        }
    }

    async fn describe(&self, _: &Key, _: Properties, _: &Conditions) -> Result<Found, BlobError> {
        Err(BlobError::unsupported("Changing the properties of a blob in this account's store"))
    }

    async fn list(&self, listing: &Listing) -> Result<Page, BlobError> {
        let prefix = format!("{}{}", self.prefix, listing.prefix);
        let mut page = Page::default();
        let first = listing.from.as_deref().filter(|_| listing.marker.is_none());
        if let Some(from) = first.filter(|from| is_blob(from) && from.starts_with(&listing.prefix)) {
            // The store begins behind a name; the name itself is wanted too.
            let found = self.look(&Key::own(from.to_owned())).await?;
            page.items.extend(found.map(|found| Item::Blob(from.to_owned(), found)));
        }
        let options = PaginatedListOptions {
            offset: first.map(|from| format!("{}{from}", self.prefix)),
            delimiter: listing.folders.then(|| "/".into()),
            max_keys: Some(listing.most),
            page_token: listing.marker.clone(),
            ..PaginatedListOptions::default()
        };
        let prefix = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let listed = match self.pages.list_paginated(prefix, options).await {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => return Ok(page),
            Err(error) if listing.marker.is_some() && fault::is_refusal(&error) => {
                return Err(BlobError::parameter("marker", "is not one that a list ended with"));
            }
            Err(error) => return Err(at_fault("list", &listing.prefix, &error)),
        };
        let shown = |name: &str| listing.own == name.starts_with(RESERVED) && (listing.own || is_blob(name));
        for object in &listed.result.objects {
            match object.location.as_ref().strip_prefix(&self.prefix) {
                Some(name) if shown(name) => page.items.push(Item::Blob(name.to_owned(), plain(object))),
                _ => {}
            }
        }
        for folder in &listed.result.common_prefixes {
            match folder.as_ref().strip_prefix(&self.prefix) {
                Some(name) if shown(name) => page.items.push(Item::Folder(format!("{name}/"))),
                _ => {}
            }
        }
        page.items.sort_by(|one, other| name_of(one).cmp(name_of(other)));
        page.next = listed.page_token;
        Ok(page)
    }
}

fn name_of(item: &Item) -> &str {
    match item {
        Item::Blob(name, _) | Item::Folder(name) => name,
    }
}
