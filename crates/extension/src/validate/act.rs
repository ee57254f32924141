//! Performs exactly one step.

use super::{Run, Validation, decide::Step};
use crate::{checks, grants::GrantPurpose, metrics::Ended, status::set_condition, step::StepError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use resources::{CheckReport, CheckResult, Phase};

impl<K: Validation> Run<K> {
    pub(super) async fn act(&mut self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Begin => {
                self.status.phase = Phase::InProgress;
                self.status.observed_generation = self.object.meta().generation.unwrap_or_default();
                self.status.start_time.get_or_insert(Time(self.context.clock.now()));
                Ok(self.writer.write(&self.status).await?)
            }
            Step::Check => {
                let purpose = GrantPurpose::job::<K>(&self.object.name_any());
                self.checks = Some(checks::run(&self.context, self.object.subject(), &purpose).await);
                Ok(())
            }
            Step::Finish => self.finish().await,
            Step::Leave => Ok(()),
        }
    }

    async fn finish(&mut self) -> Result<(), StepError> {
        let checks = self.checks.clone().unwrap_or_default();
        let now = self.context.clock.now();
        self.status.phase = phase(&checks);
        self.status.failed = checks.iter().filter(|check| check.result == CheckResult::Failed).count() as u64;
        self.status.checks = checks;
        self.status.completion_time = Some(Time(now));
        let reason = format!("{:?}", self.status.phase);
        let verdict = if self.status.phase == Phase::Failed { "False" } else { "True" };
        set_condition(&mut self.status.conditions, "Succeeded", verdict, &reason, "", now);
        self.writer.write(&self.status).await?;
        let note = format!("{reason}: {} of {} checks failed", self.status.failed, self.status.checks.len());
        match self.status.phase {
            Phase::Completed => self.context.events.normal(&self.object, &reason, &note).await,
            _ => self.context.events.warning(&self.object, &reason, &note).await,
        }
        let ended = Ended { kind: "Validate", phase: reason };
        self.context.health.metrics().ended.get_or_create(&ended).inc();
        Ok(())
    }
}

/// `Failed` when a blocking check failed; what could not be observed is a warning, never a pass.
fn phase(checks: &[CheckReport]) -> Phase {
    let blocks = |check: &&CheckReport| check.severity == "Block" && check.result == CheckResult::Failed;
    let warns =
        |check: &&CheckReport| matches!(check.result, CheckResult::Failed | CheckResult::NotObservable);
    if checks.iter().any(|check| blocks(&check)) {
        Phase::Failed
    } else if checks.iter().any(|check| warns(&check)) {
        Phase::CompletedWithWarnings
    } else {
        Phase::Completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(severity: &str, result: CheckResult) -> CheckReport {
        CheckReport {
            id: "x".to_owned(),
            title: "x".to_owned(),
            severity: severity.to_owned(),
            result,
            evidence: String::new(),
            fix: None,
        }
    }

    #[test]
    fn what_cannot_be_observed_never_counts_as_passed() {
        let cases = [
            ("Block", CheckResult::Passed, Phase::Completed),
            ("Block", CheckResult::Failed, Phase::Failed),
            ("Warn", CheckResult::Failed, Phase::CompletedWithWarnings),
            ("Block", CheckResult::NotObservable, Phase::CompletedWithWarnings),
            ("Warn", CheckResult::Skipped, Phase::Completed),
        ];

        for (severity, result, expected) in cases {
            assert_eq!(phase(&[check(severity, result)]), expected, "{severity} {result:?}");
        }
    }
}
