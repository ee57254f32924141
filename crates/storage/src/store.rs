//! The trait that every store implements.

use crate::{StoreError, StorePath};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::{fmt::Debug, ops::Range, sync::Arc};

/// One file in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Where it is, relative to the store.
    pub path: StorePath,
    /// Its length in bytes.
    pub size: u64,
    /// When the store last wrote it, by the store's clock.
    pub modified: Timestamp,
}

/// Write-once files under validated paths. Implementations are shared between tasks.
///
/// [`crate::conformance`] (feature `conformance`) holds the behaviour in executable form.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// Names the store and the kind of credential, for error texts; never a secret.
    fn describe(&self) -> String;

    /// Writes a file that must not exist yet; when this returns, the file is durable.
    ///
    /// A file of equal content already there is success: a create that was retried after a lost answer
    /// must not fail. Other content is [`crate::StoreErrorKind::Exists`]. Nobody ever sees a part of it.
    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError>;

    /// Writes a file whether or not it exists. Only for locks and markers.
    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError>;

    /// The whole file.
    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError>;

    /// Exactly the bytes of `range`; a file that ends before is [`crate::StoreErrorKind::Corrupt`].
    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError>;

    /// The length in bytes.
    async fn size(&self, path: &StorePath) -> Result<u64, StoreError>;

    /// All files below `prefix`, however deep, sorted by path. A prefix without files is an empty list.
    /// Names that are not valid [`StorePath`]s cannot have been written by a store and are left out.
    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError>;

    /// At most `limit` names directly under the root as the store has them; a folder ends with `/`.
    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Removes a file; absent is success. A file that retention protects is
    /// [`crate::StoreErrorKind::Retained`].
    async fn delete(&self, path: &StorePath) -> Result<(), StoreError>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    fn describe(&self) -> String {
        (**self).describe()
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        (**self).create(path, data).await
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        (**self).replace(path, data).await
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        (**self).read(path).await
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        (**self).read_range(path, range).await
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        (**self).size(path).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        (**self).list(prefix).await
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        (**self).top_level(limit).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        (**self).delete(path).await
    }
}
