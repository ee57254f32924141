//! `Restore`: observe, decide, act, until nothing is left to do.

mod act;
mod copies;
pub mod decide;
mod finish;
mod hooks;
mod observe;
pub(crate) mod request;
mod tree;
mod volumes;
mod watch;

use crate::{
    context::Context,
    driver::{Latest, Operation, TryAgain},
    locations::OpenLocation,
    points::Point,
    results::FinishedResult,
    status::StatusWriter,
    step::StepError,
    work::{self, After, Waiting, Work},
};
use async_trait::async_trait;
use decide::{Attempt, Step, decide};
use futures::{FutureExt, future::BoxFuture};
use kube::ResourceExt;
use protection::Problem;
use replay::{End, RestoreOptions};
use resources::{Restore, RestoreStatus};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// The reconciler of `Restore`.
#[derive(Debug)]
pub struct Restores {
    context: Arc<Context>,
}

impl Restores {
    /// A reconciler.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

#[async_trait]
impl Operation for Restores {
    type Object = Restore;

    fn settled(&self, object: &Restore) -> bool {
        object.status.as_ref().is_some_and(|status| status.phase.is_final())
    }

    async fn run(&self, latest: Latest<Restore>, stop: CancellationToken) -> Result<(), TryAgain> {
        let Some((_, object, writer)) = work::current(&self.context, &latest).await? else { return Ok(()) };
        let mut run = Run {
            context: self.context.clone(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            status: object.status.unwrap_or_default(),
            writer,
            latest,
            stop,
            attempt: None,
            failure: None,
            problems: Vec::new(),
            location: None,
            point: None,
            options: None,
            end: None,
            watch: None,
            result: None,
            waiting: Waiting::default(),
        };
        work::to_the_end(&mut run).await
    }
}

/// One restore in the hands of this process.
struct Run {
    context: Arc<Context>,
    name: String,
    uid: String,
    latest: Latest<Restore>,
    stop: CancellationToken,
    status: RestoreStatus,
    writer: StatusWriter<Restore>,
    attempt: Option<Attempt>,
    failure: Option<Problem>,
    problems: Vec<Problem>,
    location: Option<OpenLocation>,
    point: Option<Point>,
    options: Option<RestoreOptions>,
    end: Option<End>,
    watch: Option<Watch>,
    /// The whole result, until it is stored.
    result: Option<FinishedResult>,
    waiting: Waiting<Step>,
}

#[async_trait]
impl Work for Run {
    type Step = Step;
    const KIND: &'static str = "restore";

    fn object(&self) -> (&str, &str) {
        (&self.name, &self.uid)
    }

    fn next(&self) -> Option<Step> {
        Some(decide(&self.observe())).filter(|step| *step != Step::Leave)
    }

    fn name(step: Step) -> &'static str {
        step.name()
    }

    async fn take(&mut self, step: Step) -> Result<(), StepError> {
        let before = self.status.clone();
        self.waiting.tries(&step, &mut self.status.conditions, self.context.clock.now());
        let done = self.act(step).await;
        // What was not written did not happen: neither is the attempt counted nor the restore at its end.
        if done.is_err() && matches!(step, Step::Begin | Step::Finish) {
            self.status = before;
        }
        if done.is_ok() {
            self.waiting.end(&step);
        }
        done
    }

    async fn failed(&mut self, step: Step, error: StepError) -> After {
        let stopping = self.observe().stop.is_some();
        match error {
            StepError::Leave(_) => return After::Leave,
            StepError::Temporary(problem) | StepError::StartOver(problem) if !stopping => {
                self.wait_for(step, problem.clone()).await;
                return After::Pause(problem);
            }
            // A final status that cannot be written is tried again: there is nothing after it.
            StepError::Temporary(problem) | StepError::StartOver(problem) if step == Step::Finish => {
                return After::TryAgain(TryAgain(problem.message));
            }
            StepError::Temporary(problem) | StepError::StartOver(problem) | StepError::Permanent(problem) => {
                self.fail(step, problem)
            }
        }
        After::GoOn
    }

    fn stopping(&self) -> BoxFuture<'static, ()> {
        let started = self.status.start_time.as_ref().map(|time| time.0);
        work::stopping(self.latest.clone(), started, self.stop.clone(), self.context.clock.clone()).boxed()
    }
}

impl Run {
    /// Shows why a step is tried again.
    async fn wait_for(&mut self, step: Step, problem: Problem) {
        let now = self.context.clock.now();
        self.waiting.begin(step, problem, &mut self.status.conditions, now);
        if let Err(error) = self.writer.write(&self.status).await {
            tracing::warn!(restore = self.name, uid = self.uid, %error, "could not report what the restore waits for");
        }
    }

    fn fail(&mut self, step: Step, problem: Problem) {
        if let Some(attempt) = self.attempt.as_mut() {
            match step {
                Step::Tidy => attempt.tidied = true,
                Step::WriteResult => attempt.result_written = true,
                _ => {}
            }
        }
        if matches!(step, Step::Tidy | Step::WriteResult) || self.failure.is_some() {
            // A step that is taken again and again says the same each time.
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        } else {
            self.failure = Some(problem);
        }
    }
}
