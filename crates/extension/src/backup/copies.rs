//! The file copies of a backup: one mover per volume, all under way at the same time, each leaving one tree in
//! the repository that the recovery point then refers to.

use super::{Run, decide::Step, internal, snapshots::record};
use crate::{movers, step::StepError};
use capture::{VolumeContent, VolumeData};
use engine::{NodeKind, Reader};
use protection::{
    Problem, code,
    point::{VolumeProtection, VolumeRecord, volume_path},
};
use std::time::Duration;
use volumes::{
    decide::{Decision, Method},
    files::{CopyRequest, MoverReport, copy_all},
};

/// What became of one volume: its record, what it left in the repository, and what is to be told.
type Copied = (VolumeRecord, Option<VolumeContent>, Option<Problem>);

impl Run {
    /// Copies the files of every volume that is to be copied. Repeatable: movers of an earlier attempt are taken
    /// up.
    pub(super) async fn copy_files(&mut self) -> Result<(), StepError> {
        self.stage(Step::CopyFiles).await?;
        let (context, id, at_most) = (self.context.clone(), self.point_id(), self.time_left());
        let session = self.session()?;
        let location = session.location.clone().ok_or_else(|| internal("no location is open"))?;
        let prepared = session.prepared.as_ref().ok_or_else(|| internal("nothing is prepared"))?;
        let due: Vec<Decision> =
            prepared.decisions.iter().filter(|d| matches!(d.method, Method::FileCopy)).cloned().collect();
        let copies = match movers::mover(&context, &location, "save", &[]).await {
            Err(problem) => due.iter().map(|decision| failed(decision, problem.clone())).collect(),
            Ok(mover) => {
                let requests: Vec<CopyRequest> = due
                    .iter()
                    .map(|decision| CopyRequest { recovery_point: id.clone(), claim: decision.claim.clone() })
                    .collect();
                let reports = copy_all(&context.client, &mover, &requests, &movers::options(at_most)).await;
                // Opened now: its index knows what the movers have just written.
                let reader = Reader::open(&location.repo).await?;
                let mut copies: Vec<Copied> = Vec::new();
                for (decision, report) in due.iter().zip(reports) {
                    copies.push(match report {
                        Ok(report) => adopt(&reader, decision, &report).await?,
                        Err(problem) => failed(decision, problem),
                    });
                }
                copies
            }
        };
        let session = self.session()?;
        for (record, content, problem) in copies {
            session.problems.extend(problem);
            session.copies.push((record, content));
        }
        session.attempt.copies_left = false;
        Ok(())
    }

    /// What the deadline leaves.
    fn time_left(&self) -> Option<Duration> {
        let seconds = self.latest.borrow().spec.deadline_seconds;
        let started = self.status.start_time.as_ref()?.0;
        let spent = self.context.clock.now().duration_since(started).as_secs();
        let left = i64::from(seconds).checked_sub(spent)?;
        (seconds > 0).then(|| Duration::from_secs(u64::try_from(left).unwrap_or_default()))
    }
}

/// Reads back what a mover says that it wrote: only what can be read is part of the recovery point.
async fn adopt(reader: &Reader, decision: &Decision, report: &MoverReport) -> Result<Copied, StepError> {
    let Ok(id) = report.tree.parse() else {
        return Ok(failed(decision, unreadable("its mover named no tree")));
    };
    let tree = match reader.tree(id).await {
        Ok(tree) => tree,
        Err(error) if error.is_temporary() => return Err(error.into()),
        Err(error) => return Ok(failed(decision, unreadable(&error.to_string()))),
    };
    let Some(node) = tree.nodes().first() else {
        return Ok(failed(decision, unreadable("its mover left an empty tree")));
    };
    let data = match &node.kind {
        NodeKind::Dir { subtree: Some(tree) } => VolumeData::Files { tree: *tree, meta: node.meta.clone() },
        NodeKind::File(content) => VolumeData::Blocks(content.clone()),
        _ => return Ok(failed(decision, unreadable("its mover left neither a directory nor an image"))),
    };
    let (claim, block) = (&decision.claim, matches!(data, VolumeData::Blocks(_)));
    let protection = VolumeProtection::Files {
        path: volume_path(&claim.namespace, &claim.name, block),
        files: report.files,
        bytes: report.bytes,
    };
    let content = VolumeContent { namespace: claim.namespace.clone(), claim: claim.name.clone(), data };
    let problem = (report.skipped > 0).then(|| {
        let first = report.problems.join("; ");
        Problem::warning(
            code::FILES_LEFT_OUT,
            format!("{} entries of the volume are not whole in the recovery point: {first}.", report.skipped),
        )
        .about(claim.target())
        .fix(
            "Quiesce the application with a hook while its files are copied, or use a driver with snapshots.",
        )
    });
    Ok((record(decision, protection), Some(content), problem))
}

fn failed(decision: &Decision, problem: Problem) -> Copied {
    let problem = problem.about(decision.claim.target());
    let protection = VolumeProtection::None { code: problem.code.clone(), reason: problem.message.clone() };
    (record(decision, protection), None, Some(problem))
}

fn unreadable(why: &str) -> Problem {
    Problem::warning(
        code::VOLUME_NOT_PROTECTED,
        format!("The files of the volume could not be copied: {why}."),
    )
}
