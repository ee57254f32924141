//! The volume part of a backup: cut, retain, wait until usable, copy, detach, and say what protects each claim.

use super::{
    Run,
    decide::{Snapshots, Step},
    internal,
    session::Session,
};
use crate::step::StepError;
use protection::{
    Problem, code,
    point::{VolumeProtection, VolumeRecord},
};
use std::{collections::BTreeMap, time::Duration};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use volumes::{
    CutOptions, CutOutcome, Patience,
    decide::{Decision, Method},
    labels::BackupTag,
};

/// Snapshots that are requested at the same time.
const PARALLEL: usize = 32;
/// How long the snapshot controllers may take to let go of the applications' namespaces.
const DETACH: Duration = Duration::from_secs(120);

impl Run {
    /// Starts cutting all snapshots at once.
    pub(super) async fn request_snapshots(&mut self) -> Result<(), StepError> {
        let tag = self.tag();
        let timeout = Duration::from_secs(u64::from(self.latest.borrow().spec.snapshot_timeout_seconds));
        let client = self.context.client.clone();
        let session = self.session()?;
        let prepared = session.prepared.as_ref().ok_or_else(|| internal("nothing is prepared"))?;
        let plan = prepared.cut.clone();
        // What fails or falls back does so while there is time left for what follows.
        let patience = Patience {
            timeout,
            failing: (timeout / 2).min(Patience::default().failing),
            group: (timeout / 2).min(Patience::default().group),
        };
        // Dropping what an earlier attempt left behind stopped its cut; this one is another, and what it cuts has
        // to be dropped by itself if the backup fails.
        session.cut_cancel = CancellationToken::new();
        session.attempt.dropped = false;
        let options = CutOptions { patience, parallel: PARALLEL, cancel: session.cut_cancel.clone() };
        let cutting = async move { volumes::cut(&client, &tag, &plan, &options).await };
        session.cutting = Some(AbortOnDropHandle::new(tokio::spawn(cutting)));
        session.attempt.snapshots = Snapshots::Waiting;
        Ok(())
    }

    /// Waits until each snapshot is cut, has failed or timed out.
    pub(super) async fn await_cut(&mut self) -> Result<(), StepError> {
        self.stage(Step::AwaitCut).await?;
        let session = self.session()?;
        let Some(cutting) = session.cutting.as_mut() else {
            return Err(internal("no snapshots are being cut"));
        };
        let ended = cutting.await;
        session.cutting = None;
        let report = ended
            .map_err(|error| internal(&format!("the cut ended unexpectedly: {error}")))?
            .map_err(|error| StepError::from(error).unrepeatable())?;
        for outcome in &report.outcomes {
            if let CutOutcome::Failed { problem, .. } = outcome {
                session.problems.push(problem.clone());
            }
        }
        session.problems.extend(report.problems.iter().cloned());
        session.cut = report;
        session.attempt.snapshots = Snapshots::Settled;
        Ok(())
    }

    /// Retains what was cut, beyond the life of the application's namespace.
    pub(super) async fn anchor(&mut self) -> Result<(), StepError> {
        let (client, tag) = (self.context.client.clone(), self.tag());
        let session = self.session()?;
        let (anchored, problems) = volumes::anchor(&client, &tag, session.cut.cut(), PARALLEL).await?;
        session.problems.extend(problems);
        session.anchored = anchored;
        session.attempt.anchored = true;
        Ok(())
    }

    /// Waits until the snapshots can be restored from.
    pub(super) async fn await_ready(&mut self) -> Result<(), StepError> {
        self.stage(Step::AwaitReady).await?;
        let (client, id) = (self.context.client.clone(), self.point_id());
        let at_most = Duration::from_secs(u64::from(self.latest.borrow().spec.snapshot_timeout_seconds));
        let session = self.session()?;
        let cancel = CancellationToken::new();
        let late = volumes::await_ready(&client, &id, &mut session.anchored, at_most, &cancel).await?;
        session.problems.extend(late);
        session.attempt.ready = true;
        Ok(())
    }

    /// Removes the snapshots' objects from the application's namespaces; the anchors stay.
    pub(super) async fn detach(&mut self) -> Result<(), StepError> {
        let (client, id) = (self.context.client.clone(), self.point_id());
        let problems = volumes::detach(&client, &id, DETACH).await?;
        let session = self.session()?;
        session.problems.extend(problems);
        session.attempt.detached = true;
        Ok(())
    }

    /// What every snapshot of this backup carries.
    pub(super) fn tag(&self) -> BackupTag {
        let object = self.latest.borrow();
        let group = &object.spec.snapshot_resource_group;
        BackupTag {
            recovery_point: self.point_id(),
            instance: object.spec.backup_instance.clone(),
            resource_group: (!group.is_empty()).then(|| group.clone()),
        }
    }
}

/// What protects each selected claim, in the end.
pub(super) fn records(session: &Session) -> Vec<VolumeRecord> {
    let decisions =
        session.prepared.as_ref().map(|prepared| prepared.decisions.as_slice()).unwrap_or_default();
    let anchored: BTreeMap<&str, VolumeProtection> =
        session.anchored.iter().map(|one| (one.snapshot.claim.uid.as_str(), one.protection())).collect();
    let failed: BTreeMap<&str, &Problem> = session
        .cut
        .outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            CutOutcome::Failed { claim, problem } => Some((claim.uid.as_str(), problem)),
            CutOutcome::Cut(_) => None,
        })
        .collect();
    let by_snapshot_or_not = decisions.iter().filter_map(|decision| {
        let uid = decision.claim.uid.as_str();
        match &decision.method {
            Method::NotProtected(why) => Some(record(decision, why.protection())),
            Method::Snapshot(_) => {
                let protection = anchored.get(uid).cloned().unwrap_or_else(|| match failed.get(uid) {
                    Some(problem) => not_protected(problem),
                    None => VolumeProtection::None {
                        code: code::SNAPSHOT_FAILED.to_owned(),
                        reason: "The snapshot was cut but could not be retained.".to_owned(),
                    },
                });
                Some(record(decision, protection))
            }
            Method::FileCopy => None,
        }
    });
    by_snapshot_or_not.chain(session.copies.iter().map(|(record, _)| record.clone())).collect()
}

fn not_protected(problem: &Problem) -> VolumeProtection {
    VolumeProtection::None { code: problem.code.clone(), reason: problem.message.clone() }
}

/// The record of one claim.
pub(super) fn record(decision: &Decision, protection: VolumeProtection) -> VolumeRecord {
    use protection::claims::{VolumeMode, VolumeSource};
    let claim = &decision.claim;
    let facts = claim.bound();
    VolumeRecord {
        namespace: claim.namespace.clone(),
        claim: claim.name.clone(),
        persistent_volume: facts.map(|facts| facts.name.clone()),
        driver: facts.and_then(|facts| match &facts.source {
            VolumeSource::Csi(csi) => Some(csi.driver.clone()),
            VolumeSource::InTree { .. } => None,
        }),
        storage_class: claim.storage_class.clone(),
        block: claim.volume_mode == VolumeMode::Block,
        capacity: claim.size(),
        protection,
    }
}
