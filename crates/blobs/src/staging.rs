//! Blocks that wait for their list. They are kept in the container's own store, so that a restart loses none and any
//! replica can commit them.

use crate::{
    Backing, BlobError, Conditions, Found, Item, Key, Listing, Properties, Write, content::whole,
    names::RESERVED,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// The longest block id in bytes.
const LONGEST_ID: usize = 64;
/// Blocks of one blob that may wait.
const MOST_BLOCKS: usize = 100_000;
const PAGE: usize = 5_000;
const TOGETHER: usize = 16;
/// Above that of 50,000 of the longest ids.
const LARGEST_RECORD: usize = 8 * 1024 * 1024;

/// The id of a block within its blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId(Vec<u8>);

impl BlockId {
    pub(crate) fn read(text: &str) -> Result<Self, BlobError> {
        // A plus that nobody encoded came out as a blank.
        let bytes = STANDARD.decode(text.replace(' ', "+"));
        match bytes {
            Ok(bytes) if (1..=LONGEST_ID).contains(&bytes.len()) => Ok(Self(bytes)),
            _ => Err(BlobError::parameter("blockid", "is not the base64 of 1 to 64 bytes")),
        }
    }

    pub(crate) fn shown(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

/// Where the blocks of a blob wait.
fn place(blob: &Key) -> String {
    format!("{RESERVED}blocks/{}/", hex::encode(Sha256::digest(blob.as_str())))
}

/// Where one block waits.
pub(crate) fn block(blob: &Key, id: &BlockId) -> Key {
    Key::own(format!("{}{}", place(blob), hex::encode(&id.0)))
}

/// The blocks of a blob that wait, with their sizes.
pub(crate) async fn waiting(backing: &dyn Backing, blob: &Key) -> Result<BTreeMap<BlockId, u64>, BlobError> {
    let prefix = place(blob);
    let mut found = BTreeMap::new();
    let mut listing = Listing { prefix: prefix.clone(), own: true, most: PAGE, ..Listing::default() };
    loop {
        let page = backing.list(&listing).await?;
        for item in page.items {
            let Item::Blob(name, block) = item else { continue };
            let id = name.strip_prefix(&prefix).and_then(|name| hex::decode(name).ok());
            found.extend(id.map(|id| (BlockId(id), block.size)));
        }
        listing.marker = page.next;
        if listing.marker.is_none() {
            return Ok(found);
        }
        if found.len() > MOST_BLOCKS {
            let message = "The blob has more uncommitted blocks than are taken here (100,000).";
            return Err(BlobError::new(StatusCode::CONFLICT, "BlockCountExceedsLimit", message));
        }
    }
}

/// Forgets blocks that have been committed or given up. What cannot be removed now is swept later.
pub(crate) async fn forget(backing: Arc<dyn Backing>, blob: &Key, ids: impl IntoIterator<Item = BlockId>) {
    let keys: Vec<Key> = ids.into_iter().map(|id| block(blob, &id)).collect();
    let removed: Result<(), BlobError> = stream::iter(keys)
        .map(move |key| {
            let backing = backing.clone();
            async move {
                match backing.delete(&key, &Conditions::NONE).await {
                    Err(error) if error.status != StatusCode::NOT_FOUND => Err(error),
                    _ => Ok(()),
                }
            }
        })
        .buffer_unordered(TOGETHER)
        .try_collect()
        .await;
    if let Err(error) = removed {
        tracing::warn!(%error, "committed blocks stay until they are swept");
    }
}

/// What a blob was made of, so that a later list can name its blocks again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Record {
    /// Of which state of the blob.
    pub(crate) etag: String,
    /// Base64 ids with sizes, in their order.
    blocks: Vec<(String, u64)>,
}

impl Record {
    pub(crate) fn new<'a>(blocks: impl Iterator<Item = (BlockId, &'a crate::serve::Part)>) -> Self {
        let blocks = blocks.map(|(id, part)| (id.shown(), part.range.end - part.range.start)).collect();
        Self { etag: String::new(), blocks }
    }

    pub(crate) fn blocks(&self) -> Vec<(BlockId, u64)> {
        self.blocks.iter().filter_map(|(id, size)| Some((BlockId::read(id).ok()?, *size))).collect()
    }

    /// Where each block lies in the blob.
    pub(crate) fn places(&self) -> BTreeMap<BlockId, std::ops::Range<u64>> {
        let mut at = 0_u64;
        let mut places = BTreeMap::new();
        for (id, size) in self.blocks() {
            let end = at.saturating_add(size);
            places.entry(id).or_insert(at..end);
            at = end;
        }
        places
    }
}

fn record(blob: &Key) -> Key {
    Key::own(format!("{RESERVED}committed/{}", hex::encode(Sha256::digest(blob.as_str()))))
}

/// What the blob, as it is now, was made of; `None` when that is not known (any more).
pub(crate) async fn committed(backing: &dyn Backing, blob: &Key) -> Result<Option<Record>, BlobError> {
    let Some(found) = backing.look(blob).await? else { return Ok(None) };
    let Some(read) = backing.read(&record(blob), &|found| Ok(0..found.size)).await? else { return Ok(None) };
    let text = whole(read.content, LARGEST_RECORD).await?;
    let record = serde_json::from_slice::<Record>(&text).ok();
    Ok(record.filter(|record| record.etag == found.etag))
}

/// Notes what a blob was made of. Without the note a later list cannot name the blocks; nothing else is lost.
pub(crate) async fn remember(backing: &dyn Backing, blob: &Key, made: Record, found: &Found) {
    let text = match serde_json::to_vec(&Record { etag: found.etag.clone(), ..made }) {
        Ok(text) => bytes::Bytes::from(text),
        Err(error) => return tracing::warn!(%error, "the blocks of a blob could not be noted"),
    };
    let write =
        Write { length: text.len() as u64, properties: Properties::default(), conditions: &Conditions::NONE };
    let content = stream::once(async move { Ok(text) }).boxed();
    if let Err(error) = backing.write(&record(blob), write, content).await {
        tracing::warn!(%error, "the blocks of a blob could not be noted");
    }
}
