//! Objects that carry `velero.io` labels or annotations other than `exclude-from-backup`.

use crate::seen;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use prerequisites::{Marks, Observed};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

const NAMES_KEPT: usize = 20;
const PAGE: u32 = 500;

pub(crate) async fn observe(client: &Client) -> Observed<Marks> {
    seen("looking for velero.io labels and annotations", look(client).await)
}

/// All kinds at the same time.
async fn look(client: &Client) -> Result<Marks, kube::Error> {
    let (namespaces, claims, volumes, pods, services, deployments, stateful, daemons) = futures::try_join!(
        scan::<Namespace>(client),
        scan::<PersistentVolumeClaim>(client),
        scan::<PersistentVolume>(client),
        scan::<Pod>(client),
        scan::<Service>(client),
        scan::<Deployment>(client),
        scan::<StatefulSet>(client),
        scan::<DaemonSet>(client),
    )?;
    let mut marks = Marks::default();
    for found in [namespaces, claims, volumes, pods, services, deployments, stateful, daemons] {
        marks.count += found.count;
        marks.names.extend(found.names);
    }
    marks.names.truncate(NAMES_KEPT);
    Ok(marks)
}

async fn scan<K>(client: &Client) -> Result<Marks, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let mut marks = Marks::default();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list_metadata(&page).await?;
        for object in &list.items {
            if is_marked(&object.metadata) {
                marks.count += 1;
                if marks.names.len() < NAMES_KEPT {
                    marks.names.push(name(&K::plural(&()), &object.metadata));
                }
            }
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = ListParams::default().limit(PAGE).continue_token(&token),
            None => return Ok(marks),
        }
    }
}

fn is_marked(metadata: &ObjectMeta) -> bool {
    let mut keys =
        metadata.labels.iter().flatten().chain(metadata.annotations.iter().flatten()).map(|(key, _)| key);
    keys.any(|key| is_mark(key))
}

/// Whether a key of a label or annotation is Velero's; its opt-out is obeyed here too, and is none.
pub(crate) fn is_mark(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, name)| {
        (prefix == "velero.io" || prefix.ends_with(".velero.io")) && name != "exclude-from-backup"
    })
}

pub(crate) fn name(plural: &str, metadata: &ObjectMeta) -> String {
    let name = metadata.name.as_deref().unwrap_or_default();
    match &metadata.namespace {
        Some(namespace) => format!("{plural}/{namespace}/{name}"),
        None => format!("{plural}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_opt_out_is_not_a_mark() {
        let with = |key: &str| ObjectMeta {
            annotations: Some([(key.to_owned(), "true".to_owned())].into()),
            ..ObjectMeta::default()
        };

        assert!(is_marked(&with("backup.velero.io/backup-volumes")));
        assert!(is_marked(&with("velero.io/restore-status")));
        assert!(!is_marked(&with("velero.io/exclude-from-backup")));
        assert!(!is_marked(&with("notvelero.io/x")));
    }
}
