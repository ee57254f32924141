//! Velero's traces: Deployments, CustomResourceDefinitions, storage locations, schedules.

use crate::{is_absent, seen};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, StoreName, VeleroFacts, WrittenPlace};
use std::collections::BTreeSet;

pub(crate) async fn observe(client: &Client) -> Observed<VeleroFacts> {
    seen("looking for Velero", look(client).await)
}

async fn look(client: &Client) -> Result<VeleroFacts, kube::Error> {
    let all: Api<Deployment> = Api::all(client.clone());
    let any = ListParams::default();
    let (mut deployments, mut running) = (BTreeSet::new(), BTreeSet::new());
    for velero in [any.clone().fields("metadata.name=velero"), any.labels("component=velero")] {
        let found = all.list(&velero).await?;
        for deployment in &found.items {
            let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
            if deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default() > 0 {
                running.insert(name.clone());
            }
            deployments.insert(name);
        }
    }
    let (deployments, running) = (deployments.into_iter().collect(), running.into_iter().collect());
    let crds = match client.list_api_group_resources("velero.io/v1").await {
        Ok(_) => true,
        Err(error) if is_absent(&error) => false,
        Err(error) => return Err(error),
    };
    let (locations, schedules) = match crds {
        true => (locations(client).await?, schedules(client).await?),
        false => (Vec::new(), Some(0)),
    };
    Ok(VeleroFacts { deployments, running, crds, locations, schedules })
}

async fn locations(client: &Client) -> Result<Vec<WrittenPlace>, kube::Error> {
    let list = match velero(client, "BackupStorageLocation", "backupstoragelocations").await {
        Ok(list) => list,
        Err(error) if is_absent(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(list.iter().map(place).collect())
}

/// Schedules that are not paused. Whoever may not see them still sees where Velero writes.
async fn schedules(client: &Client) -> Result<Option<u64>, kube::Error> {
    match velero(client, "Schedule", "schedules").await {
        Ok(list) => {
            let paused =
                |schedule: &DynamicObject| schedule.data.pointer("/spec/paused") == Some(&true.into());
            Ok(Some(list.iter().filter(|schedule| !paused(schedule)).count() as u64))
        }
        Err(error) if is_absent(&error) => Ok(Some(0)),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn velero(client: &Client, kind: &str, plural: &str) -> Result<Vec<DynamicObject>, kube::Error> {
    let resource = ApiResource {
        group: "velero.io".into(),
        version: "v1".into(),
        api_version: "velero.io/v1".into(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    Ok(api.list(&ListParams::default()).await?.items)
}

/// Where a storage location of it writes. Its providers have a prefix, as `velero.io/aws`, or none.
fn place(location: &DynamicObject) -> WrittenPlace {
    let text = |path: &str| location.data.pointer(path).and_then(|value| value.as_str());
    let or_empty = |path: &str| text(path).unwrap_or_default();
    let path =
        format!("{}/{}", or_empty("/spec/objectStorage/bucket"), or_empty("/spec/objectStorage/prefix"));
    let provider = text("/spec/provider").map(|provider| provider.rsplit('/').next().unwrap_or(provider));
    let store = match provider {
        None | Some("") => None,
        Some("azure") => text("/spec/config/storageAccount").map(StoreName::azure),
        Some("aws") => Some(StoreName::s3(text("/spec/config/s3Url"))),
        Some(other) => Some(StoreName::Other(other.to_owned())),
    };
    WrittenPlace { path, store }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_storage_location_says_in_which_store_it_is() {
        let at = |spec: Value| {
            let location = json!({"apiVersion": "velero.io/v1", "kind": "BackupStorageLocation", "metadata": {}, "spec": spec});
            place(&serde_json::from_value(location).unwrap())
        };
        let of = |provider: &str, config: Value| {
            at(json!({"provider": provider, "objectStorage": {"bucket": "b", "prefix": "p"}, "config": config})).store
        };

        assert_eq!(at(json!({"objectStorage": {"bucket": "b"}})), WrittenPlace::from("b/"));
        assert_eq!(of("azure", json!({"storageAccount": "shop"})), Some(StoreName::azure("shop")));
        assert_eq!(of("velero.io/azure", json!({})), None, "nobody named the account");
        assert_eq!(
            of("velero.io/aws", json!({"s3Url": "http://minio:9000"})),
            Some(StoreName::s3(Some("http://minio:9000")))
        );
        assert_eq!(of("aws", json!({})), Some(StoreName::s3(None)));
        assert_eq!(of("gcp", json!({})), Some(StoreName::Other("gcp".into())));
    }
}
