//! Lists the blobs of a container, page by page.

use super::Reply;
use crate::{BlobError, Listing, service::Call, xml::Echo};

const MOST: usize = 5_000;
/// Parts of `include` that would list more than there is here; they may be asked for, and nothing is missing.
const NOT_KEPT: [&str; 9] = [
    "snapshots",
    "versions",
    "deleted",
    "tags",
    "copy",
    "immutabilitypolicy",
    "legalhold",
    "deletedwithversions",
    "permissions",
];

pub(super) async fn blobs(call: Call<'_>) -> Result<Reply, BlobError> {
    let query = &call.query;
    let (prefix, marker, most, delimiter) =
        (query.get("prefix"), query.get("marker"), query.most()?, query.get("delimiter"));
    if delimiter.is_some_and(|delimiter| delimiter != "/") {
        return Err(BlobError::parameter("delimiter", "can only be / here"));
    }
    let include: Vec<&str> = query.get("include").unwrap_or_default().split(',').map(str::trim).collect();
    for part in include.iter().filter(|part| !part.is_empty()) {
        if !(matches!(*part, "metadata" | "uncommittedblobs") || NOT_KEPT.contains(part)) {
            return Err(BlobError::parameter("include", "names something unknown"));
        }
    }
    let listing = Listing {
        prefix: prefix.unwrap_or_default().to_owned(),
        folders: delimiter.is_some(),
        marker: marker.map(str::to_owned),
        from: query.get("startFrom").map(str::to_owned),
        most: most.unwrap_or(MOST),
        own: false,
        properties: true,
    };
    if listing.prefix.chars().chain(marker.unwrap_or_default().chars()).any(crate::names::unprintable) {
        return Err(BlobError::parameter("prefix", "holds a control character"));
    }
    let container = call.container().await?;
    let page = container.backing.list(&listing).await?;
    let endpoint = format!("{}/{}/", call.service.settings.endpoint, call.target.account);
    let echo =
        Echo { endpoint: &endpoint, container: Some(&container.name), prefix, marker, most, delimiter };
    Ok(Reply::xml(echo.blobs(&page.items, page.next.as_deref(), include.contains(&"metadata"))))
}
