//! Writes an object: a small one in one request under the store's own conditions, a large one in parts.

use super::{Objects, fault::at_fault, meta::attributes};
use crate::{Backing, BlobError, Content, Found, Key, Write, names::RESERVED};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::{
    CopyMode, CopyOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, UpdateVersion, path::Path,
};

/// Bytes up to which a blob is gathered and written in one request.
pub(super) const AT_ONCE: u64 = 8 * 1024 * 1024;
/// Parts of one blob that are on their way at a time.
const TOGETHER: usize = 3;
/// Parts that the stores take at most.
const MOST_PARTS: u64 = 10_000;

pub(super) async fn write(
    objects: &Objects,
    key: &Key,
    write: Write<'_>,
    content: Content,
) -> Result<Found, BlobError> {
    let at = objects.at(key)?;
    let conditions = write.conditions;
    let seen = if conditions.is_none() { None } else { objects.look(key).await? };
    conditions.check_write(seen.as_ref())?;
    let mode = match (conditions.creates(), seen) {
        (true, _) => PutMode::Create,
        (false, Some(seen)) => {
            let e_tag = Some(format!("\"{}\"", seen.etag));
            PutMode::Update(UpdateVersion { e_tag, version: seen.version })
        }
        (false, None) => PutMode::Overwrite,
    };
    if write.length <= AT_ONCE {
        let data: Vec<Bytes> = gather(content).await?;
        let options = PutOptions { mode, attributes: attributes(&write.properties), ..PutOptions::default() };
        let put = objects.store.put_opts(&at, PutPayload::from_iter(data), options).await;
        put.map_err(|error| at_fault("write", key.as_str(), &error))?;
    } else if matches!(mode, PutMode::Create) {
        // A write in parts cannot be conditional; a copy can.
        let aside = format!("{}{RESERVED}unfinished-{:016x}", objects.prefix, rand::random::<u64>());
        let aside = Path::parse(aside).map_err(|error| at_fault("write", key.as_str(), &error.into()))?;
        in_parts(objects, &aside, key, &write, content).await?;
        let copied =
            objects.store.copy_opts(&aside, &at, CopyOptions::new().with_mode(CopyMode::Create)).await;
        let removed = objects.store.delete(&aside).await;
        copied.map_err(|error| at_fault("create", key.as_str(), &error))?;
        if let Err(error) = removed {
            tracing::warn!(%error, "an unfinished object stays until it is swept");
        }
    } else {
        in_parts(objects, &at, key, &write, content).await?;
    }
    objects.look(key).await?.ok_or_else(BlobError::busy)
}

async fn gather(mut content: Content) -> Result<Vec<Bytes>, BlobError> {
    let mut data = Vec::new();
    while let Some(piece) = content.next().await {
        data.push(piece?);
    }
    Ok(data)
}

async fn in_parts(
    objects: &Objects,
    at: &Path,
    key: &Key,
    write: &Write<'_>,
    content: Content,
) -> Result<(), BlobError> {
    let fault = |error| at_fault("write", key.as_str(), &error);
    let options =
        PutMultipartOptions { attributes: attributes(&write.properties), ..PutMultipartOptions::default() };
    let mut upload = objects.store.put_multipart_opts(at, options).await.map_err(fault)?;
    let sent = send(upload.as_mut(), write.length, key, content).await;
    match sent {
        Ok(()) => upload.complete().await.map(drop).map_err(fault),
        Err(error) => {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "a write in parts could not be given up; the store drops it by its own rules");
            }
            Err(error)
        }
    }
}

async fn send(
    upload: &mut dyn MultipartUpload,
    length: u64,
    key: &Key,
    mut content: Content,
) -> Result<(), BlobError> {
    let size = usize::try_from(AT_ONCE.max(length.div_ceil(MOST_PARTS))).unwrap_or(usize::MAX);
    let mut parts = futures::stream::FuturesUnordered::new();
    let mut gathered = BytesMut::new();
    let mut ended = false;
    while !ended {
        match content.next().await {
            Some(piece) => gathered.extend_from_slice(&piece?),
            None => ended = true,
        }
        while gathered.len() >= size || (ended && !gathered.is_empty()) {
            while parts.len() >= TOGETHER {
                finished(parts.next().await, key)?;
            }
            let part = gathered.split_to(size.min(gathered.len())).freeze();
            parts.push(upload.put_part(part.into()));
        }
    }
    while let Some(part) = parts.next().await {
        finished(Some(part), key)?;
    }
    Ok(())
}

fn finished(part: Option<object_store::Result<()>>, key: &Key) -> Result<(), BlobError> {
    part.unwrap_or(Ok(())).map_err(|error| at_fault("write", key.as_str(), &error))
}
