//! The snapshot API: what is served, who handles it, which classes exist.

use crate::{is_absent, seen};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, SnapshotApi, SnapshotClassFacts};
use telemetry::Clock;

const GROUP_VERSION: &str = "snapshot.storage.k8s.io/v1";
const LIVE: SignedDuration = SignedDuration::from_mins(2);

pub(crate) async fn observe(client: &Client, clock: &dyn Clock) -> Observed<SnapshotApi> {
    seen("looking at the snapshot API", look(client, clock).await)
}

async fn look(client: &Client, clock: &dyn Clock) -> Result<SnapshotApi, kube::Error> {
    let served: Vec<String> = match client.list_api_group_resources(GROUP_VERSION).await {
        Ok(list) => list.resources.into_iter().map(|r| r.name).filter(|n| !n.contains('/')).collect(),
        Err(error) if is_absent(&error) => Vec::new(),
        Err(error) => return Err(error),
    };
    let classes =
        if served.iter().any(|r| r == "volumesnapshotclasses") { classes(client).await? } else { Vec::new() };
    let (controller, stopped) = controller(client, clock).await?;
    Ok(SnapshotApi { served, controller, stopped, classes })
}

async fn classes(client: &Client) -> Result<Vec<SnapshotClassFacts>, kube::Error> {
    let resource = ApiResource {
        group: "snapshot.storage.k8s.io".into(),
        version: "v1".into(),
        api_version: GROUP_VERSION.into(),
        kind: "VolumeSnapshotClass".into(),
        plural: "volumesnapshotclasses".into(),
    };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let list = api.list(&ListParams::default()).await?;
    Ok(list
        .items
        .iter()
        .map(|class| SnapshotClassFacts {
            name: class.name_any(),
            driver: class.data.get("driver").and_then(|d| d.as_str()).unwrap_or_default().to_owned(),
            ours: class
                .labels()
                .keys()
                .any(|key| key.starts_with("clusterbackup.dataprotection.microsoft.com/")),
            default: class
                .annotations()
                .get("snapshot.storage.kubernetes.io/is-default-class")
                .is_some_and(|value| value == "true"),
            velero: class.labels().contains_key("velero.io/csi-volumesnapshot-class"),
        })
        .collect())
}

/// A ready Deployment or a live Lease of a snapshot controller; else a Deployment without a ready pod. Only those are asked for that go by its names: a
/// list of everything would grow with the cluster.
async fn controller(
    client: &Client,
    clock: &dyn Clock,
) -> Result<(Option<String>, Option<String>), kube::Error> {
    let mut stopped = None;
    let deployments: Api<Deployment> = Api::all(client.clone());
    for named in controllers() {
        for deployment in deployments.list(&named).await?.items {
            let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
            if deployment.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0) > 0 {
                return Ok((Some(format!("Deployment {name} is ready")), None));
            }
            stopped = Some(name);
        }
    }
    let leases: Api<Lease> = Api::all(client.clone());
    let now = clock.now();
    for lease in
        leases.list(&ListParams::default().fields("metadata.name=snapshot-controller-leader")).await?
    {
        let renewed = lease.spec.as_ref().and_then(|s| s.renew_time.as_ref()).map(|t| t.0);
        if renewed.is_some_and(|renewed| now.duration_since(renewed) < LIVE) {
            let namespace = lease.namespace().unwrap_or_default();
            return Ok((Some(format!("Lease {namespace}/{} is being renewed", lease.name_any())), None));
        }
    }
    Ok((None, stopped))
}

/// Drivers whose snapshotter has a lease: the sidecar takes one by the driver's name wherever several of it may run.
pub(crate) async fn snapshotters(client: &Client) -> Observed<Vec<String>> {
    seen("looking for the leases of snapshotters", with_lease(client).await)
}

async fn with_lease(client: &Client) -> Result<Vec<String>, kube::Error> {
    let drivers: Api<CSIDriver> = Api::all(client.clone());
    let drivers = drivers.list_metadata(&ListParams::default()).await?;
    let leases: Api<Lease> = Api::all(client.clone());
    let leases = &leases;
    let each = drivers.items.iter().map(ResourceExt::name_any).map(|driver| async move {
        let named = ListParams::default().fields(&format!("metadata.name={}", lease_of(&driver))).limit(1);
        let found = leases.list_metadata(&named).await?;
        Ok((!found.items.is_empty()).then_some(driver))
    });
    let found: Result<Vec<Option<String>>, kube::Error> =
        futures::future::join_all(each).await.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

/// The name that the sidecar gives its lease: what is no letter or digit becomes a hyphen.
fn lease_of(driver: &str) -> String {
    let plain = |one: char| if one.is_ascii_alphanumeric() { one } else { '-' };
    format!("external-snapshotter-leader-{}", driver.chars().map(plain).collect::<String>())
}

/// What its Deployment is called: by its own manifests, by OpenShift, by charts.
fn controllers() -> [ListParams; 3] {
    let any = ListParams::default();
    [
        any.clone().fields("metadata.name=snapshot-controller"),
        any.clone().fields("metadata.name=csi-snapshot-controller"),
        any.labels("app.kubernetes.io/name=snapshot-controller"),
    ]
}
