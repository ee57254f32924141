//! *Put Block List* makes a blob of blocks; *Get Block List* tells which there are.

use super::{Reply, check_early};
use crate::{
    Backing, BlobError, Conditions, Content, Key, Properties, Write,
    content::{Expected, checked, whole},
    service::Call,
    staging::{self, BlockId, Record},
    xml::{From, blocks, read_blocks},
};
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// Blocks that are opened ahead.
const AHEAD: usize = 2;

pub(super) async fn put(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    let limits = call.service.settings.limits;
    let headers = call.headers();
    let length = call.length(limits.document as u64)?;
    let expected = Expected::new(length, headers.text("content-md5")?, headers.text("x-ms-content-crc64")?)?;
    let properties = Properties::read(&headers, false)?;
    let container = call.container().await?;
    let blob = call.blob()?.clone();
    check_early(&container, &blob, conditions).await?;
    let _place = call.service.place().await?;
    let content = call.take_body()?;
    let wanted = read_blocks(&whole(checked(content, expected), limits.document).await?)?;

    let backing = &container.backing;
    let waiting = staging::waiting(backing.as_ref(), &blob).await?;
    let needs_old = wanted.iter().any(|(from, id)| {
        *from != From::Uncommitted && !waiting.contains_key(id) || *from == From::Committed
    });
    let old = if needs_old { staging::committed(backing.as_ref(), &blob).await? } else { None };
    let parts = choose(&blob, &wanted, &waiting, old.as_ref())?;
    let length = parts.iter().map(|part| part.range.end - part.range.start).sum();
    let made = Record::new(wanted.into_iter().map(|(_, id)| id).zip(&parts));
    let write = Write { length, properties, conditions };
    let expected = Expected { length, ..Expected::default() };
    let found = backing.write(&blob, write, checked(join(backing.clone(), parts), expected)).await?;
    // First the record, then the blocks go: a repeated call finds one or the other.
    staging::remember(backing.as_ref(), &blob, made, &found).await;
    staging::forget(backing.clone(), &blob, waiting.into_keys()).await;
    Ok(Reply::written(StatusCode::CREATED, &found))
}

pub(super) async fn get(call: Call<'_>) -> Result<Reply, BlobError> {
    let (committed, waits) = match call.query.get("blocklisttype") {
        None | Some("committed") => (true, false),
        Some("uncommitted") => (false, true),
        Some("all") => (true, true),
        Some(_) => {
            return Err(BlobError::parameter("blocklisttype", "must be committed, uncommitted or all"));
        }
    };
    let container = call.container().await?;
    let blob = call.blob()?;
    let found = container.backing.look(blob).await?;
    let waiting: Vec<_> = match waits || found.is_none() {
        true => staging::waiting(container.backing.as_ref(), blob).await?.into_iter().collect(),
        false => Vec::new(),
    };
    if found.is_none() && waiting.is_empty() {
        return Err(BlobError::no_blob());
    }
    let old = match committed && found.is_some() {
        true => staging::committed(container.backing.as_ref(), blob).await?,
        false => None,
    };
    let old = old.map(|old| old.blocks()).unwrap_or_default();
    let reply = Reply::xml(blocks(committed.then_some(&old), waits.then_some(&waiting)));
    Ok(match found {
        Some(found) => reply.state(&found).with("x-ms-blob-content-length", &found.size.to_string()),
        None => reply.with("x-ms-blob-content-length", "0"),
    })
}

/// Some bytes that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    key: Key,
    pub(crate) range: Range<u64>,
    /// Of which state of the blob.
    etag: Option<String>,
}

fn choose(
    blob: &Key,
    wanted: &[(From, BlockId)],
    waiting: &BTreeMap<BlockId, u64>,
    old: Option<&Record>,
) -> Result<Vec<Part>, BlobError> {
    let absent = |id: &BlockId| {
        let message = format!("The specified block list is invalid: there is no block {}.", id.shown());
        BlobError::new(StatusCode::BAD_REQUEST, "InvalidBlockList", message)
    };
    let places = old.map(Record::places).unwrap_or_default();
    let choose = |(from, id): &(From, BlockId)| {
        let new = waiting.get(id).filter(|_| *from != From::Committed);
        let new = new.map(|size| Part { key: staging::block(blob, id), range: 0..*size, etag: None });
        let kept = || {
            let range = places.get(id).filter(|_| *from != From::Uncommitted)?.clone();
            Some(Part { key: blob.clone(), range, etag: old.map(|old| old.etag.clone()) })
        };
        new.or_else(kept).ok_or_else(|| absent(id))
    };
    wanted.iter().map(choose).collect()
}

/// The bytes of all parts, one after the other.
fn join(backing: Arc<dyn Backing>, parts: Vec<Part>) -> Content {
    let open = move |part: Part| {
        let backing = backing.clone();
        async move {
            let choose = |found: &crate::Found| match &part.etag {
                Some(etag) if *etag != found.etag => Err(BlobError::condition()),
                _ if part.range.end > found.size => Err(BlobError::incomplete()),
                _ => Ok(part.range.clone()),
            };
            let read = backing.read(&part.key, &choose).await?;
            read.map(|read| read.content).ok_or_else(BlobError::incomplete)
        }
    };
    stream::iter(parts).map(open).buffered(AHEAD).try_flatten().boxed()
}
