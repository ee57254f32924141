//! *Put Block*: a part of a blob that nobody sees before its list comes.

use super::Reply;
use crate::{
    BlobError, Conditions, Properties, Write,
    content::{Expected, checked},
    service::Call,
    staging::{BlockId, block},
};
use http::StatusCode;

pub(super) async fn put(call: Call<'_>, id: &BlockId) -> Result<Reply, BlobError> {
    let headers = call.headers();
    headers.refuse(&["x-ms-copy-source"])?;
    let length = call.length(call.service.settings.limits.put_block)?;
    if length == 0 {
        return Err(BlobError::header("content-length", "is zero; a block must hold something"));
    }
    let (md5, crc64) = (headers.text("content-md5")?, headers.text("x-ms-content-crc64")?);
    let expected = Expected::new(length, md5, crc64)?;
    let (md5, crc64) = (md5.map(str::to_owned), crc64.map(str::to_owned));
    let container = call.container().await?;
    let key = block(call.blob()?, id);
    let _place = call.service.place().await?;
    let content = call.take_body()?;
    let write = Write { length, properties: Properties::default(), conditions: &Conditions::NONE };
    container.backing.write(&key, write, checked(content, expected)).await?;

    let mut reply = Reply::new(StatusCode::CREATED).with("x-ms-request-server-encrypted", "false");
    for (name, value) in [("content-md5", md5), ("x-ms-content-crc64", crc64)] {
        if let Some(value) = value {
            reply = reply.with(name, &value);
        }
    }
    Ok(reply)
}
