//! `DeleteBackup`: observe, decide, act, until nothing is left to do.

mod act;
pub mod decide;
mod observe;

use crate::{
    context::Context,
    driver::{Latest, Operation, TryAgain},
    points::Point,
    status::{StatusWriter, show_progress, show_waiting},
    step::StepError,
    work::{self, After, Work},
};
use async_trait::async_trait;
use decide::{Attempt, Step, decide};
use futures::{FutureExt, future::BoxFuture};
use kube::ResourceExt;
use protection::Problem;
use resources::{DeleteBackup, DeleteBackupStatus};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Condition: the store's retention keeps the recovery point for now.
pub const RETAINED: &str = "RetainedByStore";
/// Condition: the recovery point was found, so that a deletion that starts over does not take it for a typo.
const FOUND: &str = "Found";
/// How long to wait before the store is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(3600);

/// The reconciler of `DeleteBackup`.
#[derive(Debug)]
pub struct Deletions {
    context: Arc<Context>,
}

impl Deletions {
    /// A reconciler.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

#[async_trait]
impl Operation for Deletions {
    type Object = DeleteBackup;

    fn settled(&self, object: &DeleteBackup) -> bool {
        object.status.as_ref().is_some_and(|status| status.phase.is_final())
    }

    async fn run(&self, latest: Latest<DeleteBackup>, stop: CancellationToken) -> Result<(), TryAgain> {
        let Some((_, object, writer)) = work::current(&self.context, &latest).await? else { return Ok(()) };
        let mut run = Run {
            context: self.context.clone(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            status: object.status.clone().unwrap_or_default(),
            writer,
            object,
            stop,
            attempt: None,
            failure: None,
            problems: Vec::new(),
            point: None,
        };
        work::to_the_end(&mut run).await
    }
}

/// One deletion in the hands of this process.
struct Run {
    context: Arc<Context>,
    name: String,
    uid: String,
    object: DeleteBackup,
    status: DeleteBackupStatus,
    writer: StatusWriter<DeleteBackup>,
    stop: CancellationToken,
    attempt: Option<Attempt>,
    failure: Option<Problem>,
    problems: Vec<Problem>,
    point: Option<Point>,
}

#[async_trait]
impl Work for Run {
    type Step = Step;
    const KIND: &'static str = "delete-backup";

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
        let done = self.act(step).await;
        if matches!(step, Step::Find | Step::DeleteSnapshots) && done.is_ok() {
            show_progress(&mut self.status.conditions, self.context.clock.now());
        }
        done
    }

    async fn failed(&mut self, step: Step, error: StepError) -> After {
        match error {
            StepError::Leave(_) => After::Leave,
            StepError::Temporary(problem) | StepError::StartOver(problem) => {
                self.show_waiting(&problem).await;
                After::TryAgain(TryAgain(problem.message))
            }
            // A final status that cannot be written is tried again: there is nothing after it.
            StepError::Permanent(problem) if step == Step::Finish => {
                After::TryAgain(TryAgain(problem.message))
            }
            StepError::Permanent(problem) => {
                self.failure = Some(problem);
                After::GoOn
            }
        }
    }

    fn stopping(&self) -> BoxFuture<'static, ()> {
        self.stop.clone().cancelled_owned().boxed()
    }
}

impl Run {
    /// Shows why a step is tried again.
    async fn show_waiting(&mut self, problem: &Problem) {
        show_waiting(&mut self.status.conditions, problem, self.context.clock.now());
        if let Err(error) = self.writer.write(&self.status).await {
            let (name, uid) = (&self.name, &self.uid);
            tracing::warn!(deletion = name, uid, %error, "could not report what the deletion waits for");
        }
    }
}
