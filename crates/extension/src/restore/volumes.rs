//! Fills claims for a restore: the interface that `replay` asks for, over what `volumes` does.

use super::copies::Copies;
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

/// Fills claims from snapshots and from copied files.
pub struct Filler {
    /// The target cluster.
    pub client: Client,
    /// Namespace that a probe's temporary, cluster-scoped content names.
    pub namespace: String,
    /// Where copied files come from.
    pub copies: Copies,
}

#[async_trait]
impl VolumeRestorer for Filler {
    /// The one thing that a plan writes: without a temporary content no driver can be asked about a snapshot that
    /// another cluster took.
    async fn check(&self, claims: &[ClaimToRestore]) -> Vec<Reach> {
        let target = match observe_target(&self.client).await {
            Ok(target) => target,
            Err(error) => return unknown(claims.len(), &error.to_string()),
        };
        let (copies, snapshots) = split(claims);
        let (of_copies, of_snapshots) = tokio::join!(
            self.copies.check(claims_of(&copies), &target),
            self.check_snapshots(claims_of(&snapshots), &target)
        );
        in_order(copies, of_copies, snapshots, of_snapshots)
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
        let (copies, snapshots) = split(&claims);
        let requests = snapshots.iter().map(|(_, claim)| request(claim)).collect();
        let (of_copies, of_snapshots) = tokio::join!(
            self.copies.restore(claims_of(&copies), &target, cancel),
            self.fill(requests, &target, cancel)
        );
        in_order(copies, of_copies, snapshots, of_snapshots)
    }
}

impl Filler {
    async fn check_snapshots(&self, claims: Vec<&ClaimToRestore>, target: &Target) -> Vec<Reach> {
        let requests: Vec<FillRequest> = claims.iter().map(|claim| request(claim)).collect();
        let probe = Probe::Write { namespace: self.namespace.clone(), timeout: PROBE };
        let reached = match reach_all(&self.client, &requests, target, &probe).await {
            Ok(reached) => reached,
            Err(error) => return unknown(claims.len(), &error.to_string()),
        };
        let checked = reached.into_iter().map(|reach| match reach {
            volumes::restore::Reach::Reachable => Reach::Reachable,
            volumes::restore::Reach::NotReachable(problem) => Reach::NotReachable(problem),
            volumes::restore::Reach::NotCheckable { reason } => Reach::Unknown { reason },
        });
        checked.collect()
    }

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

pub(super) fn request(claim: &ClaimToRestore) -> FillRequest {
    FillRequest {
        claim: claim.claim.clone(),
        record: claim.record.clone(),
        restore_uid: claim.restore_uid.clone(),
        field_manager: claim.field_manager.clone(),
    }
}

/// A claim and its place among all.
type Placed<'a> = (usize, &'a ClaimToRestore);

/// The claims whose files were copied, and the others.
fn split(claims: &[ClaimToRestore]) -> (Vec<Placed<'_>>, Vec<Placed<'_>>) {
    let is_copy = |claim: &ClaimToRestore| matches!(claim.record.protection, VolumeProtection::Files { .. });
    claims.iter().enumerate().partition(|(_, claim)| is_copy(claim))
}

fn claims_of<'a>(placed: &[Placed<'a>]) -> Vec<&'a ClaimToRestore> {
    placed.iter().map(|(_, claim)| *claim).collect()
}

/// Both kinds of answers in the order of the claims.
fn in_order<T>(
    copies: Vec<Placed<'_>>,
    of_copies: Vec<T>,
    others: Vec<Placed<'_>>,
    of_others: Vec<T>,
) -> Vec<T> {
    let places = copies.into_iter().chain(others).map(|(at, _)| at);
    let mut answers: Vec<(usize, T)> = places.zip(of_copies.into_iter().chain(of_others)).collect();
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn unknown(claims: usize, reason: &str) -> Vec<Reach> {
    vec![Reach::Unknown { reason: reason.to_owned() }; claims]
}
