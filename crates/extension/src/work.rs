//! One operation from observation to its end: decide, take the step, look again. The same for every kind.

use crate::{
    api,
    context::Context,
    driver::{Latest, TryAgain},
    fault,
    status::{StatusWriter, show_progress, show_waiting},
    step::StepError,
    stop::{Circumstances, Stoppable},
};
use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Api, Resource, ResourceExt};
use protection::{Problem, code};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An operation in the hands of this process.
#[async_trait]
pub trait Work: Send {
    /// What it can do.
    type Step: Copy + Send + Sync;

    /// The kind, as in fault points and log lines.
    const KIND: &'static str;

    /// Name and UID of the object.
    fn object(&self) -> (&str, &str);
    /// The next step; `None` when nothing is left for this process.
    fn next(&self) -> Option<Self::Step>;
    /// The name of a step, as in fault points and `status.stage`.
    fn name(step: Self::Step) -> &'static str;
    /// Takes a step.
    async fn take(&mut self, step: Self::Step) -> Result<(), StepError>;
    /// Takes note of a step that failed, and says what follows.
    async fn failed(&mut self, step: Self::Step, error: StepError) -> After;
    /// Resolves when the operation shall stop.
    fn stopping(&self) -> futures::future::BoxFuture<'static, ()>;
}

/// What follows from a step that failed.
#[derive(Debug)]
pub enum After {
    /// Decide again: the failure is noted, and what comes next follows from it.
    GoOn,
    /// The same step is tried again after a pause, which grows.
    Pause(Problem),
    /// This process puts the operation down; it is taken up again after a pause.
    TryAgain(TryAgain),
    /// This process puts the operation down.
    Leave,
}

/// The step that is tried again and again, and why: shown in the status, and told at the end if nothing came of it.
#[derive(Debug)]
pub struct Waiting<S>(Option<(S, Problem)>);

impl<S> Default for Waiting<S> {
    fn default() -> Self {
        Self(None)
    }
}

impl<S: PartialEq> Waiting<S> {
    /// A step failed and will be tried again.
    pub fn begin(&mut self, step: S, problem: Problem, conditions: &mut Vec<Condition>, now: Timestamp) {
        show_waiting(conditions, &problem, now);
        self.0 = Some((step, problem));
    }

    /// The step is tried again. That may take long, and is no waiting.
    pub fn tries(&self, step: &S, conditions: &mut Vec<Condition>, now: Timestamp) {
        if self.0.as_ref().is_some_and(|(waits, _)| waits == step) {
            show_progress(conditions, now);
        }
    }

    /// The step succeeded.
    pub fn end(&mut self, step: &S) {
        self.0.take_if(|(waits, _)| waits == step);
    }

    /// Why a step never succeeded; a failure of `last` itself is not told by it.
    pub fn problem(&self, last: &S) -> Option<&Problem> {
        self.0.as_ref().filter(|(waits, _)| waits != last).map(|(_, problem)| problem)
    }
}

/// Takes step after step until nothing is left for this process.
pub async fn to_the_end<W: Work>(work: &mut W) -> Result<(), TryAgain> {
    let mut pause = FIRST_PAUSE;
    let mut failed = None;
    while let Some(step) = work.next() {
        let name = W::name(step);
        if failed.take() == Some(name) {
            // Its failure was noted, and still nothing else can be done.
            rest(work, &mut pause).await;
        }
        let (object, uid) = work.object();
        tracing::info!(kind = W::KIND, object, uid, step = name, "step");
        fault::point(W::KIND, name, "before").await;
        let done = work.take(step).await;
        fault::point(W::KIND, name, "after").await;
        let Err(error) = done else {
            pause = FIRST_PAUSE;
            continue;
        };
        tell::<W>(work, name, &error);
        match work.failed(step, error).await {
            After::GoOn => failed = Some(name),
            After::Pause(problem) => {
                let (object, uid) = work.object();
                tracing::info!(
                    kind = W::KIND,
                    object,
                    uid,
                    step = name,
                    code = problem.code,
                    ?pause,
                    "trying again"
                );
                rest(work, &mut pause).await;
            }
            After::TryAgain(why) => return Err(why),
            After::Leave => return Ok(()),
        }
    }
    Ok(())
}

/// Waits before a step is taken again, longer each time. An operation that is to stop waits, too, but shortly.
async fn rest<W: Work>(work: &W, pause: &mut Duration) {
    let stopping = work.stopping();
    tokio::select! {
        () = async { stopping.await; tokio::time::sleep(FIRST_PAUSE).await } => {}
        () = tokio::time::sleep(*pause) => {}
    }
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

fn tell<W: Work>(work: &W, step: &str, error: &StepError) {
    let (kind, (object, uid)) = (W::KIND, work.object());
    match error {
        StepError::Leave(error) => tracing::warn!(kind, object, uid, step, %error, "leaving the operation"),
        StepError::Temporary(problem) | StepError::StartOver(problem) => {
            tracing::warn!(
                kind,
                object,
                uid,
                step,
                code = problem.code,
                problem = problem.message,
                "step failed"
            );
        }
        StepError::Permanent(problem) => {
            tracing::error!(
                kind,
                object,
                uid,
                step,
                code = problem.code,
                problem = problem.message,
                "step failed"
            );
        }
    }
}

/// The object as the API server has it now, and what writes its status. The watch may lag behind what an
/// earlier attempt of this process wrote. `None` when the object is gone.
pub async fn current<K>(
    context: &Context,
    latest: &Latest<K>,
) -> Result<Option<(Api<K>, K, StatusWriter<K>)>, TryAgain>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let (name, uid) = {
        let known = latest.borrow();
        (known.name_any(), known.uid())
    };
    let api: Api<K> = Api::namespaced(context.client.clone(), &context.config.namespace);
    match api.get_opt(&name).await {
        Ok(Some(object)) if object.uid() == uid => {
            let writer = StatusWriter::new(api.clone(), &object);
            Ok(Some((api, object, writer)))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(TryAgain(api::readable(&error))),
    }
}

/// Resolves when the operation shall stop: the process ends, it is cancelled, or its time is over.
pub async fn stopping<K: Stoppable>(
    mut latest: Latest<K>,
    started: Option<Timestamp>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
) {
    loop {
        let circumstances = {
            let object = latest.borrow_and_update();
            Circumstances::of(object.as_ref(), started, false, stop.is_cancelled())
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

/// A state that cannot occur; reported instead of a panic, so that what has begun is put in order.
pub fn internal(what: &str) -> StepError {
    StepError::Permanent(Problem::error(
        code::GENERIC_WARNING,
        format!("internal error: {what}; this is a defect, please report it"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step, and how it fails the first time.
    type PlannedStep = (&'static str, Option<fn(Problem) -> StepError>);

    /// Fails each of its steps once, in the way that is planned for it.
    struct Planned {
        steps: Vec<PlannedStep>,
        taken: Vec<&'static str>,
    }

    #[async_trait]
    impl Work for Planned {
        type Step = usize;
        const KIND: &'static str = "restore";

        fn object(&self) -> (&str, &str) {
            ("name", "uid")
        }

        fn next(&self) -> Option<usize> {
            (!self.steps.is_empty()).then_some(0)
        }

        fn name(_: usize) -> &'static str {
            "step"
        }

        async fn take(&mut self, _: usize) -> Result<(), StepError> {
            let (name, fails) = &mut self.steps[0];
            self.taken.push(name);
            match fails.take() {
                Some(fail) => Err(fail(Problem::warning("X", "y"))),
                None => {
                    self.steps.remove(0);
                    Ok(())
                }
            }
        }

        async fn failed(&mut self, _: usize, error: StepError) -> After {
            match error {
                StepError::Temporary(problem) => After::Pause(problem),
                StepError::StartOver(problem) => After::TryAgain(TryAgain(problem.message)),
                StepError::Permanent(_) => After::GoOn,
                StepError::Leave(_) => After::Leave,
            }
        }

        fn stopping(&self) -> futures::future::BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    /// Never gets anywhere; counts how often it tried.
    struct Stuck(u32);

    #[async_trait]
    impl Work for Stuck {
        type Step = usize;
        const KIND: &'static str = "restore";

        fn object(&self) -> (&str, &str) {
            ("name", "uid")
        }

        fn next(&self) -> Option<usize> {
            Some(0)
        }

        fn name(_: usize) -> &'static str {
            "finish"
        }

        async fn take(&mut self, _: usize) -> Result<(), StepError> {
            self.0 += 1;
            Err(StepError::Permanent(Problem::warning("X", "y")))
        }

        async fn failed(&mut self, _: usize, _: StepError) -> After {
            After::GoOn
        }

        fn stopping(&self) -> futures::future::BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_always_fails_is_taken_ever_more_rarely() {
        let mut work = Stuck(0);

        let ended = tokio::time::timeout(Duration::from_secs(600), to_the_end(&mut work)).await;

        assert!(ended.is_err(), "it goes on for ever");
        assert!((10..40).contains(&work.0), "{} times in ten minutes", work.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_temporary_failure_repeats_the_step_and_a_start_over_ends_the_work() {
        let steps: Vec<PlannedStep> = vec![
            ("a", None),
            ("b", Some(StepError::Temporary)),
            ("c", Some(StepError::Permanent)),
            ("d", Some(StepError::StartOver)),
        ];
        let mut work = Planned { steps, taken: Vec::new() };

        let ended = to_the_end(&mut work).await;

        assert_eq!(work.taken, ["a", "b", "b", "c", "c", "d"]);
        assert!(ended.is_err());
    }
}
