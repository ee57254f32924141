//! Performs exactly one step.

use super::{
    Run,
    copies::Copies,
    decide::{Attempt, MAX_ATTEMPTS, Step},
    request::{self, failed},
    tree::{short, tree},
    volumes::Filler,
    watch::Watch,
};
use crate::{
    locations::Access,
    results::ResultFile,
    status::{show_progress, show_waiting},
    step::StepError,
    work::{Work, internal},
};
use engine::Reader;
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;
use parking_lot::Mutex;
use protection::{Problem, code};
use replay::{RecoveryPointSource, RestoreOptions};
use resources::{Phase, RestoreOperation};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const REPORT: Duration = Duration::from_secs(3);

impl Run {
    pub(super) fn act(&mut self, step: Step) -> BoxFuture<'_, Result<(), StepError>> {
        match step {
            Step::Begin => self.begin().boxed(),
            Step::Open => self.open().boxed(),
            Step::Plan => self.plan().boxed(),
            Step::Execute => self.execute().boxed(),
            Step::Hooks => self.hooks().boxed(),
            Step::Tidy => self.tidy().boxed(),
            Step::WriteResult => self.write_result().boxed(),
            Step::Finish => self.finish().boxed(),
            Step::Leave => std::future::ready(Ok(())).boxed(),
        }
    }

    async fn begin(&mut self) -> Result<(), StepError> {
        let now = self.context.clock.now();
        let earlier = self.status.attempt;
        self.status.attempt = earlier.saturating_add(1);
        self.status.observed_generation = self.latest.borrow().meta().generation.unwrap_or_default();
        self.status.phase = Phase::InProgress;
        self.status.stage = Step::Begin.name().to_owned();
        self.status.start_time.get_or_insert(Time(now));
        show_progress(&mut self.status.conditions, now);
        self.writer.write(&self.status).await?;
        if earlier > 0 {
            self.problems.push(Problem::information(
                code::RESTARTED_DURING_RESTORE,
                format!(
                    "The extension was restarted during this restore; this is attempt {}.",
                    self.status.attempt
                ),
            ));
        } else {
            let object = self.latest.borrow().clone();
            self.context
                .events
                .normal(object.as_ref(), "Started", &format!("the {} has begun", noun(object.spec.operation)))
                .await;
        }
        if self.status.attempt > MAX_ATTEMPTS {
            self.failure = Some(too_often());
        }
        self.attempt = Some(Attempt {
            opened: false,
            planned: false,
            executed: false,
            hooked: false,
            tidied: false,
            result_written: false,
        });
        Ok(())
    }

    async fn open(&mut self) -> Result<(), StepError> {
        self.stage(Step::Open).await?;
        let object = self.latest.borrow().clone();
        let wanted = &object.spec.recovery_point;
        if self.status.attempt == 1 {
            request::nobody_deletes(&self.context, wanted, object.metadata.creation_timestamp.as_ref())
                .await?;
        }
        let location = self.context.locations.open(&wanted.location, Access::Read, &self.purpose()).await?;
        let point = request::recovery_point(&location, wanted).await?;
        let requested = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let requested = requested.unwrap_or_else(|| self.context.clock.now());
        let mut options = request::options(&self.context, &self.uid, requested, &object.spec).await?;
        options.resumed = self.status.attempt > 1;
        request::read_hooks(&self.context.client, &object.spec.restore_hook_references).await?;
        self.location = Some(location);
        self.point = Some(point);
        self.options = Some(options);
        self.mark(|attempt| attempt.opened = true);
        Ok(())
    }

    /// A plan keeps every row; a restore decides again while it works, with the same rules, and keeps none.
    async fn plan(&mut self) -> Result<(), StepError> {
        if self.latest.borrow().spec.operation == RestoreOperation::Plan {
            self.stage(Step::Plan).await?;
            let (source, options) = (self.source().await?, self.options()?);
            let (target, filler) = (request::target(&self.context), self.filler());
            let cancel = CancellationToken::new();
            let stopping = self.stopping();
            let plan = tokio::select! {
                plan = replay::plan(&target, &source, &options, &filler, &cancel) => plan.map_err(failed)?,
                () = stopping => return Ok(()),
            };
            let mut file = ResultFile::new()?;
            let readable = tree(&plan);
            file.line(&json!({"tree": readable}))?;
            self.status.plan = Some(short(&readable));
            for row in &plan.rows {
                file.line(row)?;
            }
            self.status.outcomes = plan.counts.into();
            self.problems.extend(plan.problems);
            self.watch = Some(Watch::new(file));
        }
        self.mark(|attempt| attempt.planned = true);
        Ok(())
    }

    async fn execute(&mut self) -> Result<(), StepError> {
        self.stage(Step::Execute).await?;
        let (source, options) = (self.source().await?, self.options()?);
        let (target, filler) = (request::target(&self.context), self.filler());
        let watch = Watch::new(ResultFile::new()?);
        self.watch = Some(watch.clone());
        let cancel = CancellationToken::new();
        let mut stopping = self.stopping();
        let outcomes = {
            let work = replay::execute(&target, &source, &options, &filler, &watch, &cancel);
            let mut work = work.boxed();
            let mut report = tokio::time::interval(REPORT);
            loop {
                tokio::select! {
                    outcomes = &mut work => break outcomes.map_err(failed)?,
                    () = &mut stopping, if !cancel.is_cancelled() => cancel.cancel(),
                    _ = report.tick() => {
                        let so_far = watch.so_far();
                        self.status.outcomes = so_far.counts;
                        if let Some(stage) = so_far.stage {
                            self.status.stage = format!("execute: {stage:?}");
                        }
                        show(&mut self.status.conditions, so_far.waits.as_ref(), self.context.clock.now());
                        self.writer.write(&self.status).await?;
                    }
                }
            }
        };
        self.status.outcomes = outcomes.counts.into();
        self.problems.extend(outcomes.problems);
        self.problems.extend(filler.copies.problems.into_inner());
        self.end = Some(outcomes.end);
        self.mark(|attempt| attempt.executed = true);
        Ok(())
    }

    async fn hooks(&mut self) -> Result<(), StepError> {
        self.stage(Step::Hooks).await?;
        let stopping = self.stopping();
        tokio::select! {
            done = self.run_hooks() => done,
            () = stopping => Ok(()),
        }
    }

    /// Removes temporary objects of volumes, except those that a claim still waits for.
    async fn tidy(&mut self) -> Result<(), StepError> {
        let (client, uid) = (self.context.client.clone(), self.uid.clone());
        let swept = volumes::restore::abort(&client, &uid).await?;
        self.problems.extend(swept.waiting.iter().map(|claim| {
            Problem::information(
                code::DATA_ON_FIRST_USE,
                format!(
                    "Claim {claim} has no volume yet: its storage class makes it, with the data, when a first pod \
                     needs it. Until then its temporary snapshot stays."
                ),
            )
            .about(format!("persistentvolumeclaims/{claim}"))
        }));
        self.mark(|attempt| attempt.tidied = true);
        Ok(())
    }

    pub(super) async fn stage(&mut self, step: Step) -> Result<(), StepError> {
        self.status.stage = step.name().to_owned();
        Ok(self.writer.write(&self.status).await?)
    }

    pub(super) fn mark(&mut self, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempt.as_mut() {
            change(attempt);
        }
    }

    fn filler(&self) -> Filler {
        Filler {
            client: self.context.client.clone(),
            namespace: self.context.config.namespace.clone(),
            copies: Copies {
                context: self.context.clone(),
                location: self.location.clone(),
                root: self.point.as_ref().map(|point| point.snapshot_file().tree),
                problems: Mutex::default(),
            },
        }
    }

    async fn source(&self) -> Result<RecoveryPointSource, StepError> {
        let (Some(location), Some(point)) = (&self.location, &self.point) else {
            return Err(internal("no recovery point is open"));
        };
        let reader = Reader::open(&location.repo).await?;
        Ok(RecoveryPointSource::new(reader, point.snapshot_file().tree))
    }

    fn options(&self) -> Result<RestoreOptions, StepError> {
        self.options.clone().ok_or_else(|| internal("the options are not read"))
    }
}

/// Whether the restore gets on, or what holds it up.
fn show(conditions: &mut Vec<Condition>, waits: Option<&Problem>, now: Timestamp) {
    match waits {
        Some(problem) => show_waiting(conditions, problem, now),
        None => show_progress(conditions, now),
    }
}

fn too_often() -> Problem {
    Problem::error(
        code::RESTARTED_DURING_RESTORE,
        format!("The restore was begun {MAX_ATTEMPTS} times and never came to its end."),
    )
    .fix("See why with `kubectl describe pod` in the extension's namespace.")
    .fix("If the pod ran out of memory, raise the setting resources.limits.memory.")
}

fn noun(operation: RestoreOperation) -> &'static str {
    match operation {
        RestoreOperation::Plan => "plan",
        RestoreOperation::Restore => "restore",
    }
}
