//! What is left to do once a restore or a plan has ended: the result file and the final status.

use super::{Run, decide::Step};
use crate::{
    grants::GrantPurpose,
    locations::{Access, DEFAULT, OpenLocation, Role},
    metrics::{Ended, Kind},
    results::{ResultError, ResultFile},
    status::{set_condition, summarise},
    step::StepError,
    stop::Stop,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use protection::{Problem, Severity, code};
use replay::End;
use resources::{Phase, Restore, RestoreOperation};

impl Run {
    /// What grants of the vault are asked for with.
    pub(super) fn purpose(&self) -> GrantPurpose {
        GrantPurpose::job::<Restore>(&self.name)
    }

    pub(super) async fn write_result(&mut self) -> Result<(), StepError> {
        if let Some(watch) = self.watch.take() {
            let file = watch.take_file().map_err(ResultError::Content)?;
            self.result = file.map(ResultFile::finish).transpose()?;
        }
        if let Some(result) = &self.result {
            match self.result_location().await? {
                Ok(location) => {
                    let path = result.store(&location.repo, &self.uid, self.status.attempt).await?;
                    self.status.result_file = Some(format!("{}:{path}", location.record.name));
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        self.mark(|attempt| attempt.result_written = true);
        Ok(())
    }

    /// The recovery point's location when it is our own, else the default one, or why there is none to write to. Only
    /// the first is worth waiting for.
    async fn result_location(&self) -> Result<Result<OpenLocation, Problem>, StepError> {
        let own = self.location.as_ref().filter(|location| location.record.role == Role::Own);
        let name = own.map_or(DEFAULT, |location| location.record.name.as_str());
        // The default location is not the job's: the extension writes there as into any location of its own.
        let purpose = if own.is_some() { self.purpose() } else { GrantPurpose::Upkeep };
        match self.context.locations.open(name, Access::Write, &purpose).await {
            Ok(location) => Ok(Ok(location)),
            Err(error) if own.is_some() && error.is_temporary() => Err(error.into()),
            Err(error) => Ok(Err(Problem::information(
                code::RESULT_NOT_KEPT,
                format!("The full result was not kept: location {name} cannot be written to: {error}."),
            )
            .fix("Mend the location, or add an own one with `cofferdam location add`."))),
        }
    }

    pub(super) async fn finish(&mut self) -> Result<(), StepError> {
        let stop = self.observe().stop;
        let mut problems = self.problems.clone();
        problems.extend(self.failure.clone());
        let timed_out = stop == Some(Stop::Deadline) || self.end == Some(End::DeadlineExceeded);
        problems.extend(self.waiting.problem(&Step::Finish).cloned());
        if timed_out {
            problems.push(
                Problem::error(code::DEADLINE_EXCEEDED, "The restore did not end within deadlineSeconds.")
                    .fix("Restore again with more time: what exists already is not created twice."),
            );
        }
        let operation = self.latest.borrow().spec.operation;
        let phase = phase(operation, stop, self.end, &problems);
        let now = self.context.clock.now();
        (self.status.problems, self.status.problem_count) = summarise(&problems);
        self.status.phase = phase;
        self.status.stage = String::new();
        self.status.completion_time = Some(Time(now));
        let verdict = if matches!(phase, Phase::Failed | Phase::Cancelled) { "False" } else { "True" };
        let reason = format!("{phase:?}");
        let message = self.status.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        set_condition(&mut self.status.conditions, "Succeeded", verdict, &reason, &message, now);
        self.writer.write(&self.status).await?;
        self.tell(&reason, phase).await;
        Ok(())
    }

    async fn tell(&self, reason: &str, phase: Phase) {
        let object = self.latest.borrow().clone();
        let counts = &self.status.outcomes;
        let (kind, would) = match object.spec.operation {
            RestoreOperation::Restore => ("Restore", ""),
            RestoreOperation::Plan => ("Plan", "nothing is written; a restore would come to "),
        };
        let note = format!(
            "{reason}: {would}{} created, {} updated, {} unchanged, {} skipped, {} failed",
            counts.created, counts.updated, counts.unchanged, counts.skipped, counts.failed
        );
        match phase {
            Phase::Completed => self.context.events.normal(object.as_ref(), reason, &note).await,
            _ => self.context.events.warning(object.as_ref(), reason, &note).await,
        }
        let metrics = self.context.health.metrics();
        metrics.ended.get_or_create(&Ended { kind, phase: reason.to_owned() }).inc();
        if let (Some(start), Some(end)) = (&self.status.start_time, &self.status.completion_time) {
            let seconds = end.0.duration_since(start.0).as_secs_f64();
            metrics.seconds.get_or_create(&Kind { kind }).observe(seconds);
        }
    }
}

/// The final phase. What was not restored is never hidden behind `Completed`; a plan that found obstacles is a
/// plan with warnings.
fn phase(operation: RestoreOperation, stop: Option<Stop>, end: Option<End>, problems: &[Problem]) -> Phase {
    let done = end == Some(End::Complete) || operation == RestoreOperation::Plan && stop.is_none();
    let weighty = problems.iter().any(|problem| problem.severity > Severity::Information);
    match stop {
        Some(Stop::Failed) => Phase::Failed,
        _ if done && weighty => Phase::CompletedWithWarnings,
        _ if done => Phase::Completed,
        Some(Stop::Cancelled) => Phase::Cancelled,
        _ => Phase::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_phase_follows_from_what_happened() {
        use RestoreOperation::{Plan, Restore};
        let warning = [Problem::warning("x", "y")];
        let complete = Some(End::Complete);

        assert_eq!(phase(Restore, None, complete, &[]), Phase::Completed);
        assert_eq!(phase(Restore, None, complete, &warning), Phase::CompletedWithWarnings);
        assert_eq!(phase(Restore, Some(Stop::Cancelled), Some(End::Cancelled), &[]), Phase::Cancelled);
        assert_eq!(phase(Restore, Some(Stop::Deadline), Some(End::Cancelled), &[]), Phase::Failed);
        assert_eq!(phase(Restore, Some(Stop::Failed), complete, &[]), Phase::Failed);
        assert_eq!(phase(Restore, Some(Stop::Deadline), None, &[]), Phase::Failed);
        assert_eq!(phase(Plan, None, None, &[]), Phase::Completed);
        assert_eq!(phase(Plan, Some(Stop::Cancelled), None, &[]), Phase::Cancelled);
    }
}
