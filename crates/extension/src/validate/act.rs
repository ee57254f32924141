//! Performs exactly one step.

use super::{Run, Validation, decide::Step, sum};
use crate::{checks, grants::GrantPurpose, metrics::Ended, status::set_condition, step::StepError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use resources::Phase;

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
        sum::up(&mut self.status, checks);
        self.status.completion_time = Some(Time(now));
        let reason = format!("{:?}", self.status.phase);
        let verdict = if self.status.phase == Phase::Failed { "False" } else { "True" };
        let summary = self.status.summary.clone();
        set_condition(&mut self.status.conditions, "Succeeded", verdict, &reason, &summary, now);
        self.writer.write(&self.status).await?;
        let note = format!("{reason}: {summary}");
        match self.status.phase {
            Phase::Completed => self.context.events.normal(&self.object, &reason, &note).await,
            _ => self.context.events.warning(&self.object, &reason, &note).await,
        }
        let ended = Ended { kind: "Validate", phase: reason };
        self.context.health.metrics().ended.get_or_create(&ended).inc();
        Ok(())
    }
}
