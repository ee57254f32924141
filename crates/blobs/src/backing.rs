//! Where the blobs of one container are kept, and what a store must do for them.

use crate::{BlobError, Conditions, Content, Key, Properties};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{fmt::Debug, ops::Range};

/// What is known of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Bytes.
    pub size: u64,
    /// Its entity tag, without quotes: another one after each change, the same after a restart.
    pub etag: String,
    /// When it was last changed.
    pub modified: Timestamp,
    /// What is kept beside its content.
    pub properties: Properties,
    /// The store's own word for this state of the blob, where it has one.
    pub version: Option<String>,
}

/// A blob's content, or a part of it.
pub struct Read {
    /// Of which blob.
    pub found: Found,
    /// Which bytes of it.
    pub range: Range<u64>,
    /// The bytes.
    pub content: Content,
}

/// How a blob is to be written.
#[derive(Debug)]
pub struct Write<'a> {
    /// How many bytes come.
    pub length: u64,
    /// What is kept beside.
    pub properties: Properties,
    /// Under which conditions.
    pub conditions: &'a Conditions,
}

/// What part of a container is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Only names that begin so.
    pub prefix: String,
    /// Whether what lies below the next slash is told as one folder.
    pub folders: bool,
    /// A [`Page::next`] of before.
    pub marker: Option<String>,
    /// Only names from this one on, itself included.
    pub from: Option<String>,
    /// At most so many.
    pub most: usize,
    /// Whether to list the server's own keys, and nothing else.
    pub own: bool,
    /// Whether properties are wanted; a store may leave them out where they cost a request each.
    pub properties: bool,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A blob, by name.
    Blob(String, Found),
    /// What begins so, the slash at the end included.
    Folder(String),
}

/// A part of a container, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub items: Vec<Item>,
    /// How to ask for what comes behind them.
    pub next: Option<String>,
}

/// Chooses the bytes to read from what is known of the blob, or refuses.
pub type Choose<'a> = &'a (dyn Fn(&Found) -> Result<Range<u64>, BlobError> + Sync);

/// The blobs of one container. Implementations are shared between tasks.
#[async_trait]
pub trait Backing: Send + Sync + Debug {
    /// What is known of a blob; `None` when it is not there.
    async fn look(&self, key: &Key) -> Result<Option<Found>, BlobError>;

    /// Reads a part of a blob: one state of it, whatever is written meanwhile. `None` when it is not there.
    async fn read(&self, key: &Key, choose: Choose<'_>) -> Result<Option<Read>, BlobError>;

    /// Writes a blob whole: before this returns nobody sees any of it, afterwards it is durable. An error in `content`
    /// leaves what was there.
    async fn write(&self, key: &Key, write: Write<'_>, content: Content) -> Result<Found, BlobError>;

    /// Removes a blob; [`BlobError::no_blob`] when it is not there.
    async fn delete(&self, key: &Key, conditions: &Conditions) -> Result<(), BlobError>;

    /// Changes what is kept beside a blob.
    async fn describe(
        &self,
        key: &Key,
        properties: Properties,
        conditions: &Conditions,
    ) -> Result<Found, BlobError>;

    /// Lists blobs in the order of their names' bytes.
    async fn list(&self, listing: &Listing) -> Result<Page, BlobError>;
}
