//! A backing that misbehaves on purpose, below a server that knows nothing of it.

use blobs::{
    Accounts, Backing, BlobError, Choose, Conditions, Container, ContainerListing, ContainerPage, Content,
    Found, Item, Key, Listing, Page, Properties, Read, Who, Write,
};
use bytes::Bytes;
use futures::StreamExt;
use std::{collections::BTreeMap, sync::Arc};

/// One defect, planted in blobs whose name holds a text.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// One bit of each read is another one.
    Flip(&'static str),
    /// Reads begin one byte too late.
    Shift(&'static str),
    /// Conditions are not looked at.
    Unconditional(&'static str),
    /// Lists leave them out.
    Hide(&'static str),
    /// Deletes do nothing.
    Keep(&'static str),
    /// There is always something.
    Invent(&'static str),
}

#[derive(Debug)]
pub struct FaultBacking {
    pub inner: Arc<dyn Backing>,
    pub fault: Fault,
}

/// All containers with one fault.
pub struct FaultAccounts<A> {
    pub inner: A,
    pub fault: Fault,
}

#[async_trait::async_trait]
impl<A: Accounts> Accounts for FaultAccounts<A> {
    async fn container(&self, account: &str, name: &str) -> Result<Container, BlobError> {
        let container = self.inner.container(account, name).await?;
        let backing = Arc::new(FaultBacking { inner: container.backing.clone(), fault: self.fault });
        Ok(Container { backing, ..container })
    }

    async fn create(
        &self,
        who: &Who,
        account: &str,
        name: &str,
        metadata: BTreeMap<String, String>,
    ) -> Result<Container, BlobError> {
        self.inner.create(who, account, name, metadata).await
    }

    async fn delete(&self, who: &Who, account: &str, name: &str) -> Result<(), BlobError> {
        self.inner.delete(who, account, name).await
    }

    async fn list(&self, account: &str, wanted: &ContainerListing) -> Result<ContainerPage, BlobError> {
        self.inner.list(account, wanted).await
    }
}

fn flip(content: Content) -> Content {
    content
        .map(|piece| {
            let mut data = piece?.to_vec();
            if let Some(byte) = data.first_mut() {
                *byte ^= 1;
            }
            Ok(Bytes::from(data))
        })
        .boxed()
}

#[async_trait::async_trait]
impl Backing for FaultBacking {
    async fn look(&self, key: &Key) -> Result<Option<Found>, BlobError> {
        let found = self.inner.look(key).await?;
        match self.fault {
            Fault::Unconditional(text) if key.as_str().contains(text) => Ok(None),
            _ => Ok(found),
        }
    }

    async fn read(&self, key: &Key, choose: Choose<'_>) -> Result<Option<Read>, BlobError> {
        let name = key.as_str();
        match self.fault {
            Fault::Shift(text) if name.contains(text) => {
                let shifted = |found: &Found| {
                    let range = choose(found)?;
                    Ok(if range.end < found.size { range.start + 1..range.end + 1 } else { range })
                };
                self.inner.read(key, &shifted).await
            }
            Fault::Flip(text) if name.contains(text) => {
                let read = self.inner.read(key, choose).await?;
                Ok(read.map(|read| Read { content: flip(read.content), ..read }))
            }
            Fault::Invent(text) if name.contains(text) => {
                let found = Found {
                    size: 3,
                    etag: "x".into(),
                    modified: jiff::Timestamp::UNIX_EPOCH,
                    properties: Properties::default(),
                    version: None,
                };
                let range = choose(&found)?;
                let data = Bytes::from_static(b"abc").slice(range.start as usize..range.end as usize);
                Ok(Some(Read { found, range, content: futures::stream::iter([Ok(data)]).boxed() }))
            }
            _ => self.inner.read(key, choose).await,
        }
    }

    async fn write(&self, key: &Key, write: Write<'_>, content: Content) -> Result<Found, BlobError> {
        match self.fault {
            Fault::Unconditional(text) if key.as_str().contains(text) => {
                self.inner.write(key, Write { conditions: &Conditions::NONE, ..write }, content).await
            }
            _ => self.inner.write(key, write, content).await,
        }
    }

    async fn delete(&self, key: &Key, conditions: &Conditions) -> Result<(), BlobError> {
        match self.fault {
            Fault::Keep(text) if key.as_str().contains(text) => Ok(()),
            _ => self.inner.delete(key, conditions).await,
        }
    }

    async fn describe(
        &self,
        key: &Key,
        properties: Properties,
        conditions: &Conditions,
    ) -> Result<Found, BlobError> {
        self.inner.describe(key, properties, conditions).await
    }

    async fn list(&self, listing: &Listing) -> Result<Page, BlobError> {
        let mut page = self.inner.list(listing).await?;
        if let Fault::Hide(text) = self.fault {
            page.items.retain(|item| match item {
                Item::Blob(name, _) | Item::Folder(name) => !name.contains(text),
            });
        }
        Ok(page)
    }
}
