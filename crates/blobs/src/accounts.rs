//! Which containers there are, and where the blobs of each are kept.

use crate::{Backing, BlobError, Who};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// A container.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its entity tag, without quotes; another one after each change.
    pub etag: String,
    /// When it was last changed.
    pub modified: Timestamp,
    /// What its owner noted about it.
    pub metadata: BTreeMap<String, String>,
    /// Its blobs.
    pub backing: Arc<dyn Backing>,
}

/// What part of the containers is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerListing {
    /// Only names that begin so.
    pub prefix: String,
    /// Only names behind this one.
    pub after: Option<String>,
    /// At most so many.
    pub most: usize,
}

/// A part of the containers, in the order of their names.
#[derive(Debug, Clone)]
pub struct ContainerPage {
    /// The containers.
    pub containers: Vec<Container>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// Containers by account. The caller has been authorized.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The container, or [`BlobError::no_container`].
    async fn container(&self, account: &str, name: &str) -> Result<Container, BlobError>;

    /// Makes a container for someone, or [`BlobError::container_exists`].
    async fn create(
        &self,
        who: &Who,
        account: &str,
        name: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Container, BlobError>;

    /// Deletes a container with its blobs for someone, or [`BlobError::no_container`].
    async fn delete(&self, who: &Who, account: &str, name: &str) -> Result<(), BlobError>;

    /// The containers of an account.
    async fn list(&self, account: &str, wanted: &ContainerListing) -> Result<ContainerPage, BlobError>;
}
