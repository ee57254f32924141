//! `ValidateForBackup` and `ValidateForRestore`: observe, decide, act.

mod act;
pub mod decide;
mod observe;
mod sum;

use crate::{
    checks::Subject,
    context::Context,
    driver::{Latest, Operation, TryAgain},
    fault,
    status::StatusWriter,
    step::StepError,
};
use async_trait::async_trait;
use decide::{Step, decide};
use kube::{Api, Resource, ResourceExt};
use resources::{CheckReport, ValidateForBackup, ValidateForRestore, ValidateStatus};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, marker::PhantomData, sync::Arc};
use tokio_util::sync::CancellationToken;

/// What the two kinds have in common.
pub trait Validation:
    Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + Clone
    + Serialize
    + DeserializeOwned
    + Debug
    + Send
    + Sync
    + 'static
{
    /// What the checks are run for.
    fn subject(&self) -> Subject<'_>;
    /// Its status.
    fn status(&self) -> Option<&ValidateStatus>;
}

impl Validation for ValidateForBackup {
    fn subject(&self) -> Subject<'_> {
        Subject::Backup(&self.spec.backup, self.spec.read_only)
    }

    fn status(&self) -> Option<&ValidateStatus> {
        self.status.as_ref()
    }
}

impl Validation for ValidateForRestore {
    fn subject(&self) -> Subject<'_> {
        Subject::Restore(&self.spec.restore)
    }

    fn status(&self) -> Option<&ValidateStatus> {
        self.status.as_ref()
    }
}

/// The reconciler of one of the two kinds.
#[derive(Debug)]
pub struct Validations<K> {
    context: Arc<Context>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Validations<K> {
    /// A reconciler.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context, kind: PhantomData }
    }
}

#[async_trait]
impl<K: Validation> Operation for Validations<K> {
    type Object = K;

    fn settled(&self, object: &K) -> bool {
        object.status().is_some_and(|status| status.phase.is_final())
    }

    async fn run(&self, latest: Latest<K>, stop: CancellationToken) -> Result<(), TryAgain> {
        let name = latest.borrow().name_any();
        let api: Api<K> = Api::namespaced(self.context.client.clone(), &self.context.config.namespace);
        let object = match api.get_opt(&name).await {
            Ok(Some(object)) if object.uid() == latest.borrow().uid() => object,
            Ok(_) => return Ok(()),
            Err(error) => return Err(TryAgain(crate::api::readable(&error))),
        };
        let mut run = Run {
            context: self.context.clone(),
            status: object.status().cloned().unwrap_or_default(),
            writer: StatusWriter::new(api, &object),
            object,
            stop,
            checks: None,
        };
        run.steps().await
    }
}

/// One validation in the hands of this process.
struct Run<K> {
    context: Arc<Context>,
    object: K,
    status: ValidateStatus,
    writer: StatusWriter<K>,
    stop: CancellationToken,
    checks: Option<Vec<CheckReport>>,
}

impl<K: Validation> Run<K> {
    async fn steps(&mut self) -> Result<(), TryAgain> {
        loop {
            let step = decide(&self.observe());
            if step == Step::Leave {
                return Ok(());
            }
            fault::point("validate", step.name(), "before").await;
            let done = self.act(step).await;
            fault::point("validate", step.name(), "after").await;
            match done {
                Ok(()) => {}
                Err(StepError::Leave(_)) => return Ok(()),
                Err(
                    StepError::Temporary(problem)
                    | StepError::StartOver(problem)
                    | StepError::Permanent(problem),
                ) => return Err(TryAgain(problem.message)),
            }
        }
    }
}
