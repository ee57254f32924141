//! *Delete Blob*.

use super::Reply;
use crate::{BlobError, Conditions, service::Call};
use http::StatusCode;

pub(super) async fn blob(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    match call.headers().text("x-ms-delete-snapshots")? {
        None | Some("include") => {}
        Some(_) => return Err(BlobError::unsupported_header("x-ms-delete-snapshots: only")),
    }
    let container = call.container().await?;
    container.backing.delete(call.blob()?, conditions).await?;
    Ok(Reply::new(StatusCode::ACCEPTED).with("x-ms-delete-type-permanent", "true"))
}
