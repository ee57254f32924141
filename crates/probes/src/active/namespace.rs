//! The namespace of probes: made by the first run, removed by the last.

use super::{
    Hindered, RUN, RunId, lease,
    place::{LABEL, NAMESPACE, VALUE},
    volume,
};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

/// How long a new namespace may take to get its account.
const READY: Duration = Duration::from_secs(10);
/// How long it may take to go.
const LONGEST: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(300);
/// How often it is tried to remove it, when others change it at the same time.
const TRIES: usize = 10;

/// What there is of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// One of probes.
    Ours {
        /// Which one of that name.
        uid: String,
        /// As it was seen.
        version: String,
    },
    /// One of probes that is being deleted.
    Going {
        /// Which one of that name.
        uid: String,
    },
    /// Somebody else's.
    Theirs,
}

fn api(client: &Client) -> Api<Namespace> {
    Api::all(client.clone())
}

/// That nothing is done with somebody else's namespace.
pub(super) fn theirs() -> Hindered {
    Hindered(format!(
        "the namespace {NAMESPACE} is there and is not one of probes (label {LABEL}); nothing of it is touched"
    ))
}

/// Looks for it.
pub(super) async fn find(client: &Client) -> Result<Found, Hindered> {
    let found = api(client).get_metadata_opt(NAMESPACE).await;
    let found = found.map_err(Hindered::by("looking for the namespace of probes"))?;
    Ok(found.map_or(Found::Nothing, |found| read(&found.metadata)))
}

fn read(metadata: &ObjectMeta) -> Found {
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(LABEL));
    let uid = metadata.uid.clone().unwrap_or_default();
    match (label.map(String::as_str) == Some(VALUE), metadata.deletion_timestamp.is_some()) {
        (false, _) => Found::Theirs,
        (true, true) => Found::Going { uid },
        (true, false) => Found::Ours { uid, version: metadata.resource_version.clone().unwrap_or_default() },
    }
}

/// Makes it, and says which one it is; nothing if somebody was faster.
pub(super) async fn make(client: &Client) -> Result<Option<String>, Hindered> {
    let pair = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let labels = [
        (LABEL, VALUE),
        ("app.kubernetes.io/part-of", "cofferdam"),
        ("pod-security.kubernetes.io/enforce", "restricted"),
    ];
    let labels: BTreeMap<String, String> = labels.into_iter().map(pair).collect();
    let metadata =
        ObjectMeta { name: Some(NAMESPACE.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    match api(client).create(&PostParams::default(), &namespace).await {
        Ok(made) => Ok(made.metadata.uid),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(Hindered::by("making the namespace of probes")(error)),
    }
}

/// Changes it, so that nobody removes it who has not seen that this run has come; whether it is this one, and stays.
pub(super) async fn mark(client: &Client, uid: &str, run: &RunId) -> Result<bool, Hindered> {
    let patch = json!({"metadata": {"uid": uid, "annotations": {RUN: run.as_str()}}});
    match api(client).patch_metadata(NAMESPACE, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(marked) => Ok(matches!(read(&marked.metadata), Found::Ours { .. })),
        // Gone, changed at the same time, or another one of that name.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(false),
        Err(error) => Err(Hindered::by("marking the namespace of probes")(error)),
    }
}

/// Waits for its account: pods are refused until it is there.
pub(super) async fn ready(client: &Client) {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let began = Instant::now();
    while !matches!(accounts.get_metadata_opt("default").await, Ok(Some(_))) && began.elapsed() < READY {
        sleep(POLL).await;
    }
}

/// Removes it with all that is in it, unless a run has its Lease there.
pub(super) async fn leave(client: &Client) -> Result<(), Hindered> {
    for _ in 0..TRIES {
        let (uid, version) = match find(client).await? {
            Found::Nothing | Found::Theirs => return Ok(()),
            Found::Going { uid } => return gone(client, &uid).await,
            Found::Ours { uid, version } => (uid, version),
        };
        if lease::any(client).await? {
            return Ok(());
        }
        // What their classes would keep goes with them.
        let (volumes, cuts) = volume::behind(client, NAMESPACE, &|_| true).await?;
        let seen = Preconditions { resource_version: Some(version), uid: Some(uid.clone()) };
        match api(client).delete(NAMESPACE, &DeleteParams::default().preconditions(seen)).await {
            Ok(_) => {}
            // Somebody has come, or has taken it away already.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                sleep(POLL).await;
                continue;
            }
            Err(error) => return Err(Hindered::by("removing the namespace of probes")(error)),
        }
        gone(client, &uid).await?;
        let left = volume::still_there(client, &volumes, &cuts, LONGEST).await;
        return match left.is_empty() {
            true => Ok(()),
            false => Err(Hindered(format!("of probes these are still there: {}", left.join(", ")))),
        };
    }
    Err(Hindered(format!(
        "the namespace {NAMESPACE} could not be removed: others change it all the time; the next run removes it"
    )))
}

/// Waits until this one is gone; there may be another one of that name.
async fn gone(client: &Client, uid: &str) -> Result<(), Hindered> {
    let began = Instant::now();
    loop {
        match api(client).get_metadata_opt(NAMESPACE).await {
            Ok(None) => return Ok(()),
            Ok(Some(now)) if now.metadata.uid.as_deref() != Some(uid) => return Ok(()),
            // The API server may be away for a moment.
            Ok(Some(_)) | Err(_) => {}
        }
        if began.elapsed() > LONGEST {
            return Err(Hindered(format!(
                "the namespace {NAMESPACE} is being deleted and still there after {} s: kubectl get namespace {NAMESPACE} -o yaml says what it waits for",
                LONGEST.as_secs()
            )));
        }
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;
    use serde_json::Value;

    const PATH: &str = "/api/v1/namespaces/cofferdam-preflight";
    const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/cofferdam-preflight/leases";
    const CLAIMS: &str = "/api/v1/namespaces/cofferdam-preflight/persistentvolumeclaims";

    fn list(items: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
    }

    fn namespace(labels: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "uid": "u", "resourceVersion": "7", "labels": labels}})
    }

    fn world(labels: Value, leases: Value) -> FakeServer {
        FakeServer::default()
            .with(PATH, namespace(labels))
            .with(LEASES, list(leases))
            .with(CLAIMS, list(json!([])))
    }

    #[tokio::test]
    async fn the_last_run_removes_the_namespace_as_it_saw_it_and_no_other() {
        let server = world(json!({LABEL: VALUE}), json!([]));

        let left = leave(&server.client()).await;

        assert_eq!(left, Ok(()));
        let seen = r#"{"preconditions":{"resourceVersion":"7","uid":"u"}}"#;
        assert_eq!(server.writes(), [format!("DELETE {PATH} {seen}")]);
    }

    #[tokio::test]
    async fn while_another_run_has_its_lease_there_or_it_is_somebody_elses_the_namespace_stays() {
        let other = json!([{"metadata": {"name": "run-other", "labels": {LABEL: VALUE}}}]);
        let shared = world(json!({LABEL: VALUE}), other);
        let theirs = world(json!({"team": "shop"}), json!([]));

        let left = (leave(&shared.client()).await, leave(&theirs.client()).await);

        assert_eq!(left, (Ok(()), Ok(())));
        assert_eq!((shared.writes(), theirs.writes()), (vec![], vec![]));
    }
}
