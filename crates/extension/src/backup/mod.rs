//! `Backup`: observe, decide, act, until nothing is left to do.

mod act;
mod commit;
mod copies;
pub mod decide;
mod finish;
mod hooks;
mod observe;
mod prepare;
mod session;
mod snapshots;

pub use observe::FINALIZER;
pub(crate) use prepare::{read_hooks, selection, taken_namespaces, too_many};

use crate::{
    context::Context,
    driver::{Latest, Operation, TryAgain},
    status::StatusWriter,
    step::StepError,
    stop::Stop,
    work::{self, After, Waiting, Work, internal},
};
use async_trait::async_trait;
use decide::{Step, decide};
use futures::{FutureExt, future::BoxFuture};
use kube::{Api, ResourceExt};
use protection::{Problem, code};
use resources::{Backup, BackupStatus};
use session::Session;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
        let Some((api, object, writer)) = work::current(&self.context, &latest).await? else { return Ok(()) };
        let mut run = Run {
            context: self.context.clone(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            finalizer: has_finalizer(&object),
            status: object.status.unwrap_or_default(),
            session: None,
            waiting: Waiting::default(),
            latest,
            stop,
            api,
            writer,
        };
        work::to_the_end(&mut run).await
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
    waiting: Waiting<Step>,
}

#[async_trait]
impl Work for Run {
    type Step = Step;
    const KIND: &'static str = "backup";

    fn object(&self) -> (&str, &str) {
        (&self.name, &self.uid)
    }

    fn next(&self) -> Option<Step> {
        Some(decide(&self.observe())).filter(|step| *step != Step::Leave)
    }

    fn name(step: Step) -> &'static str {
        step.name()
    }

    /// One that may be interrupted ends early when the backup shall stop.
    async fn take(&mut self, step: Step) -> Result<(), StepError> {
        let before = self.status.clone();
        self.waiting.tries(&step, &mut self.status.conditions, self.context.clock.now());
        if !step.is_interruptible() || self.stop_reason().is_some() {
            let done = self.act(step).await;
            // What was not written did not happen: neither is the attempt counted nor the backup at its end.
            if done.is_err() && matches!(step, Step::Begin | Step::Finish) {
                self.status = before;
            }
            self.no_longer_waits(step, &done);
            return done;
        }
        let stopping = self.stopping();
        let done = tokio::select! {
            biased;
            () = stopping => {
                self.interrupted(step);
                return Ok(());
            }
            done = self.act(step) => done,
        };
        self.no_longer_waits(step, &done);
        done
    }

    async fn failed(&mut self, step: Step, error: StepError) -> After {
        let stopping = self.stop_reason().is_some();
        match error {
            StepError::Leave(_) => return After::Leave,
            // Whoever is about to stop does not wait for better times.
            StepError::Temporary(problem) | StepError::StartOver(problem) if stopping => {
                self.fail(step, problem);
            }
            StepError::Temporary(problem) => {
                self.wait_for(step, problem.clone()).await;
                return After::Pause(problem);
            }
            StepError::StartOver(problem) => return After::TryAgain(self.start_over(&problem).await),
            StepError::Permanent(problem) => self.fail(step, problem),
        }
        After::GoOn
    }

    fn stopping(&self) -> BoxFuture<'static, ()> {
        let started = self.status.start_time.as_ref().map(|time| time.0);
        work::stopping(self.latest.clone(), started, self.stop.clone(), self.context.clock.clone()).boxed()
    }
}

impl Run {
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

    /// Shows why a step is tried again.
    async fn wait_for(&mut self, step: Step, problem: Problem) {
        let now = self.context.clock.now();
        self.waiting.begin(step, problem, &mut self.status.conditions, now);
        if let Err(error) = self.writer.write(&self.status).await {
            tracing::warn!(backup = self.name, uid = self.uid, %error, "could not report what the backup waits for");
        }
    }

    fn no_longer_waits(&mut self, step: Step, done: &Result<(), StepError>) {
        if done.is_ok() {
            self.waiting.end(&step);
        }
    }

    /// A command in a container cannot be ended from outside: what froze too late stays frozen.
    fn interrupted(&mut self, step: Step) {
        let Some(session) = self.session.as_mut().filter(|_| step == Step::PreHook) else { return };
        let frozen = &self.status.frozen;
        let names: Vec<String> = frozen.iter().map(|one| format!("{}/{}", one.namespace, one.pod)).collect();
        session.problems.push(
            Problem::warning(
                code::HOOK_FAILED,
                format!(
                    "The backup was stopped while pre-hooks ran; their commands may still run in {} and freeze the \
                     application after the post-hooks have thawed it.",
                    names.join(", ")
                ),
            )
            .fix("Look whether the application works; run the post-hook by hand if it is frozen."),
        );
    }

    /// Notes why the attempt cannot succeed. What a stopping backup still does (thawing, dropping, reporting) is
    /// marked as done, so that a failure there never keeps it from its end.
    fn fail(&mut self, step: Step, problem: Problem) {
        let Some(session) = self.session.as_mut() else { return };
        let attempt = &mut session.attempt;
        match step {
            Step::FindCommit => attempt.commit = decide::Commit::Unsearchable,
            Step::Commit => attempt.commit = decide::Commit::Unknown,
            Step::DropSnapshots => {
                attempt.dropped = true;
                session.drop_failed = true;
            }
            Step::Detach => attempt.detached = true,
            Step::WriteResult => attempt.result_written = true,
            Step::StopCapture => attempt.capture = decide::Work::NotStarted,
            _ => {}
        }
        let after_the_fact = matches!(step, Step::DropSnapshots | Step::Detach | Step::WriteResult);
        if after_the_fact || session.failure.is_some() {
            // A step that is taken again and again says the same each time.
            if !session.problems.contains(&problem) {
                session.problems.push(problem);
            }
        } else {
            session.failure = Some(problem);
        }
    }

    /// Gives up this attempt, so that another one begins after a pause.
    async fn start_over(&mut self, problem: &Problem) -> TryAgain {
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
        TryAgain(problem.message.clone())
    }

    /// The session; steps after `Begin` have one.
    fn session(&mut self) -> Result<&mut Session, StepError> {
        self.session.as_mut().ok_or_else(|| internal("a step was taken before the attempt began"))
    }

    fn stop_reason(&self) -> Option<Stop> {
        self.observe().stop
    }
}
