//! `Restore`: observe, decide, act, until nothing is left to do.

mod act;
pub mod decide;
mod finish;
mod hooks;
mod observe;
mod tree;
mod volumes;
mod watch;

use crate::{
    context::Context,
    driver::{Latest, Operation, TryAgain},
    fault,
    locations::OpenLocation,
    points::Point,
    status::StatusWriter,
    step::StepError,
};
use async_trait::async_trait;
use decide::{Attempt, Step, decide};
use kube::{Api, ResourceExt};
use protection::Problem;
use replay::{End, RestoreOptions};
use resources::{Restore, RestoreStatus};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use watch::Watch;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
        let name = latest.borrow().name_any();
        let api: Api<Restore> = Api::namespaced(self.context.client.clone(), &self.context.config.namespace);
        let object = match api.get_opt(&name).await {
            Ok(Some(object)) if object.uid() == latest.borrow().uid() => object,
            Ok(_) => return Ok(()),
            Err(error) => return Err(TryAgain(crate::api::readable(&error))),
        };
        let mut run = Run {
            context: self.context.clone(),
            uid: object.uid().unwrap_or_default(),
            status: object.status.clone().unwrap_or_default(),
            writer: StatusWriter::new(api, &object),
            name,
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
        };
        run.to_the_end().await
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
}

impl Run {
    async fn to_the_end(&mut self) -> Result<(), TryAgain> {
        let mut pause = FIRST_PAUSE;
        loop {
            let seen = self.observe();
            let step = decide(&seen);
            if step == Step::Leave {
                return Ok(());
            }
            tracing::info!(restore = self.name, uid = self.uid, step = step.name(), "step");
            fault::point(&format!("restore/{}/before", step.name()));
            let done = self.act(step).await;
            fault::point(&format!("restore/{}/after", step.name()));
            match done {
                Ok(()) => pause = FIRST_PAUSE,
                Err(StepError::Leave(error)) => {
                    tracing::warn!(restore = self.name, uid = self.uid, %error, "leaving the restore");
                    return Ok(());
                }
                Err(StepError::Temporary(problem) | StepError::StartOver(problem)) if seen.stop.is_none() => {
                    tracing::warn!(
                        restore = self.name,
                        uid = self.uid,
                        step = step.name(),
                        problem = problem.message,
                        ?pause,
                        "trying the step again"
                    );
                    self.rest(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                // A final status that cannot be written is tried again: there is nothing after it.
                Err(StepError::Temporary(problem) | StepError::StartOver(problem))
                    if step == Step::Finish =>
                {
                    return Err(TryAgain(problem.message));
                }
                Err(
                    StepError::Temporary(problem)
                    | StepError::StartOver(problem)
                    | StepError::Permanent(problem),
                ) => self.fail(step, problem),
            }
        }
    }

    async fn rest(&self, pause: Duration) {
        let stopping = self.stopping();
        tokio::select! {
            () = stopping => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    fn fail(&mut self, step: Step, problem: Problem) {
        tracing::error!(
            restore = self.name,
            uid = self.uid,
            step = step.name(),
            code = problem.code,
            problem = problem.message,
            "step failed"
        );
        if let Some(attempt) = self.attempt.as_mut() {
            match step {
                Step::Tidy => attempt.tidied = true,
                Step::WriteResult => attempt.result_written = true,
                _ => {}
            }
        }
        if matches!(step, Step::Tidy | Step::WriteResult) || self.failure.is_some() {
            self.problems.push(problem);
        } else {
            self.failure = Some(problem);
        }
    }
}
