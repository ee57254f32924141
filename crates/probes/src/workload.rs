//! The extension's Deployment and pods, what installs extensions, and the original's own extension.

use crate::quantity::bytes;
use crate::seen;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{ExtensionPods, Observed, SystemParts};
use telemetry::Clock;

/// The label that the original gives its pods, and we ours.
const APP: &str = "app.kubernetes.io/name=dataprotection-microsoft-kubernetes";
/// The label that only ours have.
const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "cofferdam");
/// What installs extensions: ours, and the original's two.
const SYSTEM: [&str; 3] = ["cofferdam-agent", "extension-agent", "extension-operator"];
const LIVE: SignedDuration = SignedDuration::from_mins(2);

/// The extension's Deployment of this name, which also is that of its lease.
pub(crate) async fn extension(
    client: &Client,
    namespace: &str,
    name: &str,
    clock: &dyn Clock,
) -> Observed<Option<ExtensionPods>> {
    seen("looking at the extension's pods", look(client, namespace, name, clock).await)
}

async fn look(
    client: &Client,
    namespace: &str,
    name: &str,
    clock: &dyn Clock,
) -> Result<Option<ExtensionPods>, kube::Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let Some(deployment) = deployments.get_opt(name).await? else { return Ok(None) };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = pods.list(&ListParams::default().labels(APP)).await?.items;
    let spec = deployment.spec.as_ref();
    let containers = spec.and_then(|spec| spec.template.spec.as_ref()).map(|spec| &spec.containers);
    let limit = containers.and_then(|all| {
        all.iter().find_map(|one| one.resources.as_ref()?.limits.as_ref()?.get("memory").cloned())
    });
    let statuses = || pods.iter().flat_map(statuses);
    let number = |count: Option<i32>| u64::try_from(count.unwrap_or_default()).unwrap_or_default();
    Ok(Some(ExtensionPods {
        deployment: format!("{namespace}/{name}"),
        wanted: spec.map_or(1, |spec| number(spec.replicas.or(Some(1)))),
        available: number(deployment.status.as_ref().and_then(|status| status.available_replicas)),
        leads: leads(client, namespace, name, clock).await?,
        restarts: statuses().map(|status| number(Some(status.restart_count))).sum(),
        out_of_memory: pods
            .iter()
            .filter(|pod| statuses_of(pod).any(was_out_of_memory))
            .map(ResourceExt::name_any)
            .collect(),
        waiting: pods.iter().filter_map(waiting).collect(),
        memory_limit: limit.map(|limit| bytes(&limit.0)),
    }))
}

fn statuses(pod: &Pod) -> Vec<&ContainerStatus> {
    statuses_of(pod).collect()
}

fn statuses_of(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten())
}

fn was_out_of_memory(status: &ContainerStatus) -> bool {
    let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    ended.and_then(|ended| ended.reason.as_deref()) == Some("OOMKilled")
}

/// Why a pod does not run.
fn waiting(pod: &Pod) -> Option<String> {
    let name = pod.name_any();
    let container = statuses_of(pod).find_map(|status| status.state.as_ref()?.waiting.as_ref());
    if let Some(waiting) = container {
        let reason = waiting.reason.as_deref().unwrap_or("Waiting");
        let message = waiting.message.as_deref().unwrap_or_default();
        return Some(format!("{name}: {reason} {message}").trim_end().to_owned());
    }
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let unscheduled = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    Some(format!("{name}: {}", unscheduled.message.as_deref().unwrap_or("it is on no node")))
}

async fn leads(client: &Client, namespace: &str, name: &str, clock: &dyn Clock) -> Result<bool, kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let lease = leases.get_opt(name).await?;
    let renewed = lease.and_then(|lease| lease.spec?.renew_time).map(|time| time.0);
    Ok(renewed.is_some_and(|renewed| clock.now().duration_since(renewed) < LIVE))
}

/// What installs extensions.
pub(crate) async fn system(client: &Client) -> Observed<SystemParts> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    let mut parts = SystemParts::default();
    for name in SYSTEM {
        match deployments.get_opt(name).await {
            Ok(Some(found)) => {
                let ready =
                    found.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
                parts.deployments.push((name.to_owned(), ready > 0));
            }
            Ok(None) => {}
            Err(error) => return seen("looking at kube-system", Err(error)),
        }
    }
    Observed::Seen(parts)
}

/// Deployments of the original's extension: they carry its label, and not ours.
pub(crate) async fn original(client: &Client) -> Observed<Vec<String>> {
    let all: Api<Deployment> = Api::all(client.clone());
    let found = all.list_metadata(&ListParams::default().labels(APP)).await;
    seen(
        "looking for the original's extension",
        found.map(|found| {
            let ours = |labels: &std::collections::BTreeMap<String, String>| {
                labels.get(PART_OF.0).map(String::as_str) == Some(PART_OF.1)
            };
            let theirs = found.items.iter().filter(|deployment| !ours(deployment.labels()));
            theirs
                .map(|deployment| {
                    format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any())
                })
                .collect()
        }),
    )
}
