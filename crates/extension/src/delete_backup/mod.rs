//! `DeleteBackup`: observe, decide, act, until nothing is left to do.

mod act;
pub mod decide;
mod observe;

use crate::{
    context::Context,
    driver::{Latest, Operation, TryAgain},
    fault,
    points::Point,
    status::StatusWriter,
    step::StepError,
};
use async_trait::async_trait;
use decide::{Attempt, Step, decide};
use kube::{Api, ResourceExt};
use protection::{Problem, point::VolumeRecord};
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
        let name = latest.borrow().name_any();
        let api: Api<DeleteBackup> =
            Api::namespaced(self.context.client.clone(), &self.context.config.namespace);
        let object = match api.get_opt(&name).await {
            Ok(Some(object)) if object.uid() == latest.borrow().uid() => object,
            Ok(_) => return Ok(()),
            Err(error) => return Err(TryAgain(crate::api::readable(&error))),
        };
        let mut run = Run {
            context: self.context.clone(),
            status: object.status.clone().unwrap_or_default(),
            writer: StatusWriter::new(api, &object),
            object,
            stop,
            attempt: None,
            failure: None,
            problems: Vec::new(),
            point: None,
            records: Vec::new(),
        };
        run.to_the_end().await
    }
}

/// One deletion in the hands of this process.
struct Run {
    context: Arc<Context>,
    object: DeleteBackup,
    status: DeleteBackupStatus,
    writer: StatusWriter<DeleteBackup>,
    stop: CancellationToken,
    attempt: Option<Attempt>,
    failure: Option<Problem>,
    problems: Vec<Problem>,
    point: Option<Point>,
    records: Vec<VolumeRecord>,
}

impl Run {
    async fn to_the_end(&mut self) -> Result<(), TryAgain> {
        loop {
            let step = decide(&self.observe());
            if step == Step::Leave {
                return Ok(());
            }
            tracing::info!(deletion = self.object.name_any(), step = step.name(), "step");
            fault::point(&format!("delete-backup/{}/before", step.name()));
            let done = self.act(step).await;
            fault::point(&format!("delete-backup/{}/after", step.name()));
            match done {
                Ok(()) if step == Step::Wait => return self.wait().await,
                Ok(()) => {}
                Err(StepError::Leave(_)) => return Ok(()),
                Err(StepError::Temporary(problem) | StepError::StartOver(problem)) => {
                    return Err(TryAgain(problem.message));
                }
                // A final status that cannot be written is tried again: there is nothing after it.
                Err(StepError::Permanent(problem)) if step == Step::Finish => {
                    return Err(TryAgain(problem.message));
                }
                Err(StepError::Permanent(problem)) => self.failure = Some(problem),
            }
        }
    }

    /// Keeps the task until the store is asked again; another process continues after a restart.
    async fn wait(&self) -> Result<(), TryAgain> {
        tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            () = tokio::time::sleep(ASK_AGAIN) => Err(TryAgain("the store keeps the recovery point".to_owned())),
        }
    }
}
