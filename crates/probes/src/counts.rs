//! How many objects there are, about: one list of one item per resource, whose answer says how many remain.

use crate::{is_absent, seen};
use futures::{StreamExt, TryStreamExt};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use prerequisites::Observed;

/// How many lists are asked for at the same time.
const AT_ONCE: usize = 8;

pub(crate) async fn observe(client: &Client) -> Observed<u64> {
    seen("counting objects", count(client).await)
}

async fn count(client: &Client) -> Result<u64, kube::Error> {
    let resources = crate::discovery::resources(client, "list").await?;
    futures::stream::iter(resources)
        .map(|resource| one(client, resource))
        .buffer_unordered(AT_ONCE)
        .try_fold(0_u64, |sum, count| async move { Ok(sum.saturating_add(count)) })
        .await
}

async fn one(client: &Client, resource: ApiResource) -> Result<u64, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(list) => {
            let remaining = list.metadata.remaining_item_count.unwrap_or_default();
            Ok(list.items.len() as u64 + u64::try_from(remaining).unwrap_or_default())
        }
        // What may not be read is not backed up either; and some resources cannot be listed across namespaces.
        Err(kube::Error::Api(status)) if [403, 405].contains(&status.code) => Ok(0),
        Err(error) if is_absent(&error) => Ok(0),
        Err(error) => Err(error),
    }
}
