//! Looks at the workloads of a release: one request each, and two more for those that are not ready.

use super::{Health, Workload, judge};
use crate::{error::ActError, objects, record::Release};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{Api, Client, api::ListParams};
use packages::{HealthRule, ObjectKey};
use serde_json::Value;

/// Pods and events that are looked at, at most.
const MOST: u32 = 20;

/// How the release is.
pub(crate) async fn look(client: &Client, release: &Release) -> Result<Health, ActError> {
    let mut seen = Vec::new();
    for rule in &release.health {
        let key = release.objects.iter().find(|key| key.kind == rule.kind && key.name == rule.name);
        // An object that the settings leave out is not waited for.
        let Some(key) = key else { continue };
        seen.push((rule.clone(), workload(client, rule, key).await?));
    }
    Ok(judge(&seen))
}

async fn workload(client: &Client, rule: &HealthRule, key: &ObjectKey) -> Result<Workload, ActError> {
    let what = format!("read {key}");
    let found =
        objects::api(client, key).get_opt(&key.name).await.map_err(|error| ActError::api(&what, &error))?;
    let Some(found) = found else { return Ok(Workload::default()) };
    let object = serde_json::to_value(&found).unwrap_or_default();
    let alone = Workload { object: Some(object), ..Workload::default() };
    if judge(&[(rule.clone(), alone.clone())]).is_ready() {
        return Ok(alone);
    }
    let namespace = key.namespace.as_deref().unwrap_or("default");
    let pods = pods(client, namespace, alone.object.as_ref()).await;
    let events = events(client, namespace, &pods).await;
    Ok(Workload { pods, events, ..alone })
}

/// The pods of a workload. What cannot be read is not worth failing for: it only explains.
async fn pods(client: &Client, namespace: &str, object: Option<&Value>) -> Vec<Value> {
    let labels =
        object.and_then(|object| object.pointer("/spec/selector/matchLabels")).and_then(Value::as_object);
    let Some(labels) = labels else { return Vec::new() };
    let selector: Vec<String> =
        labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    let wanted = ListParams::default().labels(&selector.join(",")).limit(MOST);
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    match api.list(&wanted).await {
        Ok(list) => list.items.iter().filter_map(|pod| serde_json::to_value(pod).ok()).collect(),
        Err(error) => {
            tracing::debug!(%error, namespace, "pods could not be listed");
            Vec::new()
        }
    }
}

async fn events(client: &Client, namespace: &str, pods: &[Value]) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let mut found = Vec::new();
    for pod in pods.iter().take(2) {
        let Some(name) = pod.pointer("/metadata/name").and_then(Value::as_str) else { continue };
        let wanted =
            ListParams::default().fields(&format!("involvedObject.name={name},type=Warning")).limit(MOST);
        match api.list(&wanted).await {
            Ok(list) => found.extend(list.items),
            Err(error) => tracing::debug!(%error, namespace, "events could not be listed"),
        }
    }
    found.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    found.into_iter().filter_map(|event| event.message).collect()
}
