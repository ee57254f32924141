//! Claims, snapshots and what is behind them, for a probe volume.

use super::{Hindered, place::LABEL, place::VALUE};
use crate::is_absent;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Where a pod finds the volume.
pub(super) const MOUNT: &str = "/data";
/// Enough for every driver; those that have larger ones round up.
const SIZE: &str = "1Gi";
/// A driver that fails for so long does not fail by chance.
const TRIED: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(300);
const GROUP: &str = "snapshot.storage.k8s.io";

/// A resource of the snapshot API.
pub(super) fn of_snapshots(kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: "v1".to_owned(),
        api_version: format!("{GROUP}/v1"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

pub(super) fn snapshots(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &of_snapshots("VolumeSnapshot", "volumesnapshots"))
}

pub(super) fn contents(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &of_snapshots("VolumeSnapshotContent", "volumesnapshotcontents"))
}

/// Makes a claim, perhaps of a snapshot.
pub(super) async fn claim(
    client: &Client,
    namespace: &str,
    name: &str,
    class: &str,
    snapshot: Option<(&str, Option<String>)>,
) -> Result<(), Hindered> {
    let mut size = SIZE.to_owned();
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": class});
    if let (Some((snapshot, restore_size)), Some(fields)) = (snapshot, spec.as_object_mut()) {
        let source = json!({"apiGroup": GROUP, "kind": "VolumeSnapshot", "name": snapshot});
        fields.insert("dataSource".to_owned(), source);
        size = restore_size.unwrap_or(size);
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.insert("resources".to_owned(), json!({"requests": {"storage": size}}));
    }
    let manifest = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: VALUE}}, "spec": spec,
    });
    let claim: PersistentVolumeClaim = serde_json::from_value(manifest)
        .map_err(|error| Hindered(format!("the claim of the probe is not valid: {error}")))?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    claims.create(&PostParams::default(), &claim).await.map_err(Hindered::by("making a claim"))?;
    Ok(())
}

/// Cuts a snapshot and waits until it can be used; its size, as far as it says one.
pub(super) async fn cut(
    client: &Client,
    namespace: &str,
    name: &str,
    claim: &str,
    class: &str,
    limit: Duration,
) -> Result<Option<String>, Hindered> {
    let mut snapshot = DynamicObject::new(name, &of_snapshots("VolumeSnapshot", "volumesnapshots"))
        .within(namespace)
        .data(json!({"spec": {"volumeSnapshotClassName": class, "source": {"persistentVolumeClaimName": claim}}}));
    snapshot.labels_mut().insert(LABEL.to_owned(), VALUE.to_owned());
    let api = snapshots(client, namespace);
    api.create(&PostParams::default(), &snapshot).await.map_err(Hindered::by("asking for a snapshot"))?;
    let began = Instant::now();
    let mut failing: Option<Instant> = None;
    let mut said = "no controller says anything of it".to_owned();
    while began.elapsed() < limit {
        if let Ok(found) = api.get(name).await {
            let text = |path: &str| found.data.pointer(path).and_then(Value::as_str).map(str::to_owned);
            if found.data.pointer("/status/readyToUse").and_then(Value::as_bool) == Some(true) {
                return Ok(text("/status/restoreSize"));
            }
            match text("/status/error/message") {
                Some(error) => {
                    said = error;
                    if failing.get_or_insert_with(Instant::now).elapsed() > TRIED {
                        return Err(Hindered(said));
                    }
                }
                None => failing = None,
            }
        }
        sleep(POLL).await;
    }
    Err(Hindered(format!("it is not ready within {} s: {said}", limit.as_secs())))
}

/// What is behind the claims and snapshots of a namespace: names of volumes and contents. They are told to go with what
/// they belong to, also where their class would keep them.
pub(super) async fn behind(client: &Client, namespace: &str) -> Result<(Vec<String>, Vec<String>), Hindered> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let found = claims.list(&Default::default()).await.map_err(Hindered::by("listing claims of probes"))?;
    let volumes: Vec<String> = found
        .items
        .into_iter()
        .filter_map(|claim| claim.spec?.volume_name)
        .filter(|n| !n.is_empty())
        .collect();
    let snapshots = match snapshots(client, namespace).list(&Default::default()).await {
        Ok(list) => list.items,
        Err(error) if is_absent(&error) => Vec::new(),
        Err(error) => return Err(Hindered::by("listing snapshots of probes")(error)),
    };
    let bound = |snapshot: &DynamicObject| {
        let name = snapshot.data.pointer("/status/boundVolumeSnapshotContentName");
        name.and_then(Value::as_str).map(str::to_owned)
    };
    let cuts: Vec<String> = snapshots.iter().filter_map(bound).collect();
    let to_go = |field: &str| Patch::Merge(json!({"spec": {field: "Delete"}}));
    let of_volumes: Api<PersistentVolume> = Api::all(client.clone());
    for name in &volumes {
        let told =
            of_volumes.patch(name, &PatchParams::default(), &to_go("persistentVolumeReclaimPolicy")).await;
        unless_gone(told.map(drop)).map_err(Hindered::by("letting a volume go"))?;
    }
    for name in &cuts {
        let told = contents(client).patch(name, &PatchParams::default(), &to_go("deletionPolicy")).await;
        unless_gone(told.map(drop)).map_err(Hindered::by("letting a snapshot go"))?;
    }
    Ok((volumes, cuts))
}

fn unless_gone(answer: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match answer {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

/// Deletes snapshots and claims of a namespace by name, and says which of what is behind them is still there in the end.
pub(super) async fn remove(
    client: &Client,
    namespace: &str,
    cuts: &[&str],
    claims: &[&str],
    limit: Duration,
) -> Vec<String> {
    let behind = behind(client, namespace).await;
    for name in cuts {
        drop(snapshots(client, namespace).delete(name, &DeleteParams::default()).await);
    }
    let of_claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    for name in claims {
        drop(of_claims.delete(name, &DeleteParams::default()).await);
    }
    match behind {
        Ok((volumes, contents)) => still_there(client, &volumes, &contents, limit).await,
        Err(why) => vec![why.0],
    }
}

/// Which of these are still there when the time is up.
pub(super) async fn still_there(
    client: &Client,
    volumes: &[String],
    cuts: &[String],
    limit: Duration,
) -> Vec<String> {
    let of_volumes: Api<PersistentVolume> = Api::all(client.clone());
    let began = Instant::now();
    loop {
        let mut left = Vec::new();
        for name in volumes {
            if !matches!(of_volumes.get_metadata_opt(name).await, Ok(None)) {
                left.push(format!("persistentvolume/{name}"));
            }
        }
        for name in cuts {
            if !matches!(contents(client).get_metadata_opt(name).await, Ok(None)) {
                left.push(format!("volumesnapshotcontent/{name}"));
            }
        }
        if left.is_empty() || began.elapsed() > limit {
            return left;
        }
        sleep(POLL).await;
    }
}
