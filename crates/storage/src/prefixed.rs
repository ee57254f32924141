//! A store that lives in one folder of another.

use crate::{Entry, Store, StoreError, StoreErrorKind, StorePath};
use async_trait::async_trait;
use bytes::Bytes;
use std::{ops::Range, sync::Arc};

/// The part of a store below a prefix, as a store of its own.
#[derive(Debug, Clone)]
pub struct Prefixed {
    inner: Arc<dyn Store>,
    prefix: StorePath,
}

impl Prefixed {
    /// The files of `inner` below `prefix`.
    pub fn new(inner: Arc<dyn Store>, prefix: StorePath) -> Self {
        Self { inner, prefix }
    }

    fn inside(&self, tried: &'static str, path: &StorePath) -> Result<StorePath, StoreError> {
        self.prefix.join_path(path).map_err(|bad| {
            StoreError::new(
                tried,
                format!("{path} in {}", self.describe()),
                StoreErrorKind::Other,
                bad.to_string(),
            )
        })
    }
}

#[async_trait]
impl Store for Prefixed {
    fn describe(&self) -> String {
        format!("{}, under {}/", self.inner.describe(), self.prefix)
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.inner.create(&self.inside("create", path)?, data).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        self.inner.replace(&self.inside("write", path)?, data).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        self.inner.read(&self.inside("read", path)?).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.inner.read_range(&self.inside("read", path)?, range).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.inner.size(&self.inside("measure", path)?).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        let entries = self.inner.list(&self.inside("list", prefix)?).await?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| entry.path.strip(&self.prefix).map(|path| Entry { path, ..entry }))
            .collect())
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        let mut names: Vec<String> = Vec::new();
        for entry in self.list(&StorePath::root()).await? {
            let name = match entry.path.as_str().split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => entry.path.to_string(),
            };
            if names.last() != Some(&name) {
                names.push(name);
            }
            if names.len() >= limit {
                break;
            }
        }
        Ok(names)
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.inner.delete(&self.inside("delete", path)?).await
    }
}
