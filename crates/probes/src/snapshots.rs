//! The snapshot API: what is served, who handles it, which classes exist.

use crate::{is_absent, seen};
use http::{Request, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::storage::v1::CSIDriver;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::client::Body;
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, SnapshotApi, SnapshotClassFacts, StoppedController};
use telemetry::Clock;

const GROUP_VERSION: &str = "snapshot.storage.k8s.io/v1";
/// How long a lease lasts that does not say so.
const USUAL: SignedDuration = SignedDuration::from_secs(15);
/// After so many durations without a renewal nobody is at work, also where clocks differ a little.
const LAPSED: i32 = 4;

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

/// A ready Deployment or a live Lease of a snapshot controller; else one that is there and does nothing. Only those are asked
/// for that go by its names: a list of everything would grow with the cluster.
async fn controller(
    client: &Client,
    clock: &dyn Clock,
) -> Result<(Option<String>, Option<StoppedController>), kube::Error> {
    let mut stopped = None;
    let deployments: Api<Deployment> = Api::all(client.clone());
    for named in controllers() {
        for deployment in deployments.list(&named).await?.items {
            let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
            if deployment.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0) > 0 {
                return Ok((Some(format!("Deployment {name} is ready")), None));
            }
            stopped = Some(StoppedController::Deployment(name));
        }
    }
    let leases: Api<Lease> = Api::all(client.clone());
    let named = ListParams::default().fields("metadata.name=snapshot-controller-leader");
    for lease in leases.list(&named).await?.items {
        let name = format!("{}/{}", lease.namespace().unwrap_or_default(), lease.name_any());
        let Some(until) = lease.spec.as_ref().and_then(lasts_until) else { continue };
        let is_live = clock.now() < until || servers_clock(client).await.is_some_and(|now| now < until);
        if is_live {
            return Ok((Some(format!("Lease {name} is being renewed")), None));
        }
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
        stopped.get_or_insert(StoppedController::Lease { name, holder });
    }
    Ok((None, stopped))
}

/// Until when somebody is taken to be at work who renewed a lease so; nothing where it was never renewed.
fn lasts_until(spec: &LeaseSpec) -> Option<Timestamp> {
    let renewed = spec.renew_time.as_ref()?.0;
    let said = SignedDuration::from_secs(spec.lease_duration_seconds.unwrap_or_default().into());
    renewed.checked_add(said.max(USUAL).saturating_mul(LAPSED)).ok()
}

/// What the API server's clock shows, if it says so: that of whoever asks may be fast.
async fn servers_clock(client: &Client) -> Option<Timestamp> {
    let request = Request::get("/version").body(Body::empty()).ok()?;
    let answer = client.send(request).await.ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    rfc2822::parse(date).ok().map(|date| date.timestamp())
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lease_counts_for_four_of_its_durations_and_for_a_minute_at_least() {
        let until = |spec: serde_json::Value| {
            let spec: LeaseSpec = serde_json::from_value(spec).unwrap();
            lasts_until(&spec).map(|until| until.to_string())
        };
        let renewed = "2026-01-01T00:00:00.000000Z";

        assert_eq!(until(json!({"holderIdentity": "a"})), None);
        for (seconds, end) in [(json!(null), "00:01:00"), (json!(1), "00:01:00"), (json!(137), "00:09:08")] {
            let lasts = until(json!({"renewTime": renewed, "leaseDurationSeconds": seconds}));
            assert_eq!(lasts.as_deref(), Some(format!("2026-01-01T{end}Z").as_str()), "{seconds}");
        }
    }
}
