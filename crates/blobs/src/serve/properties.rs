//! *Set Blob Metadata* and *Set Blob Properties*.

use super::Reply;
use crate::{BlobError, Conditions, Properties, properties, service::Call};
use http::StatusCode;

pub(super) async fn metadata(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    let metadata = properties::metadata(&call.headers())?;
    change(call, conditions, |old| Properties { metadata, ..old }).await
}

pub(super) async fn settings(call: Call<'_>, conditions: &Conditions) -> Result<Reply, BlobError> {
    let settings = Properties::read(&call.headers(), false)?.settings;
    change(call, conditions, |old| Properties { settings, ..old }).await
}

async fn change(
    call: Call<'_>,
    conditions: &Conditions,
    change: impl FnOnce(Properties) -> Properties + Send,
) -> Result<Reply, BlobError> {
    let container = call.container().await?;
    let blob = call.blob()?;
    let found = container.backing.look(blob).await?.ok_or_else(BlobError::no_blob)?;
    conditions.check_write(Some(&found))?;
    // Only over the state that the change was made from.
    let only = Conditions { matches: Some(found.etag), ..Conditions::NONE };
    let changed = container.backing.describe(blob, change(found.properties), &only).await?;
    Ok(Reply::written(StatusCode::OK, &changed))
}
