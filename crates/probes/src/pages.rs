//! Lists, page by page: only one page of objects is held at a time, and metadata alone where that is enough.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Objects that are asked for at once.
const PAGE: u32 = 500;

/// What `keep` says of every object.
pub(crate) async fn each<K, T>(api: &Api<K>, keep: impl Fn(K) -> T) -> Result<Vec<T>, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    each_of(api, &ListParams::default(), keep).await
}

/// The same of those that are asked for.
pub(crate) async fn each_of<K, T>(
    api: &Api<K>,
    asked: &ListParams,
    keep: impl Fn(K) -> T,
) -> Result<Vec<T>, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut kept = Vec::new();
    let mut page = asked.clone().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        let next = list.metadata.continue_.clone().filter(|token| !token.is_empty());
        kept.extend(list.items.into_iter().map(&keep));
        match next {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(kept),
        }
    }
}

/// What `keep` says of the metadata of every object of a kind in the cluster.
pub(crate) async fn each_metadata<K, C>(
    client: &Client,
    keep: impl Fn(ObjectMeta) -> Option<String>,
) -> Result<C, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    C: FromIterator<String>,
{
    let api: Api<K> = Api::all(client.clone());
    let mut kept = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list_metadata(&page).await?;
        let next = list.metadata.continue_.clone().filter(|token| !token.is_empty());
        kept.extend(list.items.into_iter().filter_map(|object| keep(object.metadata)));
        match next {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(kept.into_iter().collect()),
        }
    }
}
