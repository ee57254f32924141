//! *Get Blob* and *Get Blob Properties*.

use super::Reply;
use crate::{
    BlobError, Conditions, Found,
    asked::Headers,
    content::{full, md5_of, outgoing, whole},
    properties::UNKNOWN_TYPE,
    range::Wanted,
    service::Call,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use crc_fast::{CrcAlgorithm, checksum};
use http::StatusCode;
use std::ops::Range;

/// The longest range whose checksum can be asked for.
const CHECKED: u64 = 4 * 1024 * 1024;

pub(super) async fn content(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    let wanted = Wanted::read(&call.headers())?;
    let sums = Sums::read(&call.headers())?;
    if sums != Sums::default() && wanted.is_none() {
        return Err(BlobError::header("x-ms-range-get-content-md5", "goes only with a range"));
    }
    let container = call.container().await?;
    let place = call.service.place().await?;
    let choose = |found: &Found| -> Result<Range<u64>, BlobError> {
        conditions.check_read(found)?;
        let range = wanted.map_or(Ok(0..found.size), |wanted| wanted.of(found.size))?;
        match sums != Sums::default() && range.end - range.start > CHECKED {
            true => {
                Err(BlobError::header("x-ms-range-get-content-md5", "goes only with a range up to 4 MiB"))
            }
            false => Ok(range),
        }
    };
    let read = container.backing.read(call.blob()?, &choose).await?.ok_or_else(BlobError::no_blob)?;
    let status = if wanted.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let range = read.range;
    let mut reply = described(status, &read.found, wanted.is_some())
        .with("content-length", &(range.end - range.start).to_string());
    if wanted.is_some() {
        let shown = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), read.found.size);
        reply = reply.with("content-range", &shown);
    }
    if sums == Sums::default() {
        return Ok(reply.body(outgoing(read.content, call.service.settings.limits.period, place)));
    }
    let data = whole(read.content, CHECKED as usize).await?;
    if sums.md5 {
        reply = reply.with("content-md5", &md5_of(&data));
    }
    if sums.crc64 {
        let sum = checksum(CrcAlgorithm::Crc64Nvme, &data).to_le_bytes();
        reply = reply.with("x-ms-content-crc64", &STANDARD.encode(sum));
    }
    Ok(reply.body(full(data)))
}

pub(super) async fn properties(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    let container = call.container().await?;
    let found = container.backing.look(call.blob()?).await?.ok_or_else(BlobError::no_blob)?;
    conditions.check_read(&found)?;
    let reply = described(StatusCode::OK, &found, false);
    // The length is the blob's; a body there is none, also with GET and comp=metadata.
    Ok(if call.head.method == http::Method::HEAD {
        reply.with("content-length", &found.size.to_string())
    } else {
        reply
    })
}

/// Checksums of a range that are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    md5: bool,
    crc64: bool,
}

impl Sums {
    fn read(headers: &Headers<'_>) -> Result<Self, BlobError> {
        Ok(Self {
            md5: headers.flag("x-ms-range-get-content-md5")?,
            crc64: headers.flag("x-ms-range-get-content-crc64")?,
        })
    }
}

fn described(status: StatusCode, found: &Found, part: bool) -> Reply {
    let mut reply = Reply::new(status)
        .state(found)
        .with("content-type", UNKNOWN_TYPE)
        .with("accept-ranges", "bytes")
        .with("x-ms-blob-type", "BlockBlob")
        .with("x-ms-lease-status", "unlocked")
        .with("x-ms-lease-state", "available")
        .with("x-ms-server-encrypted", "false");
    for (name, value) in found.properties.shown() {
        // The sum of the whole is not that of a part.
        reply = match name.as_str() {
            "content-md5" if part => reply.with("x-ms-blob-content-md5", value),
            _ => reply.with(&name, value),
        };
    }
    reply
}
