//! S3, Azure Blob and Google Cloud Storage behind the [`Store`] trait.

mod azure_delete;
pub(crate) mod azure_sign;
mod build;
mod classify;
mod fresh;

pub(crate) use build::{CloudTarget, Retries, build, with_bucket};
pub use classify::innermost;
pub(crate) use classify::{is_untrusted, service_words};

use crate::{Entry, Store, StoreError, StoreErrorKind as Kind, StorePath};
use async_trait::async_trait;
use azure_delete::AzureDelete;
use bytes::Bytes;
use classify::classify;
use fresh::Fresh;
use futures::TryStreamExt;
use jiff::Timestamp;
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    list::{PaginatedListOptions, PaginatedListStore},
    path::Path,
};
use std::{ops::Range, sync::Arc};

/// A bucket or container in an object store.
#[derive(Clone)]
pub(crate) struct CloudStore {
    objects: Arc<dyn ObjectStore>,
    pages: Arc<dyn PaginatedListStore>,
    /// For example `bucket backups of S3 at http://…`.
    name: String,
    fresh: Arc<Fresh>,
    azure_delete: Option<Arc<AzureDelete>>,
}

impl std::fmt::Debug for CloudStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CloudStore({})", self.describe())
    }
}

impl CloudStore {
    fn new<S: ObjectStore + PaginatedListStore>(client: S, name: String, fresh: Arc<Fresh>) -> Self {
        let client = Arc::new(client);
        Self { objects: client.clone(), pages: client, name, fresh, azure_delete: None }
    }

    /// The client itself.
    pub(crate) fn client(&self) -> (Arc<dyn ObjectStore>, Arc<dyn PaginatedListStore>) {
        (self.objects.clone(), self.pages.clone())
    }

    fn target(&self, path: &StorePath) -> String {
        if path.is_root() { self.describe() } else { format!("{path} in {}", self.describe()) }
    }

    fn fail(&self, tried: &'static str, path: &StorePath, error: &object_store::Error) -> StoreError {
        self.seen(classify(tried, self.target(path), error))
    }

    fn seen(&self, error: StoreError) -> StoreError {
        if matches!(error.kind, Kind::BadCredentials | Kind::Denied) {
            // A right or a key may have changed since it was read: ask the source again next time.
            self.fresh.forget();
        }
        error
    }

    fn own(&self, tried: &'static str, path: &StorePath, kind: Kind, cause: String) -> StoreError {
        StoreError::new(tried, format!("{path} in {}", self.describe()), kind, cause)
    }

    /// After a refused create: success when the same content is there already.
    async fn compare(&self, path: &StorePath, data: &Bytes, refused: StoreError) -> Result<(), StoreError> {
        let other = || {
            self.own("create", path, Kind::Exists, "a file of that name with other content is there".into())
        };
        match self.objects.head(&at(path)).await {
            Ok(found) if found.size != data.len() as u64 => Err(other()),
            Ok(_) if self.read(path).await? == *data => Ok(()),
            Ok(_) => Err(other()),
            // Refused for another writer that has not finished, or for another reason than existence.
            Err(object_store::Error::NotFound { .. }) if refused.kind == Kind::Exists => {
                Err(StoreError { kind: Kind::Unreachable, temporary: true, ..refused })
            }
            Err(_) => Err(refused),
        }
    }
}

fn at(path: &StorePath) -> Path {
    // A StorePath has passed stricter rules than those of Path.
    Path::parse(path.as_str()).unwrap_or_else(|_| Path::from(path.as_str()))
}

fn timestamp(meta: &object_store::ObjectMeta) -> Timestamp {
    Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[async_trait]
impl Store for CloudStore {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.fresh.describe())
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        let payload = PutPayload::from_bytes(data.clone());
        let Err(error) = self.objects.put_opts(&at(path), payload, PutMode::Create.into()).await else {
            return Ok(());
        };
        let error = self.fail("create", path, &error);
        if error.kind == Kind::Exists { self.compare(path, &data, error).await } else { Err(error) }
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        let put = self.objects.put(&at(path), PutPayload::from_bytes(data)).await;
        put.map(drop).map_err(|error| self.fail("write", path, &error))
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        let fail = |error| self.fail("read", path, &error);
        let found = self.objects.get(&at(path)).await.map_err(fail)?;
        let expected = found.meta.size;
        let data = found.bytes().await.map_err(fail)?;
        match data.len() as u64 {
            got if got == expected => Ok(data),
            got => Err(self.own("read", path, Kind::Corrupt, format!("{got} of {expected} bytes came back"))),
        }
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        let expected = range.end.saturating_sub(range.start);
        if expected == 0 {
            // Object stores cannot return an empty range; the file must still exist and be long enough.
            return match self.size(path).await? {
                size if size >= range.end => Ok(Bytes::new()),
                size => Err(self.own("read", path, Kind::Corrupt, format!("the file has only {size} bytes"))),
            };
        }
        let got = self.objects.get_range(&at(path), range.clone()).await;
        let data = got.map_err(|error| self.fail("read", path, &error))?;
        if data.len() as u64 == expected {
            return Ok(data);
        }
        let cause = format!("{} of {expected} bytes came back for range {range:?}", data.len());
        Err(self.own("read", path, Kind::Corrupt, cause))
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        let found = self.objects.head(&at(path)).await;
        Ok(found.map_err(|error| self.fail("measure", path, &error))?.size)
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        let below = (!prefix.is_root()).then(|| at(prefix));
        let mut found: Vec<Entry> = self
            .objects
            .list(below.as_ref())
            .try_filter_map(|meta| async move {
                let path = StorePath::parse(meta.location.as_ref()).ok();
                Ok(path.map(|path| Entry { path, size: meta.size, modified: timestamp(&meta) }))
            })
            .try_collect()
            .await
            .map_err(|error| self.fail("list", prefix, &error))?;
        found.sort_unstable();
        Ok(found)
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions {
                delimiter: Some("/".into()),
                page_token,
                ..PaginatedListOptions::default()
            };
            let page = self.pages.list_paginated(None, options).await;
            let page = page.map_err(|error| self.fail("list", &StorePath::root(), &error))?;
            names.extend(page.result.common_prefixes.iter().map(|folder| format!("{folder}/")));
            names.extend(page.result.objects.iter().map(|object| object.location.to_string()));
            page_token = page.page_token;
            if page_token.is_none() || names.len() >= limit {
                break;
            }
        }
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        let deleted = match &self.azure_delete {
            Some(azure) => azure.delete(path, self.target(path)).await.map_err(|error| self.seen(error)),
            None => self.objects.delete(&at(path)).await.map_err(|error| self.fail("delete", path, &error)),
        };
        match deleted {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other,
        }
    }
}
