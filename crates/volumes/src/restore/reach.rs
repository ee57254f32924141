//! Whether the snapshots of a recovery point can be reached from this cluster, for a plan.
//!
//! Without a probe nothing is written: what this cluster's own objects do not show is *not checkable*. A
//! probe makes one temporary cluster-scoped VolumeSnapshotContent per snapshot (policy `Retain`, bound to
//! nothing) and lets the CSI driver look the handle up; it is deleted at once.

use super::{
    FillRequest, Target,
    check::unreachable,
    check_claim,
    fill::is_not_found,
    objects::{StaticContent, listing_class},
};
use crate::{
    api::VolumeSnapshotContent,
    contents,
    error::{VolumesError, is_conflict, persistently, readable},
    labels,
    parallel::in_parallel,
};
use futures::future::BoxFuture;
use kube::{Api, Client, api::PostParams};
use protection::Problem;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(250);
/// Probes at the same time.
const PARALLEL: usize = 8;

/// Whether temporary objects may be written to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Nothing is written.
    Never,
    /// One temporary content per snapshot.
    Write {
        /// Namespace that the content names; the extension's own.
        namespace: String,
        /// How long the driver may take to answer.
        timeout: Duration,
    },
}

/// Whether a claim's data can be reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Reach {
    /// The storage system knows the snapshot.
    Reachable,
    /// It does not, or the claim cannot be filled for another reason.
    NotReachable(Problem),
    /// Only trying will tell.
    NotCheckable {
        /// Why.
        reason: String,
    },
}

/// Checks all claims; answers in their order.
///
/// # Errors
/// When the cluster's own snapshot contents cannot be listed.
pub async fn reach_all(
    client: &Client,
    requests: &[FillRequest],
    target: &Target,
    probe: &Probe,
) -> Result<Vec<Reach>, VolumesError> {
    let known: BTreeMap<(String, String), bool> = if target.storage.snapshots_served {
        let listed = contents::list(client, None).await?.into_iter().filter(|one| !one.going);
        listed.filter_map(|one| Some(((one.driver, one.handle?), one.ready))).collect()
    } else {
        BTreeMap::new()
    };
    let mut checks: Vec<BoxFuture<'_, Reach>> = Vec::new();
    for request in requests {
        checks.push(Box::pin(reach(client, request, target, probe, &known)));
    }
    Ok(in_parallel(PARALLEL, checks).await)
}

async fn reach(
    client: &Client,
    request: &FillRequest,
    target: &Target,
    probe: &Probe,
    known: &BTreeMap<(String, String), bool>,
) -> Reach {
    if let Err(problem) = check_claim(request, target) {
        return Reach::NotReachable(problem);
    }
    let Some((driver, handle)) = request.snapshot() else {
        return Reach::NotCheckable { reason: "the recovery point names no snapshot".to_owned() };
    };
    match probe {
        Probe::Write { namespace, timeout } => {
            let looked = look_up(client, request, target, namespace, *timeout).await;
            looked.unwrap_or_else(|error| Reach::NotCheckable { reason: readable(&error) })
        }
        Probe::Never if known.contains_key(&(driver.to_owned(), handle.to_owned())) => Reach::Reachable,
        Probe::Never => Reach::NotCheckable {
            reason: format!(
                "no object of this cluster refers to the snapshot {handle}; only the driver can look it up"
            ),
        },
    }
}

/// Lets the driver look the handle up through a temporary content.
async fn look_up(
    client: &Client,
    request: &FillRequest,
    target: &Target,
    namespace: &str,
    timeout: Duration,
) -> Result<Reach, kube::Error> {
    let Some((driver, handle)) = request.snapshot() else {
        return Ok(Reach::NotCheckable { reason: "the recovery point names no snapshot".to_owned() });
    };
    let name = format!("cofferdam-probe-{}-{}", request.restore_uid, labels::digest(&[driver, handle]));
    let content = StaticContent {
        name: &name,
        driver,
        handle,
        block: request.record.block,
        namespace,
        labels: probe_labels(&request.restore_uid),
        class: listing_class(driver, &target.storage),
    }
    .object();
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let params = PostParams { field_manager: Some(request.field_manager.clone()), ..PostParams::default() };
    match persistently(|| contents.create(&params, &content)).await {
        Err(error) if is_conflict(&error) => {}
        other => drop(other?),
    }
    let seen = wait(&contents, &name, request, timeout).await;
    if let Err(error) = contents::delete(&contents, &name, None).await {
        tracing::warn!(%error, name, "probe stays until the next sweep");
    }
    seen
}

async fn wait(
    contents: &Api<VolumeSnapshotContent>,
    name: &str,
    request: &FillRequest,
    timeout: Duration,
) -> Result<Reach, kube::Error> {
    let end = Instant::now() + timeout;
    loop {
        let seen = persistently(|| contents.get_opt(name)).await?;
        if let Some(reach) = seen.as_ref().and_then(|content| judge(content, request)) {
            return Ok(reach);
        }
        if Instant::now() >= end {
            let reason =
                format!("the CSI driver did not look the snapshot up within {} s", timeout.as_secs());
            return Ok(Reach::NotCheckable { reason });
        }
        sleep(POLL).await;
    }
}

/// What the sidecar's answer means; nothing while there is none. Pure.
fn judge(content: &VolumeSnapshotContent, request: &FillRequest) -> Option<Reach> {
    if let Some(failure) = content.failure() {
        return Some(if is_not_found(failure) {
            let why = format!("the storage system does not know the snapshot ({failure})");
            Reach::NotReachable(unreachable(request, why).fix(
                "Restore on the cluster that took the backup, or from a recovery point of the vault tier.",
            ))
        } else {
            Reach::NotCheckable { reason: failure.to_owned() }
        });
    }
    content.status.as_ref().and_then(|status| status.snapshot_handle.as_ref())?;
    // A driver that cannot list snapshots is asked nothing: the sidecar then reports neither size nor doubt.
    Some(match content.restore_size() {
        Some(_) => Reach::Reachable,
        None => Reach::NotCheckable { reason: "the CSI driver cannot look snapshots up".to_owned() },
    })
}

fn probe_labels(restore_uid: &str) -> BTreeMap<String, String> {
    let labels = [
        (labels::MANAGED_BY, labels::COFFERDAM.to_owned()),
        (labels::PURPOSE, labels::FOR_PROBE.to_owned()),
        (labels::RESTORE, labels::label_value(restore_uid)),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
