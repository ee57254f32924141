//! What is left to do once it is known how a backup ends: the result file and the final status.

use super::{
    Run,
    decide::{Commit, Step},
    internal,
};
use crate::{
    metrics::{Ended, Instance, Kind},
    points::OpenPoint,
    results::ResultFile,
    status::{set_condition, summarise},
    step::StepError,
    stop::Stop,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use protection::{
    Problem, Severity, code,
    point::{Manifest, VolumeProtection},
};
use resources::{Phase, RecoveryPointRef, VolumeCounts};
use serde_json::json;

impl Run {
    /// Takes the counts of a committed recovery point over into the status.
    pub(super) fn adopt(&mut self, manifest: &Manifest) {
        self.status.objects = manifest.counts.values().sum();
        self.status.kinds = manifest.counts.clone();
        self.status.bytes_read = manifest.bytes;
        self.status.volumes = counts(manifest);
        if let Some(session) = self.session.as_mut() {
            session.problems.extend(manifest.problems.iter().cloned());
            session.problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
            session.problems.dedup();
        }
    }

    /// Writes the full result: every problem and every volume, one JSON line each.
    pub(super) async fn write_result(&mut self) -> Result<(), StepError> {
        let uid = self.uid.clone();
        let attempt = self.status.attempt;
        let name = self.latest.borrow().spec.storage_location.clone();
        self.read_adopted().await?;
        let session = self.session()?;
        let Some(location) = session.location.clone() else {
            // Without a location there is nowhere to write to; the status says why.
            session.attempt.result_written = true;
            return Ok(());
        };
        let mut file = ResultFile::new()?;
        file.line(
            &json!({"kind": "Backup", "uid": uid, "committed": session.attempt.commit == Commit::Present}),
        )?;
        for problem in session.problems.iter().chain(&session.failure) {
            file.line(&json!({"problem": problem}))?;
        }
        for volume in super::snapshots::records(session) {
            file.line(&json!({"volume": volume}))?;
        }
        let path = file.finish()?.store(&location.repo, &uid, attempt).await?;
        self.status.result_file = Some(format!("{name}:{path}"));
        self.session()?.attempt.result_written = true;
        Ok(())
    }

    /// A recovery point that an earlier attempt committed: its manifest says what it holds.
    async fn read_adopted(&mut self) -> Result<(), StepError> {
        let session = self.session()?;
        let (Some(point), Some(location)) = (session.point.take(), session.location.clone()) else {
            return Ok(());
        };
        let manifest = OpenPoint::open(&location.repo, point).await?.manifest().await?;
        self.adopt(&manifest);
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<(), StepError> {
        let stop = self.stop_reason();
        let session = self.session.as_ref().ok_or_else(|| internal("no attempt has begun"))?;
        let committed = session.attempt.commit == Commit::Present;
        // What ended the attempt comes first; what else failed because of it comes after.
        let mut problems: Vec<Problem> = session.failure.clone().into_iter().collect();
        problems.extend(session.problems.iter().cloned());
        if !committed {
            problems.extend(self.waiting.problem(&Step::Finish).cloned());
        }
        if !committed && stop == Some(Stop::Deadline) {
            problems.push(out_of_time());
        }
        if !committed && session.drop_failed {
            problems.push(left_behind(&self.uid, "Its snapshots could not be dropped."));
        } else if !committed && !session.attempt.dropped {
            let unknown = "Whether a recovery point exists could not be found out, so its snapshots, if any, were left alone.";
            problems.push(left_behind(&self.uid, unknown));
        }
        dedup(&mut problems);
        let phase = phase(committed, stop, &problems);
        let now = self.context.clock.now();
        (self.status.problems, self.status.problem_count) = summarise(&problems);
        self.status.phase = phase;
        self.status.stage = String::new();
        self.status.completion_time = Some(Time(now));
        if committed {
            let location = self.latest.borrow().spec.storage_location.clone();
            self.status.recovery_point = Some(RecoveryPointRef { location, id: self.uid.clone() });
        }
        let (verdict, reason) = if committed { ("True", "Committed") } else { ("False", "NotCommitted") };
        let message = problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        set_condition(&mut self.status.conditions, "Succeeded", verdict, reason, &message, now);
        self.writer.write(&self.status).await?;
        self.tell(phase, &message).await;
        self.session = None;
        Ok(())
    }

    /// Events and metrics of the end.
    async fn tell(&self, phase: Phase, message: &str) {
        let object = self.latest.borrow().clone();
        let note = format!(
            "{phase:?}: {} objects, {} problems. {message}",
            self.status.objects, self.status.problem_count
        );
        let reason = format!("{phase:?}");
        if phase == Phase::Completed {
            self.context.events.normal(object.as_ref(), &reason, &note).await;
        } else {
            self.context.events.warning(object.as_ref(), &reason, &note).await;
        }
        let metrics = self.context.health.metrics();
        metrics.ended.get_or_create(&Ended { kind: "Backup", phase: reason }).inc();
        if let (Some(start), Some(end)) = (&self.status.start_time, &self.status.completion_time) {
            let seconds = end.0.duration_since(start.0).as_secs_f64();
            metrics.seconds.get_or_create(&Kind { kind: "Backup" }).observe(seconds);
        }
        if matches!(phase, Phase::Completed | Phase::CompletedWithWarnings) {
            metrics.objects.inc_by(self.status.objects);
            let instance = Instance { instance: object.spec.backup_instance.clone() };
            let end = self.status.completion_time.as_ref().map(|time| time.0.as_second()).unwrap_or_default();
            metrics.last_backup.get_or_create(&instance).set(end);
        }
    }
}

fn counts(manifest: &Manifest) -> VolumeCounts {
    let mut counts = VolumeCounts::default();
    for volume in &manifest.volumes {
        match volume.protection {
            VolumeProtection::Snapshot { .. } => counts.snapshots += 1,
            VolumeProtection::Files { .. } => counts.file_copies += 1,
            VolumeProtection::None { .. } => counts.not_protected += 1,
        }
    }
    counts
}

/// The final phase. A committed recovery point is never a failure; anything unprotected is never `Completed`.
fn phase(committed: bool, stop: Option<Stop>, problems: &[Problem]) -> Phase {
    let weighty = problems.iter().any(|problem| problem.severity > Severity::Information);
    match (committed, stop) {
        (true, _) if weighty => Phase::CompletedWithWarnings,
        (true, _) => Phase::Completed,
        (false, Some(Stop::Cancelled)) => Phase::Cancelled,
        (false, _) => Phase::Failed,
    }
}

fn dedup(problems: &mut Vec<Problem>) {
    let mut seen = Vec::with_capacity(problems.len());
    for problem in problems.drain(..) {
        if !seen.contains(&problem) {
            seen.push(problem);
        }
    }
    *problems = seen;
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
}

fn out_of_time() -> Problem {
    Problem::error(code::DEADLINE_EXCEEDED, "The backup did not end within deadlineSeconds.")
        .fix("See what took so long in the stages of `cofferdam backup logs`, or allow more time.")
}

fn left_behind(uid: &str, why: &str) -> Problem {
    let label = volumes::labels::RECOVERY_POINT;
    Problem::error(code::SNAPSHOT_ORPHANED, why)
        .fix(format!("List them: `kubectl get volumesnapshots,volumesnapshotcontents -A -l {label}={uid}`."))
        .fix("Repair what the other problems name; a DeleteBackup for this id then removes what is left.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_phase_never_hides_what_was_left_out() {
        let warning = [Problem::warning("x", "y")];
        let information = [Problem::information("x", "y")];

        assert_eq!(phase(true, None, &[]), Phase::Completed);
        assert_eq!(phase(true, None, &information), Phase::Completed);
        assert_eq!(phase(true, None, &warning), Phase::CompletedWithWarnings);
        assert_eq!(phase(true, Some(Stop::Cancelled), &[]), Phase::Completed);
        assert_eq!(phase(false, Some(Stop::Cancelled), &[]), Phase::Cancelled);
        assert_eq!(phase(false, Some(Stop::Deadline), &[]), Phase::Failed);
        assert_eq!(phase(false, Some(Stop::Failed), &warning), Phase::Failed);
    }
}
