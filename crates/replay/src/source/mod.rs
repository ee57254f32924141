//! Reads a recovery point: the manifest, the index as a stream, and objects by their place in the lists.

mod batches;
mod fetch;
mod lines;
mod memory;
mod repository;

pub use self::repository::RecoveryPointSource;
use batches::{Batch, batches};
pub(crate) use fetch::bodies;
pub use memory::MemorySource;

use crate::SourceError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use protection::point::{IndexEntry, Manifest};
use std::ops::Range;

/// A recovery point that can be read.
#[async_trait]
pub trait PointSource: Send + Sync {
    /// What, when, which cluster, and how each claim is protected.
    async fn manifest(&self) -> Result<Manifest, SourceError>;

    /// Every object, without its body.
    async fn index(&self) -> Result<BoxStream<'_, Result<IndexEntry, SourceError>>, SourceError>;

    /// Bytes of a list, see [`protection::point::list_path`].
    async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes, SourceError>;
}
