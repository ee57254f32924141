//! A store each of whose operations has seconds, its own attempts included: preflight does not wait for a store that does
//! not answer.

use async_trait::async_trait;
use bytes::Bytes;
use std::{future::Future, ops::Range, sync::Arc, time::Duration};
use storage::{Entry, Store, StoreError, StoreErrorKind, StorePath};

/// A store that answers in time or counts as out of reach.
#[derive(Debug)]
pub(super) struct InTime {
    store: Arc<dyn Store>,
    limit: Duration,
}

impl InTime {
    pub(super) fn new(store: Arc<dyn Store>, limit: Duration) -> Self {
        Self { store, limit }
    }

    async fn soon<T>(
        &self,
        tried: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.limit, work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::new(
                tried,
                self.store.describe(),
                StoreErrorKind::Unreachable,
                format!("no answer within {} s", self.limit.as_secs_f32()),
            )),
        }
    }
}

#[async_trait]
impl Store for InTime {
    fn describe(&self) -> String {
        self.store.describe()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.soon("create", self.store.create(path, data)).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.soon("replace", self.store.replace(path, data)).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        self.soon("read", self.store.read(path)).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.soon("read", self.store.read_range(path, range)).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.soon("read", self.store.size(path)).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        self.soon("list", self.store.list(prefix)).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.soon("list", self.store.top_level(limit)).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.soon("delete", self.store.delete(path)).await
    }
}
