//! Copies the files of one volume: second volume, claim, Job; removes them when it is done.

use super::{
    CopyRequest, Mover, MoverReport, Place,
    jobs::{self, Ended},
    manifests::{copy_claim, copy_job, copy_volume},
};
use crate::{
    contents,
    error::{Tried, VolumesError, is_absent, persistently},
    labels,
    parallel::in_parallel,
};
use futures::future::BoxFuture;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Secret},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};
use protection::{Problem, RecoveryPointId, claims::SelectedClaim, code};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long the objects of a mover may take to go.
const GOING: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(500);

/// How copies are carried out.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// Volumes at the same time.
    pub parallel: usize,
    /// How long one volume may take.
    pub timeout: Duration,
    /// Stops the copy and removes its objects.
    pub cancel: CancellationToken,
}

/// Copies the files of many volumes; answers in their order.
pub async fn copy_all(
    client: &Client,
    mover: &Mover,
    requests: &[CopyRequest],
    options: &CopyOptions,
) -> Vec<Result<MoverReport, Problem>> {
    let mut work: Vec<BoxFuture<'_, Result<MoverReport, Problem>>> = Vec::new();
    for request in requests {
        work.push(Box::pin(copy_files(client, mover, request, options)));
    }
    in_parallel(options.parallel, work).await
}

/// Copies the files of one volume into the repository that the mover's command names. Repeatable: a Job from
/// before a crash is taken up. Its objects are removed in any case.
pub async fn copy_files(
    client: &Client,
    mover: &Mover,
    request: &CopyRequest,
    options: &CopyOptions,
) -> Result<MoverReport, Problem> {
    let copied = copy(client, mover, request, options).await;
    let selector = format!(
        "{},{}={}",
        of_point(&request.recovery_point),
        labels::CLAIM_UID,
        labels::label_value(&request.claim.uid)
    );
    let removed = remove(client, &mover.namespace, &selector).await;
    match (copied, removed) {
        (Ok(Ended::Done(report)), Ok(())) => Ok(report),
        (Ok(Ended::Done(_)), Err(error)) => Err(failed(request, &error.to_string())),
        (Ok(Ended::Failed(why)), _) => Err(failed(request, &why)),
        (Err(VolumesError::Cancelled { .. }), _) => {
            Err(Problem::error(code::CANCELLED, "The copy was stopped.").about(request.claim.target()))
        }
        (Err(error), _) => Err(failed(request, &error.to_string())),
    }
}

async fn copy(
    client: &Client,
    mover: &Mover,
    request: &CopyRequest,
    options: &CopyOptions,
) -> Result<Ended, VolumesError> {
    let Some(volume) = copy_volume(request, mover) else {
        return Ok(Ended::Failed("the volume is not served by a CSI driver".to_owned()));
    };
    let place = place_of(client, &request.claim).await?;
    let name = request.name();
    jobs::ensure(&Api::<PersistentVolume>::all(client.clone()), volume, &format!("the second volume {name}"))
        .await?;
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &mover.namespace);
    jobs::ensure(&claims, copy_claim(request, mover), &format!("the second claim {name}")).await?;
    let job = copy_job(request, mover, &place, options.timeout.as_secs().max(1));
    jobs::run(client, mover, &name, request.labels(), job, options).await
}

/// The node of the running pod that uses the claim, by name the first of several.
pub async fn place_of(client: &Client, claim: &SelectedClaim) -> Result<Place, VolumesError> {
    let pods = Api::<Pod>::namespaced(client.clone(), &claim.namespace);
    let running = ListParams::default().fields("status.phase=Running");
    let listed = persistently(|| pods.list(&running)).await;
    let mut listed = listed.tried(|| format!("list the pods of {}", claim.namespace))?.items;
    listed.sort_by_key(ResourceExt::name_any);
    let user = listed.into_iter().filter_map(|pod| pod.spec).find(|spec| {
        spec.volumes.iter().flatten().any(|volume| {
            volume.persistent_volume_claim.as_ref().is_some_and(|source| source.claim_name == claim.name)
        })
    });
    Ok(user.map_or_else(Place::default, |spec| Place {
        node: spec.node_name,
        tolerations: spec.tolerations.unwrap_or_default(),
    }))
}

/// Removes every mover object of a recovery point, after a crash or a cancel.
pub async fn remove_movers(
    client: &Client,
    namespace: &str,
    id: &RecoveryPointId,
) -> Result<(), VolumesError> {
    remove(client, namespace, &of_point(id)).await
}

pub(super) fn of_point(id: &RecoveryPointId) -> String {
    format!(
        "{}={},{}={}",
        labels::PURPOSE,
        labels::FOR_COPY,
        labels::RECOVERY_POINT,
        labels::label_value(id.as_str())
    )
}

/// Jobs first, so that nothing uses the claims, then Secrets, claims and the second volumes.
pub(super) async fn remove(client: &Client, namespace: &str, selector: &str) -> Result<(), VolumesError> {
    let page = ListParams::default().labels(selector);
    let jobs = Api::<Job>::namespaced(client.clone(), namespace);
    let listed = persistently(|| jobs.list_metadata(&page)).await.tried(|| "list movers".into())?;
    for job in &listed.items {
        match jobs.delete(&job.name_any(), &DeleteParams::background()).await {
            Err(error) if is_absent(&error) => {}
            other => drop(other.tried(|| format!("delete the mover {}", job.name_any()))?),
        }
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let listed = persistently(|| secrets.list_metadata(&page)).await.tried(|| "list mover Secrets".into())?;
    for secret in &listed.items {
        contents::delete(&secrets, &secret.name_any(), secret.metadata.uid.as_deref()).await?;
    }
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), namespace);
    let listed = persistently(|| claims.list_metadata(&page)).await.tried(|| "list second claims".into())?;
    for claim in &listed.items {
        contents::delete(&claims, &claim.name_any(), claim.metadata.uid.as_deref()).await?;
    }
    let end = Instant::now() + GOING;
    loop {
        let left =
            persistently(|| claims.list_metadata(&page)).await.tried(|| "list second claims".into())?;
        if left.items.is_empty() || Instant::now() >= end {
            break;
        }
        sleep(POLL).await;
    }
    let volumes = Api::<PersistentVolume>::all(client.clone());
    let listed =
        persistently(|| volumes.list_metadata(&page)).await.tried(|| "list second volumes".into())?;
    for volume in &listed.items {
        contents::delete(&volumes, &volume.name_any(), volume.metadata.uid.as_deref()).await?;
    }
    Ok(())
}

fn failed(request: &CopyRequest, why: &str) -> Problem {
    Problem::warning(
        code::VOLUME_NOT_PROTECTED,
        format!("The files of the volume could not be copied: {why}."),
    )
    .about(request.claim.target())
    .fix("Check the mover's namespace and the node of the pod that uses the volume, then back up again.")
}
