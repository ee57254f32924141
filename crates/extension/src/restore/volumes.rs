//! Fills claims for a restore: the interface that `replay` asks for, over what `volumes` does.

use async_trait::async_trait;
use kube::Client;
use protection::{Problem, code, point::VolumeProtection};
use replay::{ClaimToRestore, Reach, VolumeRestorer};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use volumes::restore::{FillOptions, FillRequest, Probe, Target, fill_all, observe_target, reach_all};

/// How long a snapshot may take to be ready, and a volume to be made from it.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long a driver may take to say whether it knows a snapshot.
const PROBE: Duration = Duration::from_secs(20);
/// Claims that are filled at the same time.
const PARALLEL: usize = 16;

/// Fills claims from snapshots.
pub struct Filler {
    /// The target cluster.
    pub client: Client,
    /// Namespace that a probe's temporary, cluster-scoped content names.
    pub namespace: String,
}

#[async_trait]
impl VolumeRestorer for Filler {
    /// The one thing that a plan writes: without a temporary content no driver can be asked about a snapshot that
    /// another cluster took.
    async fn check(&self, claims: &[ClaimToRestore]) -> Vec<Reach> {
        let unknown =
            |reason: String| claims.iter().map(|_| Reach::Unknown { reason: reason.clone() }).collect();
        let target = match observe_target(&self.client).await {
            Ok(target) => target,
            Err(error) => return unknown(error.to_string()),
        };
        let requests: Vec<FillRequest> = claims.iter().map(request).collect();
        let probe = Probe::Write { namespace: self.namespace.clone(), timeout: PROBE };
        let reached = match reach_all(&self.client, &requests, &target, &probe).await {
            Ok(reached) => reached,
            Err(error) => return unknown(error.to_string()),
        };
        let checked = claims.iter().zip(reached).map(|(claim, reach)| match reach {
            _ if is_copy(claim) => Reach::NotReachable(no_copies(claim)),
            volumes::restore::Reach::Reachable => Reach::Reachable,
            volumes::restore::Reach::NotReachable(problem) => Reach::NotReachable(problem),
            volumes::restore::Reach::NotCheckable { reason } => Reach::Unknown { reason },
        });
        checked.collect()
    }

    async fn restore(
        &self,
        claims: Vec<ClaimToRestore>,
        cancel: &CancellationToken,
    ) -> Vec<Result<String, Problem>> {
        let target = match observe_target(&self.client).await {
            Ok(target) => target,
            Err(error) => {
                let problem = error.problem(code::DATA_NOT_RESTORED);
                return claims.iter().map(|_| Err(problem.clone())).collect();
            }
        };
        let (copies, snapshots): (Vec<_>, Vec<_>) =
            claims.iter().enumerate().partition(|(_, claim)| is_copy(claim));
        let mut answers: Vec<(usize, Result<String, Problem>)> =
            copies.into_iter().map(|(at, claim)| (at, Err(no_copies(claim)))).collect();
        let requests = snapshots.iter().map(|(_, claim)| request(claim)).collect();
        let filled = self.fill(requests, &target, cancel).await;
        answers.extend(snapshots.into_iter().map(|(at, _)| at).zip(filled));
        answers.sort_by_key(|(at, _)| *at);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

impl Filler {
    async fn fill(
        &self,
        requests: Vec<FillRequest>,
        target: &Target,
        cancel: &CancellationToken,
    ) -> Vec<Result<String, Problem>> {
        let options = FillOptions {
            snapshot_timeout: PATIENCE,
            bind_timeout: PATIENCE,
            parallel: PARALLEL,
            cancel: cancel.clone(),
        };
        let filled = fill_all(&self.client, requests, target, &options).await;
        filled.into_iter().map(|one| one.map(|filled| filled.uid().to_owned())).collect()
    }
}

fn request(claim: &ClaimToRestore) -> FillRequest {
    FillRequest {
        claim: claim.claim.clone(),
        record: claim.record.clone(),
        restore_uid: claim.restore_uid.clone(),
        field_manager: claim.field_manager.clone(),
    }
}

fn is_copy(claim: &ClaimToRestore) -> bool {
    matches!(claim.record.protection, VolumeProtection::Files { .. })
}

fn no_copies(claim: &ClaimToRestore) -> Problem {
    Problem::warning(
        code::DATA_NOT_RESTORED,
        "Its files are in the recovery point, but this version cannot copy them into a volume.",
    )
    .about(format!("persistentvolumeclaims/{}/{}", claim.record.namespace, claim.record.claim))
    .fix("Get the files with `cofferdam recovery-point download --path volumes/…` and copy them by hand.")
}
