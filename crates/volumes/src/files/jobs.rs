//! Runs one mover Job to its end and reads its report.

use super::{CopyOptions, Mover, MoverReport, sealed::Sealed};
use crate::error::{Tried, VolumesError, is_conflict, persistently};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

const FIRST_POLL: Duration = Duration::from_millis(500);
const LAST_POLL: Duration = Duration::from_secs(5);

/// How a Job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// With a report.
    Done(MoverReport),
    /// Without success; why, as far as anyone said.
    Failed(String),
}

/// Creates an object; one of the same name from before a crash is taken up.
pub(super) async fn ensure<K>(api: &Api<K>, manifest: Value, what: &str) -> Result<(), VolumesError>
where
    K: Clone + serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    let object: K = serde_json::from_value(manifest)
        .map_err(kube::Error::SerdeError)
        .tried(|| format!("write the manifest of {what}"))?;
    let params = PostParams::default();
    match persistently(|| api.create(&params, &object)).await {
        Err(error) if is_conflict(&error) => Ok(()),
        other => other.map(drop).tried(|| format!("create {what}")),
    }
}

/// Runs the Job and waits until it ends. Its Secret is made when the Job is there: its pod waits for that.
pub(super) async fn run(
    client: &Client,
    mover: &Mover,
    name: &str,
    labels: BTreeMap<String, String>,
    manifest: Value,
    options: &CopyOptions,
) -> Result<Ended, VolumesError> {
    let namespace = mover.namespace.as_str();
    let mut secret = Sealed::new(client, mover, name, labels);
    let jobs = Api::<Job>::namespaced(client.clone(), namespace);
    ensure(&jobs, manifest, &format!("the mover {name}")).await?;
    let end = Instant::now() + options.timeout;
    let mut pause = FIRST_POLL;
    loop {
        let found = persistently(|| jobs.get_opt(name)).await.tried(|| format!("read the mover {name}"))?;
        let Some(job) = found else { return Ok(Ended::Failed("someone deleted the mover".to_owned())) };
        match verdict(&job) {
            Some(true) => return done(client, namespace, name).await,
            Some(false) => return Ok(Ended::Failed(why(client, namespace, name).await?)),
            None if Instant::now() >= end => {
                let why = why(client, namespace, name).await?;
                let seconds = options.timeout.as_secs();
                return Ok(Ended::Failed(format!("it did not end within {seconds} s; {why}")));
            }
            None => {}
        }
        secret.keep(&job).await?;
        tokio::select! {
            () = options.cancel.cancelled() => {
                return Err(VolumesError::Cancelled { tried: format!("run the mover {name}") });
            }
            () = sleep(pause) => pause = (pause * 2).min(LAST_POLL),
        }
    }
}

/// Whether the Job succeeded; nothing while it runs. Pure.
fn verdict(job: &Job) -> Option<bool> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().filter(|one| one.status == "True").find_map(|one| match one.type_.as_str() {
        "Complete" => Some(true),
        "Failed" => Some(false),
        _ => None,
    })
}

async fn done(client: &Client, namespace: &str, name: &str) -> Result<Ended, VolumesError> {
    let pods = pods(client, namespace, name).await?;
    let report = pods.iter().find_map(|pod| message(pod).and_then(|text| serde_json::from_str(&text).ok()));
    Ok(match report {
        Some(report) => Ended::Done(report),
        None => Ended::Failed("it ended without a report".to_owned()),
    })
}

async fn why(client: &Client, namespace: &str, name: &str) -> Result<String, VolumesError> {
    let pods = pods(client, namespace, name).await?;
    Ok(pods.iter().rev().find_map(explain).unwrap_or_else(|| "no pod of it was started".to_owned()))
}

/// What a pod says about why it does not succeed. Pure.
fn explain(pod: &Pod) -> Option<String> {
    if let Some(text) = message(pod) {
        let report: Option<MoverReport> = serde_json::from_str(&text).ok();
        return Some(
            report.and_then(|report| report.error).unwrap_or_else(|| text.chars().take(400).collect()),
        );
    }
    let status = pod.status.as_ref()?;
    let waiting = status.container_statuses.iter().flatten().find_map(|one| {
        let waiting = one.state.as_ref()?.waiting.as_ref()?;
        Some(format!("{}: {}", waiting.reason.as_deref()?, waiting.message.as_deref().unwrap_or_default()))
    });
    let pending = status
        .conditions
        .iter()
        .flatten()
        .find(|one| one.status == "False")
        .and_then(|one| one.message.clone());
    waiting.or(pending).or_else(|| status.phase.clone())
}

fn message(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let ended = statuses.iter().find_map(|one| one.state.as_ref()?.terminated.as_ref())?;
    ended.message.clone().filter(|text| !text.trim().is_empty())
}

/// Pods of the Job, the oldest first.
async fn pods(client: &Client, namespace: &str, name: &str) -> Result<Vec<Pod>, VolumesError> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let page = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
    let listed =
        persistently(|| pods.list(&page)).await.tried(|| format!("list the pods of the mover {name}"))?;
    let mut items = listed.items;
    items.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_ends_by_its_conditions() {
        let job = |conditions: Value| -> Job {
            serde_json::from_value(json!({"status": {"conditions": conditions}})).unwrap()
        };
        let rows = [
            (json!([]), None),
            (json!([{"type": "Complete", "status": "True"}]), Some(true)),
            (json!([{"type": "Complete", "status": "False"}]), None),
            (json!([{"type": "FailureTarget", "status": "True"}]), None),
            (json!([{"type": "Failed", "status": "True"}]), Some(false)),
        ];

        for (conditions, expected) in rows {
            assert_eq!(verdict(&job(conditions.clone())), expected, "{conditions}");
        }
    }

    #[test]
    fn a_pod_explains_why_it_does_not_succeed() {
        let pod = |status: Value| -> Pod { serde_json::from_value(json!({"status": status})).unwrap() };
        let reported = json!({"containerStatuses": [{"name": "m", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"terminated": {"exitCode": 1, "message": "{\"error\":\"disk full\"}"}}}]});
        let waiting = json!({"containerStatuses": [{"name": "m", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}]});
        let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "message": "0/1 nodes are available"}]});
        let rows = [(reported, "disk full"), (waiting, "ErrImagePull"), (unscheduled, "0/1 nodes")];

        for (status, expected) in rows {
            let text = explain(&pod(status)).unwrap();

            assert!(text.contains(expected), "{text}");
        }
    }
}
