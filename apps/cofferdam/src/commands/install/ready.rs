//! Waits until an installed extension is ready, and says what is wrong when it is not.

use crate::exit::Failure;
use extension::{
    READY, api,
    locations::{DEFAULT, LocationRecord, STATE},
    manifests::{APP, NAME},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Event, Pod},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(1);

/// Waits for the Deployment and, when there is one, for the default location.
pub async fn wait(
    client: &Client,
    namespace: &str,
    location: bool,
    timeout: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + timeout;
    loop {
        let missing = match missing(client, namespace, location).await {
            Ok(None) => return Ok(()),
            Ok(Some(missing)) => missing,
            Err(error) if api::is_temporary(&error) => api::readable(&error),
            Err(error) => return Err(Failure::api("see whether the extension is ready", &error)),
        };
        if Instant::now() >= end {
            return Err(why(client, namespace, &missing).await);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What is not ready yet.
async fn missing(client: &Client, namespace: &str, location: bool) -> Result<Option<String>, kube::Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployment = deployments.get(NAME).await?;
    let generation = deployment.metadata.generation;
    let status = deployment.status.unwrap_or_default();
    let wanted = deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let up_to_date =
        status.observed_generation >= generation && status.updated_replicas.unwrap_or(0) >= wanted;
    if !up_to_date || status.available_replicas.unwrap_or(0) < wanted {
        return Ok(Some(format!("Deployment {NAME} is not available")));
    }
    if !location {
        return Ok(None);
    }
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = maps.get(&LocationRecord::config_map_name(DEFAULT)).await?;
    Ok(match map.annotations().get(STATE) {
        Some(state) if state == READY => None,
        Some(state) => Some(format!("the storage location cannot be used: {state}")),
        None => Some("the extension has not looked at the storage location yet".to_owned()),
    })
}

/// The failure, with what the pods and their events say.
async fn why(client: &Client, namespace: &str, missing: &str) -> Failure {
    let mut failure = Failure::failed(format!("the extension did not become ready: {missing}"));
    match details(client, namespace).await {
        Ok(details) => {
            for detail in details {
                failure = failure.next(detail);
            }
        }
        Err(error) => tracing::warn!(%error, "could not read what the pods say"),
    }
    failure
        .next(format!("Read its log: `kubectl logs -n {namespace} deployment/{NAME}`."))
        .next("After a correction, run `cofferdam install` again: it changes only what differs.")
}

async fn details(client: &Client, namespace: &str) -> Result<Vec<String>, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = ListParams::default().labels(&format!("app.kubernetes.io/name={APP}"));
    let mut found = Vec::new();
    for pod in pods.list(&selector).await?.items {
        let name = pod.name_any();
        for container in pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()) {
            let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
            if let Some(waiting) = waiting {
                let reason = waiting.reason.clone().unwrap_or_default();
                let message = waiting.message.clone().unwrap_or_default();
                found.push(format!("Pod {name} waits: {reason} {message}"));
            }
        }
    }
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let warnings = events.list(&ListParams::default().fields("type=Warning")).await?;
    for event in warnings.items.iter().rev().take(3) {
        let about = event.involved_object.name.clone().unwrap_or_default();
        found.push(format!("Event on {about}: {}", event.message.clone().unwrap_or_default()));
    }
    Ok(found)
}
