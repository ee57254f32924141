//! Claims, snapshots and what is behind them, for a probe volume.

use super::{Hindered, Place, place::LABEL, place::VALUE};
use crate::is_absent;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
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
    place: &Place,
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
        "metadata": {"name": name, "namespace": place.namespace, "labels": place.run.labels()}, "spec": spec,
    });
    let claim: PersistentVolumeClaim = serde_json::from_value(manifest)
        .map_err(|error| Hindered(format!("the claim of the probe is not valid: {error}")))?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &place.namespace);
    claims.create(&PostParams::default(), &claim).await.map_err(Hindered::by("making a claim"))?;
    Ok(())
}

/// Cuts a snapshot and waits until it can be used; its size, as far as it says one.
pub(super) async fn cut(
    client: &Client,
    place: &Place,
    name: &str,
    claim: &str,
    class: &str,
    limit: Duration,
) -> Result<Option<String>, Hindered> {
    let mut snapshot = DynamicObject::new(name, &of_snapshots("VolumeSnapshot", "volumesnapshots"))
        .within(&place.namespace)
        .data(json!({"spec": {"volumeSnapshotClassName": class, "source": {"persistentVolumeClaimName": claim}}}));
    snapshot.labels_mut().extend(place.run.labels());
    let api = snapshots(client, &place.namespace);
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

/// What is behind those claims and snapshots of probes in a namespace that have such a name: names of volumes and contents.
/// They are told to go with what they belong to, also where their class would keep them. Which volume a claim names is for
/// anybody to write, so only one that says itself that it belongs to the claim is touched.
pub(super) async fn behind(
    client: &Client,
    namespace: &str,
    is_meant: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(Vec<String>, Vec<String>), Hindered> {
    let ours = ListParams::default().labels(&format!("{LABEL}={VALUE}"));
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claims = claims.list(&ours).await.map_err(Hindered::by("listing claims of probes"))?;
    let snapshots = match snapshots(client, namespace).list(&ours).await {
        Ok(list) => list.items,
        Err(error) if is_absent(&error) => Vec::new(),
        Err(error) => return Err(Hindered::by("listing snapshots of probes")(error)),
    };
    let to_go = |field: &str| Patch::Merge(json!({"spec": {field: "Delete"}}));
    let (mut volumes, mut cuts) = (Vec::new(), Vec::new());
    let of_volumes: Api<PersistentVolume> = Api::all(client.clone());
    for claim in claims.items.iter().filter(|claim| is_meant(&claim.name_any())) {
        let name = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref());
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        let found = of_volumes.get_opt(name).await.map_err(Hindered::by("looking at a probe's volume"))?;
        if !found.is_some_and(|volume| is_of_claim(&volume, claim)) {
            continue;
        }
        let told =
            of_volumes.patch(name, &PatchParams::default(), &to_go("persistentVolumeReclaimPolicy")).await;
        unless_gone(told.map(drop)).map_err(Hindered::by("letting a volume go"))?;
        volumes.push(name.to_owned());
    }
    for snapshot in snapshots.iter().filter(|snapshot| is_meant(&snapshot.name_any())) {
        let bound = snapshot.data.pointer("/status/boundVolumeSnapshotContentName").and_then(Value::as_str);
        let Some(name) = bound else { continue };
        let found =
            contents(client).get_opt(name).await.map_err(Hindered::by("looking at a probe's snapshot"))?;
        if !found.is_some_and(|content| is_of_snapshot(&content, snapshot)) {
            continue;
        }
        let told = contents(client).patch(name, &PatchParams::default(), &to_go("deletionPolicy")).await;
        unless_gone(told.map(drop)).map_err(Hindered::by("letting a snapshot go"))?;
        cuts.push(name.to_owned());
    }
    Ok((volumes, cuts))
}

fn is_of_claim(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref()?.uid.as_deref());
    of.is_some() && of == claim.metadata.uid.as_deref()
}

fn is_of_snapshot(content: &DynamicObject, snapshot: &DynamicObject) -> bool {
    let of = content.data.pointer("/spec/volumeSnapshotRef/uid").and_then(Value::as_str);
    of.is_some() && of == snapshot.metadata.uid.as_deref()
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
    // Another run may have claims in the same namespace.
    let is_meant = |name: &str| cuts.contains(&name) || claims.contains(&name);
    let behind = behind(client, namespace, &is_meant).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;

    const CLAIMS: &str = "/api/v1/namespaces/probes/persistentvolumeclaims";
    const VOLUMES: &str = "/api/v1/persistentvolumes";
    const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/namespaces/probes/volumesnapshots";
    const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";

    fn list(items: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
    }

    fn named(name: &str, uid: &str, ours: bool, rest: (&str, Value)) -> Value {
        let labels = if ours { json!({LABEL: VALUE}) } else { json!({}) };
        json!({"metadata": {"name": name, "uid": uid, "labels": labels}, rest.0: rest.1})
    }

    fn claim(name: &str, uid: &str, ours: bool, volume: &str) -> Value {
        named(name, uid, ours, ("spec", json!({"volumeName": volume})))
    }

    fn volume(name: &str, of: &str) -> Value {
        named(name, name, false, ("spec", json!({"claimRef": {"uid": of}})))
    }

    #[tokio::test]
    async fn only_what_says_itself_that_it_belongs_to_a_probe_of_this_run_is_told_to_go() {
        let snapshot = |name: &str, uid: &str, content: &str| {
            named(name, uid, true, ("status", json!({"boundVolumeSnapshotContentName": content})))
        };
        let content = |name: &str, of: &str| {
            named(name, name, false, ("spec", json!({"volumeSnapshotRef": {"uid": of}})))
        };
        let claims = json!([
            claim("own", "u1", true, "made"),
            claim("names-another", "u2", true, "of-a-tenant"),
            claim("of-somebody", "u3", false, "of-somebody"),
            claim("of-another-run", "u5", true, "of-another-run"),
            named("waits", "u4", true, ("spec", json!({}))),
        ]);
        let cuts = json!([snapshot("own", "s1", "cut"), snapshot("other", "s2", "cut-of-a-tenant")]);
        let server = FakeServer::default()
            .with(CLAIMS, list(claims))
            .with(SNAPSHOTS, list(cuts))
            .with(&format!("{VOLUMES}/made"), volume("made", "u1"))
            .with(&format!("{VOLUMES}/of-a-tenant"), volume("of-a-tenant", "tenant"))
            .with(&format!("{VOLUMES}/of-somebody"), volume("of-somebody", "u3"))
            .with(&format!("{VOLUMES}/of-another-run"), volume("of-another-run", "u5"))
            .with(&format!("{CONTENTS}/cut"), content("cut", "s1"))
            .with(&format!("{CONTENTS}/cut-of-a-tenant"), content("cut-of-a-tenant", "tenant"));

        let found = behind(&server.client(), "probes", &|name| name != "of-another-run").await;

        assert_eq!(found, Ok((vec!["made".to_owned()], vec!["cut".to_owned()])));
        let policy = r#"{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}"#;
        let cut = r#"{"spec":{"deletionPolicy":"Delete"}}"#;
        let expected = [format!("PATCH {VOLUMES}/made {policy}"), format!("PATCH {CONTENTS}/cut {cut}")];
        assert_eq!(server.writes(), expected);
    }
}
