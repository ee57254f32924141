//! Velero's traces: Deployments, CustomResourceDefinitions, storage locations.

use crate::{is_absent, seen};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, VeleroFacts};
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
    let locations = if crds { locations(client).await? } else { Vec::new() };
    Ok(VeleroFacts { deployments, running, crds, locations })
}

async fn locations(client: &Client) -> Result<Vec<String>, kube::Error> {
    let resource = ApiResource {
        group: "velero.io".into(),
        version: "v1".into(),
        api_version: "velero.io/v1".into(),
        kind: "BackupStorageLocation".into(),
        plural: "backupstoragelocations".into(),
    };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) if is_absent(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    let text = |object: &DynamicObject, path: &str| {
        object.data.pointer(path).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
    };
    Ok(list
        .iter()
        .map(|o| {
            format!("{}/{}", text(o, "/spec/objectStorage/bucket"), text(o, "/spec/objectStorage/prefix"))
        })
        .collect())
}
