//! `Backup`: observe, decide, act, until nothing is left to do.

mod act;
mod commit;
pub mod decide;
mod finish;
mod hooks;
mod observe;
mod prepare;
mod session;
mod snapshots;

pub use observe::FINALIZER;

use crate::{
    context::Context,
    driver::{Latest, Operation, TryAgain},
    fault,
    status::StatusWriter,
    step::StepError,
    stop::Stop,
};
use async_trait::async_trait;
use decide::{Step, decide};
use kube::{Api, ResourceExt};
use protection::Problem;
use resources::{Backup, BackupStatus};
use session::Session;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The reconciler of `Backup`.
#[derive(Debug)]
pub struct Backups {
    context: Arc<Context>,
}

impl Backups {
    /// A reconciler.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

#[async_trait]
impl Operation for Backups {
    type Object = Backup;

    fn settled(&self, object: &Backup) -> bool {
        let is_final = object.status.as_ref().is_some_and(|status| status.phase.is_final());
        is_final && !has_finalizer(object)
    }

    async fn run(&self, latest: Latest<Backup>, stop: CancellationToken) -> Result<(), TryAgain> {
        let name = latest.borrow().name_any();
        let api: Api<Backup> = Api::namespaced(self.context.client.clone(), &self.context.config.namespace);
        // The watch may lag behind what an earlier attempt of this process wrote.
        let object = match api.get_opt(&name).await {
            Ok(Some(object)) if object.uid() == latest.borrow().uid() => object,
            Ok(_) => return Ok(()),
            Err(error) => return Err(TryAgain(crate::api::readable(&error))),
        };
        let uid = object.uid().unwrap_or_default();
        let mut run = Run {
            context: self.context.clone(),
            finalizer: has_finalizer(&object),
            status: object.status.clone().unwrap_or_default(),
            writer: StatusWriter::new(api.clone(), &object),
            session: None,
            latest,
            stop,
            api,
            name,
            uid,
        };
        run.to_the_end().await
    }
}

fn has_finalizer(object: &Backup) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// One backup in the hands of this process.
#[derive(Debug)]
pub(crate) struct Run {
    context: Arc<Context>,
    api: Api<Backup>,
    name: String,
    uid: String,
    latest: Latest<Backup>,
    stop: CancellationToken,
    status: BackupStatus,
    finalizer: bool,
    writer: StatusWriter<Backup>,
    session: Option<Session>,
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
            tracing::info!(backup = self.name, uid = self.uid, step = step.name(), "step");
            fault::point(&format!("backup/{}/before", step.name()));
            let done = self.take(step).await;
            fault::point(&format!("backup/{}/after", step.name()));
            match done {
                Ok(()) => pause = FIRST_PAUSE,
                Err(StepError::Leave(error)) => {
                    tracing::warn!(backup = self.name, uid = self.uid, %error, "leaving the backup");
                    return Ok(());
                }
                // Whoever is about to stop does not wait for better times.
                Err(StepError::Temporary(problem) | StepError::StartOver(problem)) if seen.stop.is_some() => {
                    self.fail(step, problem);
                }
                Err(StepError::Temporary(problem)) => {
                    tracing::warn!(
                        backup = self.name,
                        uid = self.uid,
                        step = step.name(),
                        problem = problem.message,
                        ?pause,
                        "trying the step again"
                    );
                    self.rest(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(StepError::StartOver(problem)) => return self.start_over(&problem).await,
                Err(StepError::Permanent(problem)) => self.fail(step, problem),
            }
        }
    }

    fn observe(&self) -> decide::Observed {
        observe::observe(
            &self.latest.borrow(),
            &self.status,
            self.session.as_ref(),
            self.finalizer,
            self.stop.is_cancelled(),
            self.context.clock.now(),
        )
    }

    /// Takes a step; one that may be interrupted ends early when the backup shall stop.
    async fn take(&mut self, step: Step) -> Result<(), StepError> {
        if !step.is_interruptible() || self.observe().stop.is_some() {
            return self.act(step).await;
        }
        let interrupted = self.interrupted();
        tokio::select! {
            biased;
            () = interrupted => Ok(()),
            done = self.act(step) => done,
        }
    }

    /// Resolves when the backup shall stop.
    fn interrupted(&self) -> impl Future<Output = ()> + use<> {
        let (mut latest, stop, clock) = (self.latest.clone(), self.stop.clone(), self.context.clock.clone());
        let status = self.status.clone();
        async move {
            loop {
                let circumstances = {
                    let object = latest.borrow_and_update();
                    observe::circumstances(&object, &status, false, stop.is_cancelled())
                };
                let now = clock.now();
                if circumstances.stop(now).is_some() {
                    return;
                }
                let left = circumstances
                    .deadline()
                    .and_then(|deadline| Duration::try_from(deadline.duration_since(now)).ok())
                    .unwrap_or(LONGEST_PAUSE);
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = latest.changed() => if changed.is_err() {
                        // The watch has ended, and with it this process' work.
                        return stop.cancelled().await;
                    },
                    () = tokio::time::sleep(left) => {}
                }
            }
        }
    }

    async fn rest(&self, pause: Duration) {
        let interrupted = self.interrupted();
        tokio::select! {
            () = interrupted => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Notes why the attempt cannot succeed. What a stopping backup still does (thawing, dropping, reporting) is
    /// marked as done, so that a failure there never keeps it from its end.
    fn fail(&mut self, step: Step, problem: Problem) {
        tracing::error!(
            backup = self.name,
            uid = self.uid,
            step = step.name(),
            code = problem.code,
            problem = problem.message,
            "step failed"
        );
        let Some(session) = self.session.as_mut() else { return };
        let attempt = &mut session.attempt;
        match step {
            Step::FindCommit => attempt.commit = decide::Commit::Unsearchable,
            Step::Commit => attempt.commit = decide::Commit::Unknown,
            Step::DropSnapshots => attempt.dropped = true,
            Step::Detach => attempt.detached = true,
            Step::WriteResult => attempt.result_written = true,
            Step::StopCapture => attempt.capture = decide::Work::NotStarted,
            _ => {}
        }
        let after_the_fact = matches!(step, Step::DropSnapshots | Step::Detach | Step::WriteResult);
        if after_the_fact || session.failure.is_some() {
            session.problems.push(problem);
        } else {
            session.failure = Some(problem);
        }
    }

    /// Gives up this attempt, so that another one begins after a pause.
    async fn start_over(&mut self, problem: &Problem) -> Result<(), TryAgain> {
        let frozen = !self.status.frozen.is_empty();
        if frozen && let Err(error) = self.act(Step::Thaw).await {
            tracing::warn!(backup = self.name, uid = self.uid, %error, "could not thaw before starting over");
        }
        if let Err(error) = self.act(Step::StopCapture).await {
            tracing::warn!(backup = self.name, uid = self.uid, %error, "could not give the repository lock back");
        }
        self.session = None;
        self.status.stage = "starting over".to_owned();
        (self.status.problems, self.status.problem_count) =
            crate::status::summarise(std::slice::from_ref(problem));
        if let Err(error) = self.writer.write(&self.status).await {
            tracing::warn!(backup = self.name, uid = self.uid, %error, "could not report that the work starts over");
        }
        Err(TryAgain(problem.message.clone()))
    }

    /// The session; steps after `Begin` have one.
    fn session(&mut self) -> Result<&mut Session, StepError> {
        self.session.as_mut().ok_or_else(|| internal("a step was taken before the attempt began"))
    }

    fn stop_reason(&self) -> Option<Stop> {
        self.observe().stop
    }
}

/// A state that cannot occur; reported instead of a panic, so that the application is thawed.
fn internal(what: &str) -> StepError {
    StepError::Permanent(Problem::error(
        protection::code::GENERIC_WARNING,
        format!("internal error: {what}; this is a defect, please report it"),
    ))
}
