//! Brings copied files back: a mover fills a fresh volume through a claim in its own namespace, then the
//! volume is handed over to the claim that the application uses.

use super::{
    CopyOptions, Mover, Place,
    copy::remove,
    jobs::{self, Ended},
    manifests::{Work, job, mode},
};
use crate::{
    error::{Tried, VolumesError, is_absent, is_conflict, persistently},
    labels,
    parallel::in_parallel,
    restore::{FillRequest, Filled},
};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject},
};
use protection::{Problem, claims::VolumeMode, code, point::VolumeProtection, quantity};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(500);
/// Annotation on a volume that changes hands: its own reclaim policy.
pub(super) const RECLAIM: &str = "clusterbackup.dataprotection.microsoft.com/reclaim-policy";

/// A claim whose files were restored.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The claim.
    pub filled: Filled,
    /// What could not be restored whole; empty, too, when a volume from before a crash was taken up.
    pub problems: Vec<Problem>,
}

/// Restores the files of many claims; answers in their order.
pub async fn restore_all(
    client: &Client,
    mover: &Mover,
    requests: &[FillRequest],
    options: &CopyOptions,
) -> Vec<Result<Restored, Problem>> {
    let mut work: Vec<BoxFuture<'_, Result<Restored, Problem>>> = Vec::new();
    for request in requests {
        work.push(Box::pin(restore_files(client, mover, request, options)));
    }
    in_parallel(options.parallel, work).await
}

/// Restores the files of one claim. Repeatable after a crash: a volume that was filled is handed over, not
/// filled again. The claim appears only when its data is there; classes that wait for the first consumer get
/// their volume where the mover runs.
pub async fn restore_files(
    client: &Client,
    mover: &Mover,
    request: &FillRequest,
    options: &CopyOptions,
) -> Result<Restored, Problem> {
    let mut work = Handover { client, mover, request, options, name: name(request), problems: Vec::new() };
    match work.run().await {
        Ok(Ok(filled)) => Ok(Restored { filled, problems: work.problems }),
        Ok(Err(why)) => {
            work.clean_up().await;
            Err(failed(request, &why))
        }
        Err(error) => {
            work.clean_up().await;
            Err(match error {
                VolumesError::Cancelled { .. } => {
                    Problem::error(code::CANCELLED, "The restore was stopped.").about(request.target())
                }
                other => failed(request, &other.to_string()),
            })
        }
    }
}

fn name(request: &FillRequest) -> String {
    // The name of a Job becomes a label of its pods: at most 63 characters.
    format!("cofferdam-{}-{}", request.restore_uid, labels::digest(&[request.namespace(), request.name()]))
}

struct Handover<'a> {
    client: &'a Client,
    mover: &'a Mover,
    request: &'a FillRequest,
    options: &'a CopyOptions,
    name: String,
    problems: Vec<Problem>,
}

impl Handover<'_> {
    /// `Err` inside `Ok` is a failure of this claim; `Err` outside is one of the cluster.
    async fn run(&mut self) -> Result<Result<Filled, String>, VolumesError> {
        if let Some(claim) =
            self.target().get_opt(self.request.name()).await.tried(|| "read the claim".into())?
        {
            if !self.is_ours(&claim) {
                return Ok(Err("a claim of this name exists, and data is never written onto it".to_owned()));
            }
            return self.settle(claim.uid().unwrap_or_default()).await;
        }
        let volume = match self.filled_volume().await? {
            Some(volume) => volume,
            None => match self.fill().await? {
                Ok(volume) => volume,
                Err(why) => return Ok(Err(why)),
            },
        };
        self.hand_over(&volume).await
    }

    /// A volume that a mover of this restore filled before a crash.
    async fn filled_volume(&self) -> Result<Option<String>, VolumesError> {
        let volumes = Api::<PersistentVolume>::all(self.client.clone());
        let ours =
            kube::api::ListParams::default().labels(&format!("{}={}", labels::TARGET, self.name_label()));
        let listed = persistently(|| volumes.list(&ours)).await.tried(|| "list filled volumes".into())?;
        Ok(listed.items.first().map(ResourceExt::name_any))
    }

    /// Fills a fresh volume through a claim in the movers' namespace; gives the volume's name.
    async fn fill(&mut self) -> Result<Result<String, String>, VolumesError> {
        let (request, mover) = (self.request, self.mover);
        let VolumeProtection::Files { path, .. } = &request.record.protection else {
            return Ok(Err("the recovery point holds no files of it".to_owned()));
        };
        let namespace = &mover.namespace;
        let claims = Api::<PersistentVolumeClaim>::namespaced(self.client.clone(), namespace);
        jobs::ensure(&claims, self.own_claim(), &format!("the claim {namespace}/{}", self.name)).await?;
        let manifest = job(&Work {
            name: &self.name,
            labels: self.labels(),
            claim: &self.name,
            block: self.request.record.block,
            writes: true,
            more: &["--path".to_owned(), path.clone()],
            mover: self.mover,
            place: &Place::default(),
            deadline_seconds: self.options.timeout.as_secs().max(1),
        });
        match jobs::run(self.client, mover, &self.name, self.labels(), manifest, self.options).await? {
            Ended::Failed(why) => return Ok(Err(why)),
            Ended::Done(report) => {
                if let Some(why) = report.error {
                    return Ok(Err(why));
                }
                self.problems.extend(incomplete(request, report.skipped, &report.problems));
            }
        }
        let claim = claims.get(&self.name).await.tried(|| format!("read the claim {}", self.name))?;
        let Some(volume) = claim.spec.and_then(|spec| spec.volume_name) else {
            return Ok(Err("the mover's claim has no volume".to_owned()));
        };
        self.keep(&volume).await?;
        Ok(Ok(volume))
    }

    /// From here on the filled volume outlives the mover's claim.
    async fn keep(&self, volume: &str) -> Result<(), VolumesError> {
        let volumes = Api::<PersistentVolume>::all(self.client.clone());
        let found = volumes.get(volume).await.tried(|| format!("read the volume {volume}"))?;
        let policy = found.spec.and_then(|spec| spec.persistent_volume_reclaim_policy);
        let patch = Patch::Merge(json!({
            "metadata": {
                "labels": {
                    (labels::TARGET): self.name_label(),
                    (labels::RESTORE): labels::label_value(&self.request.restore_uid),
                },
                "annotations": {(RECLAIM): policy.unwrap_or_else(|| "Delete".to_owned())},
            },
            "spec": {"persistentVolumeReclaimPolicy": "Retain"},
        }));
        let params = PatchParams::default();
        let kept = persistently(|| volumes.patch(volume, &params, &patch)).await;
        kept.map(drop).tried(|| format!("retain the volume {volume}"))
    }

    /// Takes the volume from the mover's claim and gives it to the application's.
    async fn hand_over(&self, volume: &str) -> Result<Result<Filled, String>, VolumesError> {
        remove(self.client, &self.mover.namespace, &self.selector()).await?;
        let volumes = Api::<PersistentVolume>::all(self.client.clone());
        let patch = Patch::Merge(json!({"spec": {"claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": null, "resourceVersion": null,
            "namespace": self.request.namespace(), "name": self.request.name(),
        }}}));
        let params = PatchParams::default();
        let given = persistently(|| volumes.patch(volume, &params, &patch)).await;
        given.tried(|| format!("hand the volume {volume} over"))?;
        let kind = ApiResource::erase::<PersistentVolumeClaim>(&());
        let claims =
            Api::<DynamicObject>::namespaced_with(self.client.clone(), self.request.namespace(), &kind);
        let claim: DynamicObject = serde_json::from_value(self.final_claim(volume))
            .map_err(kube::Error::SerdeError)
            .tried(|| "read the claim".into())?;
        let params =
            PostParams { field_manager: Some(self.request.field_manager.clone()), ..PostParams::default() };
        let uid = match persistently(|| claims.create(&params, &claim)).await {
            Err(error) if is_conflict(&error) => {
                let found = claims.get(self.request.name()).await.tried(|| "read the claim".into())?;
                if found.data.pointer("/spec/volumeName").and_then(|name| name.as_str()) != Some(volume) {
                    let other = "another claim of this name was created meanwhile; it does not hold the data";
                    return Ok(Err(other.to_owned()));
                }
                found.uid().unwrap_or_default()
            }
            other => other.tried(|| "create the claim".into())?.uid().unwrap_or_default(),
        };
        self.settle(uid).await
    }

    /// Waits until the claim is bound, and gives the volume its own reclaim policy back.
    async fn settle(&self, uid: String) -> Result<Result<Filled, String>, VolumesError> {
        let end = Instant::now() + self.options.timeout;
        loop {
            let (claims, name) = (self.target(), self.request.name());
            let claim = persistently(|| claims.get_opt(name)).await.tried(|| "read the claim".into())?;
            let Some(claim) = claim else { return Ok(Err("the claim was deleted meanwhile".to_owned())) };
            let bound = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
            if let (true, Some(volume)) = (bound, claim.spec.and_then(|spec| spec.volume_name)) {
                self.release(&volume).await?;
                return Ok(Ok(Filled::Bound { uid, volume }));
            }
            if Instant::now() >= end {
                return Ok(Err("the claim was not bound to the filled volume in time".to_owned()));
            }
            sleep(POLL).await;
        }
    }

    async fn release(&self, volume: &str) -> Result<(), VolumesError> {
        let volumes = Api::<PersistentVolume>::all(self.client.clone());
        let found = volumes.get(volume).await.tried(|| format!("read the volume {volume}"))?;
        let Some(policy) = found.annotations().get(RECLAIM) else { return Ok(()) };
        let patch = Patch::Merge(json!({
            "metadata": {"labels": {(labels::TARGET): null, (labels::RESTORE): null}, "annotations": {(RECLAIM): null}},
            "spec": {"persistentVolumeReclaimPolicy": policy},
        }));
        let params = PatchParams::default();
        let released = persistently(|| volumes.patch(volume, &params, &patch)).await;
        released.map(drop).tried(|| format!("give the volume {volume} its reclaim policy back"))
    }

    async fn clean_up(&self) {
        if let Err(error) = self.remove_unbound().await {
            tracing::warn!(%error, name = self.name, "a claim without its data stays");
        }
        let target = format!("{}={}", labels::TARGET, self.name_label());
        if let Err(error) = give_up(self.client, &self.mover.namespace, &target).await {
            tracing::warn!(%error, name = self.name, "a filled volume stays until the next clean-up");
        }
        if let Err(error) = remove(self.client, &self.mover.namespace, &self.selector()).await {
            tracing::warn!(%error, name = self.name, "objects of a mover stay until the next clean-up");
        }
    }

    /// A claim of ours that never got its volume would pass for restored.
    async fn remove_unbound(&self) -> Result<(), VolumesError> {
        let (claims, name) = (self.target(), self.request.name());
        let found = persistently(|| claims.get_opt(name)).await.tried(|| "read the claim".into())?;
        let Some(claim) = found.filter(|claim| self.is_ours(claim)) else { return Ok(()) };
        if claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound") {
            return Ok(());
        }
        let only = Preconditions { uid: claim.uid(), ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
        match persistently(|| claims.delete(name, &params)).await {
            Err(error) if is_absent(&error) || is_conflict(&error) => Ok(()),
            other => other.map(drop).tried(|| format!("remove the claim {name} again")),
        }
    }

    fn is_ours(&self, claim: &PersistentVolumeClaim) -> bool {
        let manager = Some(&self.request.field_manager);
        claim.managed_fields().iter().any(|entry| entry.manager.as_ref() == manager)
    }

    /// The claim in the movers' namespace: class, size and modes of the one to restore.
    fn own_claim(&self) -> Value {
        let spec = self.request.claim.get("spec").cloned().unwrap_or_else(|| json!({}));
        let mut own = json!({
            "accessModes": spec.get("accessModes").cloned().unwrap_or_else(|| json!(["ReadWriteOnce"])),
            "resources": {"requests": {"storage": self.size()}},
            "volumeMode": mode(if self.request.record.block { VolumeMode::Block } else { VolumeMode::Filesystem }),
        });
        if let (Some(own), Some(class)) = (own.as_object_mut(), spec.get("storageClassName")) {
            own.insert("storageClassName".into(), class.clone());
        }
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": self.name, "namespace": self.mover.namespace, "labels": self.labels()},
            "spec": own,
        })
    }

    /// The claim to restore, bound to the filled volume by name.
    fn final_claim(&self, volume: &str) -> Value {
        let mut claim = self.request.claim.clone();
        if let Some(object) = claim.as_object_mut() {
            object.insert("apiVersion".into(), "v1".into());
            object.insert("kind".into(), "PersistentVolumeClaim".into());
        }
        if let Some(spec) = claim.pointer_mut("/spec").and_then(Value::as_object_mut) {
            spec.insert("volumeName".into(), json!(volume));
        }
        claim
    }

    /// What the claim asks for, at least what the volume had.
    fn size(&self) -> String {
        let asked = self.request.claim.pointer("/spec/resources/requests/storage").and_then(Value::as_str);
        let asked = asked.and_then(quantity::bytes).unwrap_or_default();
        asked.max(self.request.record.capacity).to_string()
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let labels = [
            (labels::MANAGED_BY, labels::COFFERDAM.to_owned()),
            (labels::PURPOSE, labels::FOR_COPY.to_owned()),
            (labels::RESTORE, labels::label_value(&self.request.restore_uid)),
            (labels::TARGET, self.name_label()),
        ];
        labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn selector(&self) -> String {
        format!("{}={},{}={}", labels::PURPOSE, labels::FOR_COPY, labels::TARGET, self.name_label())
    }

    fn name_label(&self) -> String {
        labels::label_value(&self.name)
    }

    fn target(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), self.request.namespace())
    }
}

/// Lets the volumes go that were filled and that no claim has: their own reclaim policy decides again. Those that a
/// claim of the application has, or asks for by name, are its own from now on.
pub(super) async fn give_up(client: &Client, movers: &str, selector: &str) -> Result<(), VolumesError> {
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let ours = kube::api::ListParams::default().labels(selector);
    let listed = persistently(|| volumes.list(&ours)).await.tried(|| "list filled volumes".into())?;
    for volume in listed.items {
        let Some(policy) = volume.annotations().get(RECLAIM) else { continue };
        let name = volume.name_any();
        let mut patch = json!({
            "metadata": {
                "labels": {(labels::TARGET): null, (labels::RESTORE): null}, "annotations": {(RECLAIM): null},
                // A claim that is given the volume at this moment keeps it.
                "resourceVersion": volume.resource_version(),
            },
            "spec": {"persistentVolumeReclaimPolicy": policy},
        });
        let given_to = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        if let Some(claim) = given_to.filter(|claim| claim.namespace.as_deref() != Some(movers))
            && !is_wanted(client, &name, claim).await?
            && let Some(spec) = patch.pointer_mut("/spec").and_then(Value::as_object_mut)
        {
            // A volume that was promised to a claim is never reclaimed; one whose claim is gone is.
            let gone =
                json!({"namespace": movers, "name": name, "uid": volume.uid(), "resourceVersion": null});
            spec.insert("claimRef".into(), gone);
        }
        let (patch, params) = (Patch::Merge(patch), PatchParams::default());
        let given = persistently(|| volumes.patch(&name, &params, &patch)).await;
        given.map(drop).tried(|| format!("let the volume {name} go"))?;
    }
    Ok(())
}

/// Whether the claim that a volume was given to has it, or asks for it.
async fn is_wanted(client: &Client, volume: &str, claim: &ObjectReference) -> Result<bool, VolumesError> {
    let (namespace, name) = (claim.namespace.as_deref().unwrap_or(""), claim.name.as_deref().unwrap_or(""));
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    let found = persistently(|| claims.get_opt(name)).await;
    let found = found.tried(|| format!("read the claim {namespace}/{name}"))?;
    let bound = |claim: &PersistentVolumeClaim| {
        claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound")
    };
    // One that is on its way out and never got the volume wants it no more.
    let stays = found.filter(|claim| claim.metadata.deletion_timestamp.is_none() || bound(claim));
    let asked = stays.and_then(|claim| claim.spec).and_then(|spec| spec.volume_name);
    Ok(asked.as_deref() == Some(volume))
}

fn incomplete(request: &FillRequest, skipped: u64, first: &[String]) -> Option<Problem> {
    (skipped > 0).then(|| {
        Problem::warning(
            code::DATA_NOT_RESTORED,
            format!("{skipped} entries were not restored whole: {}.", first.join("; ")),
        )
        .about(request.target())
        .fix("Compare with `cofferdam recovery-point browse`, and fetch single files with `download`.")
    })
}

fn failed(request: &FillRequest, why: &str) -> Problem {
    Problem::error(code::DATA_NOT_RESTORED, format!("The copied files could not be restored: {why}."))
        .about(request.target())
        .fix("Check the mover's namespace, then restore again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use protection::point::VolumeRecord;

    #[test]
    fn the_name_of_a_mover_fits_into_a_label() {
        let request = FillRequest {
            claim: json!({"metadata": {"namespace": "n".repeat(63), "name": "c".repeat(253)}}),
            record: VolumeRecord {
                namespace: String::new(),
                claim: String::new(),
                persistent_volume: None,
                driver: None,
                storage_class: None,
                block: false,
                capacity: 0,
                protection: VolumeProtection::None { code: String::new(), reason: String::new() },
            },
            restore_uid: "00000000-1111-4222-8333-444444444444".into(),
            field_manager: String::new(),
        };

        assert!(name(&request).len() <= 63, "{}", name(&request));
        assert_eq!(labels::label_value(&name(&request)), name(&request));
    }
}
