//! *Put Blob*: a blob in one request.

use super::{Reply, check_early, copy};
use crate::{
    BlobError, Conditions, Properties, Write,
    content::{Expected, checked},
    service::Call,
};
use http::StatusCode;

pub(super) async fn blob(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    let headers = call.headers();
    if let Some(source) = headers.text("x-ms-copy-source")? {
        let source = source.to_owned();
        return copy::blob(call, &source, conditions).await;
    }
    match headers.text("x-ms-blob-type")? {
        Some("BlockBlob") => {}
        Some(_) => return Err(BlobError::header("x-ms-blob-type", "can only be BlockBlob here")),
        None => {
            let message = "The header x-ms-blob-type is missing.";
            return Err(BlobError::new(StatusCode::BAD_REQUEST, "MissingRequiredHeader", message));
        }
    }
    let length = call.length(call.service.settings.limits.put_blob)?;
    let (md5, crc64) = (headers.text("content-md5")?, headers.text("x-ms-content-crc64")?);
    // What is kept as the blob's MD5 is what was checked.
    let kept = headers.text("x-ms-blob-content-md5")?;
    if let (Some(sent), Some(kept)) = (md5, kept)
        && sent != kept
    {
        return Err(BlobError::header("x-ms-blob-content-md5", "differs from Content-MD5"));
    }
    let expected = Expected::new(length, md5.or(kept), crc64)?;
    let properties = Properties::read(&headers, true)?;
    let (md5, crc64) = (md5.or(kept).map(str::to_owned), crc64.map(str::to_owned));

    let container = call.container().await?;
    let blob = call.blob()?.clone();
    check_early(&container, &blob, conditions).await?;
    let _place = call.service.place().await?;
    let content = call.take_body()?;
    let write = Write { length, properties, conditions };
    let found = container.backing.write(&blob, write, checked(content, expected)).await?;

    let mut reply = Reply::written(StatusCode::CREATED, &found);
    for (name, value) in [("content-md5", md5), ("x-ms-content-crc64", crc64)] {
        if let Some(value) = value {
            reply = reply.with(name, &value);
        }
    }
    Ok(reply)
}
