//! *Copy Blob* and *Put Blob From URL*, from a blob of the same account: done when it is answered.

use super::{Reply, check_early};
use crate::{
    BlobError, Conditions, DataAction, Key, Properties, Write, asked::Query, names::check_container,
    properties, service::Call,
};
use http::{StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

pub(super) async fn blob(call: Call<'_>, source: &str, conditions: &Conditions) -> Result<Reply, BlobError> {
    let (from_container, from) = read(&call, source)?;
    let what = (call.target.account.as_str(), Some(from_container.as_str()), Some(from.as_str()));
    let asked = (&call.head.headers, &call.query);
    call.service.allow(asked, what, &[DataAction::BlobRead], (call.peer, call.id)).await?;

    let at_once = call.headers().text("x-ms-blob-type")?.is_some();
    let new = Properties::read(&call.headers(), false)?;
    let limit = call.service.settings.limits.put_blob;
    let container = call.container().await?;
    let blob = call.blob()?;
    check_early(&container, blob, conditions).await?;
    let _place = call.service.place().await?;
    let there = call.service.accounts.container(&call.target.account, &from_container).await?;
    let choose = |found: &crate::Found| match found.size {
        size if size > limit => Err(BlobError::too_large(limit)),
        size => Ok(0..size),
    };
    let read = there.backing.read(&from, &choose).await?.ok_or_else(no_source)?;
    let mut kept = read.found.properties;
    if !new.metadata.is_empty() {
        kept.metadata = properties::metadata(&call.headers())?;
    }
    kept.settings.extend(new.settings);
    let write = Write { length: read.found.size, properties: kept, conditions };
    let found = container.backing.write(blob, write, read.content).await?;

    let status = if at_once { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    Ok(Reply::written(status, &found)
        .with("x-ms-copy-id", &Uuid::new_v4().to_string())
        .with("x-ms-copy-status", "success"))
}

fn no_source() -> BlobError {
    BlobError::new(StatusCode::NOT_FOUND, "CannotVerifyCopySource", "The specified blob does not exist.")
}

/// The source's container and blob. Nothing outside of this account is ever asked for.
fn read(call: &Call<'_>, source: &str) -> Result<(String, Key), BlobError> {
    let refused = |why: &str| {
        let message = format!("Could not verify the copy source: {why}.");
        BlobError::new(StatusCode::BAD_REQUEST, "CannotVerifyCopySource", message)
    };
    let uri: Uri = source.parse().map_err(|_| refused("it is no address"))?;
    let host = call.head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = host.or_else(|| call.head.uri.authority().map(|authority| authority.as_str()));
    if uri.authority().map(|authority| authority.as_str()) != own {
        return Err(refused("only blobs of this account can be copied"));
    }
    if Query::read(&uri)? != Query::default() {
        return Err(refused("it must have no query; the request's own token is used"));
    }
    let path = percent_decode_str(uri.path()).decode_utf8().map_err(|_| refused("it is no UTF-8"))?;
    let own = format!("/{}/", call.target.account);
    let rest = path.strip_prefix(&own).ok_or_else(|| refused("only blobs of this account can be copied"))?;
    let (container, blob) = rest.split_once('/').ok_or_else(|| refused("it names no blob"))?;
    check_container(container)?;
    Ok((container.to_owned(), Key::blob(blob)?))
}
