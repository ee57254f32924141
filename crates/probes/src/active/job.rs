//! Runs a Job and waits for what its container says in the end.

use super::{Hindered, Place};
use crate::{is_absent, short};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(300);
/// How long a pod may take to go once its Job is deleted.
const GONE: Duration = Duration::from_secs(40);
/// Reasons for which a container waits and will not come.
const REFUSALS: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ran {
    /// Its container said this.
    Said(String),
    /// Its image could not be pulled, and why.
    NoImage(String),
    /// It did not come to an end, and why.
    Not(String),
}

/// Runs a program in the place, and removes the Job and its pod afterwards.
pub(super) async fn run(
    client: &Client,
    place: &Place,
    name: &str,
    arguments: &[String],
    limit: Duration,
    claim: Option<&str>,
) -> Result<Ran, Hindered> {
    let manifest = place.job(name, arguments, limit.as_secs(), claim);
    let job: Job = serde_json::from_value(manifest)
        .map_err(|error| Hindered(format!("the Job of the probe is not valid: {error}")))?;
    let jobs: Api<Job> = Api::namespaced(client.clone(), &place.namespace);
    let secret = secret(client, place, name).await?;
    let ran = match jobs.create(&PostParams::default(), &job).await {
        Ok(made) if secret => match owned(client, &made, &place.namespace, name).await {
            Ok(()) => ended(client, place, name, limit).await,
            Err(hindered) => Err(hindered),
        },
        Ok(_) => ended(client, place, name, limit).await,
        Err(error) => Err(Hindered::by("starting the probe")(error)),
    };
    remove(client, &place.namespace, name).await?;
    if secret {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), &place.namespace);
        // It goes with the Job that owns it, if that was faster.
        match secrets.delete(name, &DeleteParams::default()).await {
            Err(error) if !is_absent(&error) => {
                return Err(Hindered(format!("removing the probe's Secret: {}", short(&error))));
            }
            _ => {}
        }
    }
    ran
}

/// Makes the Secret of a Job before the Job, whose pod reads it; whether there is one.
async fn secret(client: &Client, place: &Place, name: &str) -> Result<bool, Hindered> {
    let Some(secret) = place.secret(name) else { return Ok(false) };
    let secret: Secret = serde_json::from_value(secret)
        .map_err(|error| Hindered(format!("the Secret of the probe is not valid: {error}")))?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &place.namespace);
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .map_err(Hindered::by("making the Secret with the proxy's address"))?;
    Ok(true)
}

/// Gives the Secret to its Job: what is left when this process ends goes with it, and that has a time to live.
async fn owned(client: &Client, job: &Job, namespace: &str, name: &str) -> Result<(), Hindered> {
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job.uid()});
    let patch = json!({"metadata": {"ownerReferences": [owner]}});
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let patched = secrets.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    patched.map(drop).map_err(Hindered::by("giving the probe its Secret"))
}

async fn ended(client: &Client, place: &Place, name: &str, limit: Duration) -> Result<Ran, Hindered> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &place.namespace);
    let of_job = ListParams::default().labels(&format!("job-name={name}"));
    let began = Instant::now();
    let mut state = "no pod was made for it".to_owned();
    while began.elapsed() < limit {
        // The API server may be away for a moment.
        if let Ok(found) = pods.list(&of_job).await {
            match found.items.first() {
                Some(pod) => match look(pod) {
                    Ok(ran) => return Ok(ran),
                    Err(waits) => state = waits,
                },
                None => {
                    if let Some(why) = refused(client, &place.namespace, name).await {
                        return Ok(Ran::Not(format!("its pod is refused: {why}")));
                    }
                }
            }
        }
        sleep(POLL).await;
    }
    Ok(Ran::Not(format!("it did not end within {} s: {state}", limit.as_secs())))
}

/// How the pod ended, or what it waits for.
fn look(pod: &Pod) -> Result<Ran, String> {
    let status = pod.status.as_ref();
    let container = status.and_then(|status| status.container_statuses.as_ref()?.first()?.state.clone());
    if let Some(ended) = container.as_ref().and_then(|state| state.terminated.as_ref()) {
        return Ok(match ended.message.as_ref().filter(|message| !message.is_empty()) {
            Some(message) => Ran::Said(message.clone()),
            None => Ran::Not(format!(
                "it ended with code {} ({}) and said nothing",
                ended.exit_code,
                ended.reason.as_deref().unwrap_or("no reason")
            )),
        });
    }
    if let Some(waiting) = container.as_ref().and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().unwrap_or("Waiting");
        let said = format!("{reason}: {}", waiting.message.as_deref().unwrap_or_default());
        return if REFUSALS.contains(&reason) { Ok(Ran::NoImage(said)) } else { Err(said) };
    }
    if status.and_then(|status| status.phase.as_deref()) == Some("Failed") {
        let why = status.and_then(|status| status.message.clone().or_else(|| status.reason.clone()));
        return Ok(Ran::Not(format!("its pod failed: {}", why.unwrap_or_default())));
    }
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let unscheduled = conditions
        .and_then(|all| all.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False"));
    Err(unscheduled.and_then(|one| one.message.clone()).unwrap_or_else(|| "its pod starts".to_owned()))
}

/// Why no pod can be made for the Job: what admission or a quota said.
async fn refused(client: &Client, namespace: &str, name: &str) -> Option<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let about = ListParams::default()
        .fields(&format!("involvedObject.kind=Job,involvedObject.name={name},reason=FailedCreate"));
    let messages = events.list(&about).await.ok()?.items.into_iter().filter_map(|event| event.message);
    // An account that is on its way is no refusal.
    let mut lasting =
        messages.filter(|text| !(text.contains("serviceaccount") && text.contains("not found")));
    lasting.next()
}

/// Deletes a Job with its pod, and waits until the pod is gone.
pub(super) async fn remove(client: &Client, namespace: &str, name: &str) -> Result<(), Hindered> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    match jobs.delete(name, &DeleteParams::foreground()).await {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(Hindered(format!("removing the probe: {}", short(&error)))),
    }
    let began = Instant::now();
    while began.elapsed() < GONE {
        if matches!(jobs.get_opt(name).await, Ok(None)) {
            return Ok(());
        }
        sleep(POLL).await;
    }
    Err(Hindered(format!(
        "Job {namespace}/{name} is being deleted and still there after {} s",
        GONE.as_secs()
    )))
}

/// A name that no other run has.
pub(super) fn unique(purpose: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("cofferdam-probe-{purpose}-{}", id.get(..8).unwrap_or_default())
}

/// What a probe says, as it is read.
pub(super) fn read<T: serde::de::DeserializeOwned>(said: &str) -> Result<T, Hindered> {
    let unreadable = || {
        let shown: String = said.chars().take(200).collect();
        Hindered(format!("the probe says what cannot be understood: {shown}"))
    };
    let value: Value = serde_json::from_str(said).map_err(|_| unreadable())?;
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        return Err(Hindered(error.to_owned()));
    }
    serde_json::from_value(value).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap()
    }

    fn container(state: Value) -> Pod {
        pod(json!({"containerStatuses": [{
            "name": "probe", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state,
        }]}))
    }

    #[test]
    fn how_a_pod_ended_is_told_from_what_it_waits_for() {
        let said = container(json!({"terminated": {"exitCode": 0, "message": "[]"}}));
        let silent = container(json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
        let no_image = container(json!({"waiting": {"reason": "ImagePullBackOff", "message": "no"}}));
        let starts = container(json!({"waiting": {"reason": "ContainerCreating"}}));
        let full = pod(json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}));

        assert_eq!(look(&said), Ok(Ran::Said("[]".into())));
        assert!(matches!(look(&silent), Ok(Ran::Not(why)) if why.contains("OOMKilled")));
        assert_eq!(look(&no_image), Ok(Ran::NoImage("ImagePullBackOff: no".into())));
        assert!(look(&starts).unwrap_err().contains("ContainerCreating"));
        assert_eq!(look(&full).unwrap_err(), "0/1 nodes are available");
    }
}
