//! Removes what probes have made, after a run and before the next one: whatever carries their label.

use super::{
    Hindered, job,
    place::{LABEL, NAMESPACE, VALUE},
    volume,
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the namespace of probes may take to go.
const LONGEST: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(300);

/// Removes everything that probes have made, here and in the extension's namespace; says what there was.
pub async fn sweep(client: &Client, extension: &str) -> Result<Vec<String>, Hindered> {
    let mut swept = Vec::new();
    let jobs: Api<Job> = Api::namespaced(client.clone(), extension);
    let ours = ListParams::default().labels(&format!("{LABEL}={VALUE}"));
    let left = jobs.list_metadata(&ours).await.map_err(Hindered::by("looking for earlier probes"))?;
    for one in left.items {
        job::remove(client, extension, &one.name_any()).await?;
        swept.push(format!("job/{extension}/{}", one.name_any()));
    }
    if own_namespace(client).await? {
        swept.push(format!("namespace/{NAMESPACE}"));
    }
    Ok(swept)
}

/// Removes the namespace of probes with all that is in it; whether there was one.
async fn own_namespace(client: &Client) -> Result<bool, Hindered> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = api.get_metadata_opt(NAMESPACE).await;
    let Some(found) = found.map_err(Hindered::by("looking for the namespace of probes"))? else {
        return Ok(false);
    };
    if found.labels().get(LABEL).map(String::as_str) != Some(VALUE) {
        return Err(Hindered(format!(
            "the namespace {NAMESPACE} is there and is not one of probes (label {LABEL}); nothing of it is touched"
        )));
    }
    // What their classes would keep goes with them.
    let (volumes, cuts) = volume::behind(client, NAMESPACE).await?;
    match api.delete(NAMESPACE, &DeleteParams::default()).await {
        Ok(_) => {}
        // It is gone, or on its way.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(error) => return Err(Hindered::by("removing the namespace of probes")(error)),
    }
    let began = Instant::now();
    while !matches!(api.get_metadata_opt(NAMESPACE).await, Ok(None)) {
        if began.elapsed() > LONGEST {
            return Err(Hindered(format!(
                "the namespace {NAMESPACE} is being deleted and still there after {} s: kubectl get namespace {NAMESPACE} -o yaml says what it waits for",
                LONGEST.as_secs()
            )));
        }
        sleep(POLL).await;
    }
    let left = volume::still_there(client, &volumes, &cuts, LONGEST).await;
    match left.is_empty() {
        true => Ok(true),
        false => Err(Hindered(format!("of earlier probes these are still there: {}", left.join(", ")))),
    }
}
