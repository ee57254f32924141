//! Requests all snapshots of a backup at once and waits until each is cut: its content has a handle and a
//! creation time, so the application may go on writing.
//!
//! One watch on contents brings the news fast; a list of our VolumeSnapshots every few seconds makes up for
//! whatever the watch missed. A snapshot that fails does not hold up the others. Everything is idempotent:
//! run again after a crash, it meets its own objects by name.

mod classify;
pub(crate) mod group;
mod judge;
mod request;
mod run;
mod watch;

pub(crate) use group::abandon as abandon_group;
pub use judge::{Patience, Verdict};

use crate::{
    api::{GroupApi, VolumeSnapshotClass},
    decide::{Decision, GroupPlan, Method},
    error::VolumesError,
    labels::BackupTag,
};
use jiff::Timestamp;
use kube::Client;
use protection::{Problem, claims::SelectedClaim};
use tokio_util::sync::CancellationToken;

/// A claim, by all that its snapshot needs to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

impl ClaimKey {
    /// The key of a selected claim.
    pub fn of(claim: &SelectedClaim) -> Self {
        Self { namespace: claim.namespace.clone(), name: claim.name.clone(), uid: claim.uid.clone() }
    }

    /// `persistentvolumeclaims/<namespace>/<name>`.
    pub fn target(&self) -> String {
        format!("persistentvolumeclaims/{}/{}", self.namespace, self.name)
    }
}

/// One snapshot to cut.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotRequest {
    /// Of this claim.
    pub claim: ClaimKey,
    /// By this driver.
    pub driver: String,
    /// The driver's handle of the volume.
    pub volume_handle: String,
    /// The class whose parameters ours copies.
    pub source_class: VolumeSnapshotClass,
}

/// The snapshots that the decisions ask for.
pub fn requests(decisions: &[Decision]) -> Vec<SnapshotRequest> {
    decisions
        .iter()
        .filter_map(|decision| match &decision.method {
            Method::Snapshot(plan) => Some(SnapshotRequest {
                claim: ClaimKey::of(&decision.claim),
                driver: plan.driver.clone(),
                volume_handle: plan.volume_handle.clone(),
                source_class: plan.source_class.clone(),
            }),
            Method::FileCopy | Method::NotProtected(_) => None,
        })
        .collect()
}

/// What is to be cut.
#[derive(Debug, Clone)]
pub struct CutPlan {
    /// All snapshots, those in groups too.
    pub requests: Vec<SnapshotRequest>,
    /// Those of them that are cut at one instant.
    pub groups: Vec<GroupPlan>,
    /// The group API; without it `groups` is ignored.
    pub group_api: Option<GroupApi>,
}

/// How a cut is carried out.
#[derive(Debug, Clone)]
pub struct CutOptions {
    /// How long to wait.
    pub patience: Patience,
    /// Requests under way at the same time.
    pub parallel: usize,
    /// Stops the wait; what was requested stays and is dropped by name with [`crate::remove_point`].
    pub cancel: CancellationToken,
}

/// A snapshot that the storage system has cut.
#[derive(Debug, Clone, PartialEq)]
pub struct CutSnapshot {
    /// Of this claim.
    pub claim: ClaimKey,
    /// By this driver.
    pub driver: String,
    /// The driver's handle of the volume.
    pub volume_handle: String,
    /// The storage system's handle of the snapshot.
    pub handle: String,
    /// When it was cut.
    pub cut: Timestamp,
    /// Bytes that a volume made from it needs, if the driver said so yet.
    pub restore_size: Option<u64>,
    /// Name of its content; a member of a group gets its content later.
    pub content: Option<String>,
    /// Handle of the group that it was cut with.
    pub group: Option<String>,
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub enum CutOutcome {
    /// Cut.
    Cut(CutSnapshot),
    /// Not cut, and why.
    Failed {
        /// The claim.
        claim: ClaimKey,
        /// What went wrong, with a documented code.
        problem: Problem,
    },
}

/// All outcomes, one per request, in the order of the requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CutReport {
    /// One per request.
    pub outcomes: Vec<CutOutcome>,
    /// Groups that fell back to single snapshots.
    pub problems: Vec<Problem>,
}

impl CutReport {
    /// Those that were cut.
    pub fn cut(&self) -> Vec<CutSnapshot> {
        let cut = self.outcomes.iter().filter_map(|outcome| match outcome {
            CutOutcome::Cut(snapshot) => Some(snapshot.clone()),
            CutOutcome::Failed { .. } => None,
        });
        cut.collect()
    }
}

/// Requests all snapshots at once and waits until each is cut or has failed.
///
/// # Errors
/// When nothing could be requested at all (our snapshot class could not be made), or on cancel.
pub async fn cut(
    client: &Client,
    tag: &BackupTag,
    plan: &CutPlan,
    options: &CutOptions,
) -> Result<CutReport, VolumesError> {
    if plan.requests.is_empty() {
        return Ok(CutReport::default());
    }
    tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(VolumesError::Cancelled { tried: "cut snapshots".into() }),
        report = run::run(client, tag, plan, options) => report,
    }
}
