//! How many objects there are, about: one list of one item per resource, whose answer says how many remain.

use crate::{is_absent, seen};
use futures::{StreamExt, TryStreamExt};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use prerequisites::Observed;

/// How many lists are asked for at the same time.
const AT_ONCE: usize = 8;

pub(crate) async fn observe(client: &Client) -> Observed<u64> {
    match count(client).await {
        Ok((count, 0)) => Observed::Seen(count),
        Ok((_, forbidden)) => Observed::NotObservable(format!(
            "counting objects: {forbidden} resources may not be listed (forbidden)"
        )),
        Err(error) => seen("counting objects", Err(error)),
    }
}

/// How many objects there are, and how many resources may not be listed.
async fn count(client: &Client) -> Result<(u64, u64), kube::Error> {
    let resources = crate::discovery::resources(client, "list").await?;
    futures::stream::iter(resources)
        .map(|resource| one(client, resource))
        .buffer_unordered(AT_ONCE)
        .try_fold((0_u64, 0_u64), |(sum, forbidden), count| async move {
            Ok(match count {
                Some(count) => (sum.saturating_add(count), forbidden),
                None => (sum, forbidden + 1),
            })
        })
        .await
}

/// How many there are of one resource; nothing when it may not be listed.
async fn one(client: &Client, resource: ApiResource) -> Result<Option<u64>, kube::Error> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(list) => {
            let remaining = list.metadata.remaining_item_count.unwrap_or_default();
            Ok(Some(list.items.len() as u64 + u64::try_from(remaining).unwrap_or_default()))
        }
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        // Some resources cannot be listed across namespaces, and some have gone meanwhile.
        Err(kube::Error::Api(status)) if status.code == 405 => Ok(Some(0)),
        Err(error) if is_absent(&error) => Ok(Some(0)),
        Err(error) => Err(error),
    }
}
