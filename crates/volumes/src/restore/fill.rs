//! Creates one claim with the data of its snapshot and waits until it is bound, where binding does not wait
//! for a pod.

use super::{
    FillRequest, Target,
    check::{no_data, unreachable},
    check_claim,
    events::last_complaint,
    objects::{self, StaticContent},
};
use crate::{
    api::{RETAIN, VolumeSnapshot, VolumeSnapshotContent},
    contents::{self, ContentFacts},
    error::{is_absent, is_conflict, persistently, readable},
    parallel::in_parallel,
};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject},
};
use protection::{Problem, code};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const FIRST_POLL: Duration = Duration::from_millis(250);
const LAST_POLL: Duration = Duration::from_secs(3);

/// How claims are filled.
#[derive(Debug, Clone)]
pub struct FillOptions {
    /// How long a snapshot may take to be ready; it may still be uploading.
    pub snapshot_timeout: Duration,
    /// How long the storage system may take to make a volume from it.
    pub bind_timeout: Duration,
    /// Claims at the same time.
    pub parallel: usize,
    /// Stops the work; a claim that is not bound by then is removed again.
    pub cancel: CancellationToken,
}

/// A claim whose data is there, or will be without further help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// Bound to a volume with the data.
    Bound {
        /// UID of the claim.
        uid: String,
        /// Name of the volume.
        volume: String,
    },
    /// The volume is made when the first pod needs it; the temporary snapshot stays until [`super::abort`].
    WaitsForConsumer {
        /// UID of the claim.
        uid: String,
    },
}

impl Filled {
    /// UID of the claim.
    pub fn uid(&self) -> &str {
        match self {
            Self::Bound { uid, .. } | Self::WaitsForConsumer { uid } => uid,
        }
    }
}

/// Fills many claims; answers in their order.
pub async fn fill_all(
    client: &Client,
    requests: Vec<FillRequest>,
    target: &Target,
    options: &FillOptions,
) -> Vec<Result<Filled, Problem>> {
    let mut work: Vec<BoxFuture<'_, Result<Filled, Problem>>> = Vec::new();
    for request in &requests {
        work.push(Box::pin(fill(client, request, target, options)));
    }
    in_parallel(options.parallel, work).await
}

/// Fills one claim. Repeatable after a crash: what this restore made is taken up where it was left. On failure
/// neither the claim nor the temporary objects stay.
pub async fn fill(
    client: &Client,
    request: &FillRequest,
    target: &Target,
    options: &FillOptions,
) -> Result<Filled, Problem> {
    let waits = check_claim(request, target)?.waits_for_consumer;
    let work = Work { client, request, target, options };
    let filled = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(Problem::error(code::CANCELLED, "The restore was stopped.").about(request.target())),
        filled = work.fill(waits) => filled,
    };
    match &filled {
        Ok(Filled::WaitsForConsumer { .. }) => {}
        Ok(Filled::Bound { .. }) => work.clean_up().await,
        Err(_) => {
            work.remove_claim().await;
            work.clean_up().await;
        }
    }
    filled
}

struct Work<'a> {
    client: &'a Client,
    request: &'a FillRequest,
    target: &'a Target,
    options: &'a FillOptions,
}

impl Work<'_> {
    async fn fill(&self, waits: bool) -> Result<Filled, Problem> {
        if let Some(claim) = self.existing().await? {
            return self.bound(claim.uid().unwrap_or_default(), waits).await;
        }
        self.create_snapshot().await?;
        let restore_size = self.snapshot_ready().await?;
        let uid = self.create_claim(restore_size).await?;
        self.bound(uid, waits).await
    }

    /// The claim, when this restore made it before; an error when someone else did.
    async fn existing(&self) -> Result<Option<PersistentVolumeClaim>, Problem> {
        let claims = self.claims();
        let name = self.request.name();
        let found = persistently(|| claims.get_opt(name))
            .await
            .map_err(|error| self.failed("read the claim", &error))?;
        match found {
            None => Ok(None),
            Some(claim) if self.is_ours(&claim) => Ok(Some(claim)),
            Some(_) => Err(no_data(
                self.request,
                "A claim of this name exists: data is never written onto an existing claim.".into(),
            )
            .fix("Restore into another namespace, or delete the claim first.")),
        }
    }

    fn is_ours(&self, claim: &PersistentVolumeClaim) -> bool {
        let source = claim.spec.as_ref().and_then(|spec| spec.data_source.as_ref());
        source.is_some_and(|source| source.name == objects::name(self.request))
    }

    async fn create_snapshot(&self) -> Result<(), Problem> {
        let request = self.request;
        let Some((driver, handle)) = request.snapshot() else {
            return Err(no_data(request, "The recovery point holds no snapshot of it.".into()));
        };
        let name = objects::name(request);
        let content = StaticContent {
            name: &name,
            driver,
            handle,
            block: request.record.block,
            namespace: request.namespace(),
            labels: objects::restore_labels(request),
            class: objects::listing_class(driver, &self.target.storage),
        };
        let contents = Api::<VolumeSnapshotContent>::all(self.client.clone());
        let content = content.object();
        let params = self.params();
        ignore_conflict(persistently(|| contents.create(&params, &content)).await)
            .map_err(|error| self.failed("create the snapshot content", &error))?;
        let snapshots = Api::<VolumeSnapshot>::namespaced(self.client.clone(), request.namespace());
        let snapshot = objects::snapshot(request);
        ignore_conflict(persistently(|| snapshots.create(&params, &snapshot)).await)
            .map_err(|error| self.failed("create the snapshot", &error))
    }

    /// Waits until a volume can be made from the snapshot; gives the bytes that it needs.
    async fn snapshot_ready(&self) -> Result<Option<u64>, Problem> {
        let name = objects::name(self.request);
        let snapshots = Api::<VolumeSnapshot>::namespaced(self.client.clone(), self.request.namespace());
        let contents = Api::<VolumeSnapshotContent>::all(self.client.clone());
        let end = Instant::now() + self.options.snapshot_timeout;
        let mut pause = FIRST_POLL;
        loop {
            let snapshot = persistently(|| snapshots.get_opt(&name)).await;
            let content = persistently(|| contents.get_opt(&name)).await;
            let snapshot = snapshot.map_err(|error| self.failed("read the snapshot", &error))?;
            let content = content.map_err(|error| self.failed("read the snapshot content", &error))?;
            if let (Some(snapshot), Some(content)) = (&snapshot, &content)
                && snapshot.is_ready()
            {
                return Ok(content.restore_size());
            }
            let failure = content.as_ref().and_then(VolumeSnapshotContent::failure);
            if let Some(failure) = failure.filter(|text| is_not_found(text)) {
                return Err(unreachable(self.request, format!("the storage system does not know the snapshot ({failure})"))
                    .fix("Restore on the cluster that took the backup, or from a recovery point of the vault tier."));
            }
            if Instant::now() >= end {
                let failure = failure.or_else(|| snapshot.as_ref().and_then(VolumeSnapshot::failure));
                let why = failure.map(|text| format!(": {text}")).unwrap_or_default();
                let waited = self.options.snapshot_timeout.as_secs();
                return Err(no_data(
                    self.request,
                    format!("Its snapshot was not ready within {waited} s{why}."),
                )
                .fix("Check the snapshot with `kubectl get volumesnapshotcontent`, then restore again."));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_POLL);
        }
    }

    async fn create_claim(&self, restore_size: Option<u64>) -> Result<String, Problem> {
        let kind = ApiResource::erase::<PersistentVolumeClaim>(&());
        let claims =
            Api::<DynamicObject>::namespaced_with(self.client.clone(), self.request.namespace(), &kind);
        let claim: DynamicObject = serde_json::from_value(objects::claim(self.request, restore_size))
            .map_err(|why| no_data(self.request, format!("The claim cannot be read: {why}.")))?;
        let params = self.params();
        match persistently(|| claims.create(&params, &claim)).await {
            Ok(made) => Ok(made.uid().unwrap_or_default()),
            Err(error) if is_conflict(&error) => match self.existing().await? {
                Some(claim) => Ok(claim.uid().unwrap_or_default()),
                None => Err(self.failed("create the claim", &error)),
            },
            Err(error) => Err(self.failed("create the claim", &error)),
        }
    }

    /// Waits until the claim is bound, unless binding waits for a pod.
    async fn bound(&self, uid: String, waits: bool) -> Result<Filled, Problem> {
        let claims = self.claims();
        let end = Instant::now() + self.options.bind_timeout;
        let mut pause = FIRST_POLL;
        loop {
            let name = self.request.name();
            let found = persistently(|| claims.get_opt(name)).await;
            let Some(claim) = found.map_err(|error| self.failed("read the claim", &error))? else {
                return Err(no_data(self.request, "The claim was deleted while it was being filled.".into()));
            };
            let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
            let volume = claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
            match (phase, volume) {
                (Some("Bound"), Some(volume)) => return Ok(Filled::Bound { uid, volume }),
                _ if waits => return Ok(Filled::WaitsForConsumer { uid }),
                _ => {}
            }
            if Instant::now() >= end {
                let said = last_complaint(self.client, self.request.namespace(), &uid).await;
                let said = said.map(|text| format!(" The provisioner said: {text}")).unwrap_or_default();
                let waited = self.options.bind_timeout.as_secs();
                return Err(no_data(
                    self.request,
                    format!("No volume was made from its snapshot within {waited} s.{said}"),
                )
                .fix("Check the CSI driver's controller, then restore again."));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_POLL);
        }
    }

    /// Removes the claim again if this restore made it and it is not bound.
    async fn remove_claim(&self) {
        let claims = self.claims();
        let Ok(Some(claim)) = claims.get_opt(self.request.name()).await else { return };
        let bound = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
        if bound || !self.is_ours(&claim) {
            return;
        }
        let preconditions = Preconditions { uid: claim.uid(), resource_version: claim.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        if let Err(error) = claims.delete(self.request.name(), &params).await
            && !is_absent(&error)
        {
            tracing::warn!(%error, claim = self.request.target(), "an unfilled claim could not be removed");
        }
    }

    /// Removes the temporary objects; what fails here is removed by the sweep.
    async fn clean_up(&self) {
        let name = objects::name(self.request);
        if let Err(error) = remove_temporary(self.client, self.request.namespace(), &name).await {
            tracing::debug!(%error, name, "temporary snapshot stays until the next sweep");
        }
    }

    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), self.request.namespace())
    }

    fn params(&self) -> PostParams {
        PostParams { field_manager: Some(self.request.field_manager.clone()), ..PostParams::default() }
    }

    fn failed(&self, tried: &str, error: &kube::Error) -> Problem {
        no_data(self.request, format!("Could not {tried}: {}.", readable(error)))
    }
}

/// Removes a temporary snapshot and its content; the storage snapshot stays.
pub(super) async fn remove_temporary(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<(), crate::VolumesError> {
    use crate::error::Tried;
    let snapshots = Api::<VolumeSnapshot>::namespaced(client.clone(), namespace);
    contents::delete(&snapshots, name, None).await?;
    let all = Api::<VolumeSnapshotContent>::all(client.clone());
    let found =
        persistently(|| all.get_opt(name)).await.tried(|| format!("read the snapshot content {name}"))?;
    match found {
        Some(content) => contents::release(client, &ContentFacts::of(&content), RETAIN).await,
        None => Ok(()),
    }
}

fn ignore_conflict<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(error) if is_conflict(&error) => Ok(()),
        other => other.map(drop),
    }
}

/// How the sidecar and drivers say that a handle means nothing to them.
pub(super) fn is_not_found(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    ["can not find snapshot", "code = notfound", "snapshot not found"]
        .iter()
        .any(|phrase| text.contains(phrase))
}
