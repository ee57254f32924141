//! Containers: made, looked at, deleted.

use super::Reply;
use crate::{BlobError, Conditions, Container, Found, Properties, Who, properties, service::Call};
use http::StatusCode;

pub(super) async fn create(call: Call<'_>, who: &Who) -> Result<Reply, BlobError> {
    if call.headers().text("x-ms-blob-public-access")?.is_some() {
        let message = "Public access is not permitted on this storage account.";
        return Err(BlobError::new(StatusCode::CONFLICT, "PublicAccessNotPermitted", message));
    }
    let name = call.target.container.as_deref().ok_or_else(BlobError::no_container)?;
    let metadata = properties::metadata(&call.headers())?;
    let made = call.service.accounts.create(who, &call.target.account, name, metadata).await?;
    Ok(Reply::new(StatusCode::CREATED).state(&state(&made)))
}

pub(super) async fn delete(call: Call<'_>, who: &Who, conditions: &Conditions) -> Result<Reply, BlobError> {
    let container = call.container().await?;
    conditions.check_write(Some(&state(&container)))?;
    call.service.accounts.delete(who, &call.target.account, &container.name).await?;
    Ok(Reply::new(StatusCode::ACCEPTED))
}

pub(super) async fn properties(call: Call<'_>) -> Result<Reply, BlobError> {
    let state = state(&call.container().await?);
    let mut reply = Reply::new(StatusCode::OK)
        .state(&state)
        .with("x-ms-lease-status", "unlocked")
        .with("x-ms-lease-state", "available")
        .with("x-ms-has-immutability-policy", "false")
        .with("x-ms-has-legal-hold", "false");
    for (name, value) in state.properties.shown() {
        reply = reply.with(&name, value);
    }
    Ok(reply)
}

/// A container's state in the terms of a blob's.
fn state(container: &Container) -> Found {
    Found {
        size: 0,
        etag: container.etag.clone(),
        modified: container.modified,
        properties: Properties { metadata: container.metadata.clone(), ..Properties::default() },
        version: None,
    }
}
