//! The account itself: what it is, and which containers it has.

use super::Reply;
use crate::{BlobError, ContainerListing, service::Call, xml::Echo};
use http::StatusCode;

const MOST: usize = 5_000;

pub(super) fn info() -> Reply {
    Reply::new(StatusCode::OK)
        .with("x-ms-sku-name", "Standard_LRS")
        .with("x-ms-account-kind", "StorageV2")
        .with("x-ms-is-hns-enabled", "false")
}

pub(super) async fn containers(call: Call<'_>) -> Result<Reply, BlobError> {
    let (prefix, marker, most) = (call.query.get("prefix"), call.query.get("marker"), call.query.most()?);
    let wanted = ContainerListing {
        prefix: prefix.unwrap_or_default().to_owned(),
        after: marker.map(str::to_owned),
        most: most.unwrap_or(MOST),
    };
    let page = call.service.accounts.list(&call.target.account, &wanted).await?;
    let next = page.containers.last().filter(|_| page.more).map(|last| last.name.as_str());
    let endpoint = format!("{}/{}/", call.service.settings.endpoint, call.target.account);
    let echo = Echo { endpoint: &endpoint, prefix, marker, most, ..Echo::default() };
    let metadata = call.query.get("include").is_some_and(|include| include.contains("metadata"));
    Ok(Reply::xml(echo.containers(&page.containers, next, metadata)))
}
