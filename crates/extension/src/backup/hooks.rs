//! Freezing and thawing: the intent is in the status before a pre-hook runs, and leaves it when the post-hooks
//! have run.

use super::{
    Run,
    decide::{Hooks, Step},
    internal,
    prepare::{hook_runs, selection},
};
use crate::step::StepError;
use futures::future::join_all;
use protection::{Problem, code};
use resources::{FrozenContainer, OnError};
use std::time::Duration;
use volumes::hooks::{BackupRun, Command, HookFailure, frozen_targets, observe_pod, run};

/// How often a post-hook is tried before the container is reported as possibly frozen.
const THAW_TRIES: u32 = 3;
const THAW_PAUSE: Duration = Duration::from_secs(2);

impl Run {
    /// Waits until no other backup has frozen the same pods: its post-hooks would thaw them under ours.
    pub(super) async fn await_turn(&mut self) -> Result<(), StepError> {
        self.stage(Step::AwaitTurn).await?;
        let turns = self.context.turns.clone();
        let session = self.session()?;
        let prepared = session.prepared.as_ref().ok_or_else(|| internal("nothing is prepared"))?;
        let pods = prepared.runs.iter().map(|run| run.pod_uid.clone()).collect();
        session.turn = Some(turns.take(pods).await);
        session.attempt.hooks = Hooks::NotRecorded;
        Ok(())
    }

    pub(super) async fn record_intent(&mut self) -> Result<(), StepError> {
        let session = self.session.as_ref().ok_or_else(|| internal("no attempt has begun"))?;
        let prepared = session.prepared.as_ref().ok_or_else(|| internal("nothing is prepared"))?;
        self.status.frozen = prepared.runs.iter().map(BackupRun::frozen).collect();
        self.status.stage = Step::RecordIntent.name().to_owned();
        self.writer.write(&self.status).await?;
        self.session()?.attempt.hooks = Hooks::PreHooksLeft;
        Ok(())
    }

    /// Runs the pre-hooks of the next hook entry, in all its pods at once.
    pub(super) async fn pre_hook(&mut self) -> Result<(), StepError> {
        let client = self.context.client.clone();
        let session = self.session()?;
        session.frozen_since.get_or_insert_with(tokio::time::Instant::now);
        let runs = session.prepared.as_ref().map(|prepared| prepared.runs.as_slice()).unwrap_or_default();
        let due = runs.get(session.next_hook..).unwrap_or_default();
        let entry: Vec<BackupRun> = due
            .iter()
            .take_while(|run| due.first().is_some_and(|first| first.hook == run.hook))
            .cloned()
            .collect();
        let all_in_all = runs.len();
        let results = join_all(entry.iter().map(|one| in_order(&client, one, &one.pre))).await;
        session.next_hook += entry.len();
        if session.next_hook >= all_in_all {
            session.attempt.hooks = Hooks::PreHooksDone;
        }
        let mut fatal = None;
        for (problem, on_error) in results.into_iter().flatten() {
            match on_error {
                OnError::Continue => session.problems.push(problem),
                OnError::Fail => fatal = Some(problem),
            }
        }
        match fatal {
            Some(problem) => {
                Err(StepError::Permanent(Problem { severity: protection::Severity::Error, ..problem }))
            }
            None => Ok(()),
        }
    }

    /// Runs the post-hooks of everything that may be frozen. A post-hook that fails never costs the recovery
    /// point: it is a warning that names the container.
    pub(super) async fn thaw(&mut self) -> Result<(), StepError> {
        self.take_turn_of_an_earlier_attempt().await;
        let known = self.session.as_ref().and_then(|session| session.prepared.as_ref());
        let (runs, mut problems) = match known {
            Some(prepared) => (prepared.runs.clone(), Vec::new()),
            None => self.runs_of_an_earlier_attempt().await?,
        };
        let frozen = self.status.frozen.clone();
        let targets = frozen_targets(&runs, &frozen);
        let known: Vec<FrozenContainer> = targets.iter().map(|run| run.frozen()).collect();
        let client = self.context.client.clone();
        for lost in frozen.iter().filter(|one| !known.contains(one)) {
            // A pod that is gone, or replaced by another of its name, is not frozen.
            let pod = observe_pod(&client, &lost.namespace, &lost.pod).await?;
            if pod.is_some_and(|pod| pod.uid == lost.pod_uid) {
                problems.push(unknown(lost));
            }
        }
        let results = join_all(targets.iter().map(|one| thaw_one(&client, one))).await;
        problems.extend(results.into_iter().flatten());
        self.status.frozen.clear();
        if let Err(error) = self.writer.write(&self.status).await {
            self.status.frozen = frozen;
            return Err(error.into());
        }
        if let Some(session) = self.session.as_mut() {
            if let Some(since) = session.frozen_since.take() {
                self.context.health.metrics().frozen_seconds.observe(since.elapsed().as_secs_f64());
            }
            session.problems.extend(problems);
            session.turn = None;
        }
        Ok(())
    }

    /// What an earlier attempt froze is thawed when no other backup has frozen it since.
    async fn take_turn_of_an_earlier_attempt(&mut self) {
        let pods = self.status.frozen.iter().map(|frozen| frozen.pod_uid.clone()).collect();
        if let Some(session) = self.session.as_mut()
            && session.turn.is_none()
        {
            session.turn = Some(self.context.turns.take(pods).await);
        }
    }

    /// After a crash, what thaws is read again from the hooks.
    async fn runs_of_an_earlier_attempt(&self) -> Result<(Vec<BackupRun>, Vec<Problem>), StepError> {
        let spec = self.latest.borrow().spec.clone();
        let selection = selection(&spec, &self.context.config.namespace)?;
        match hook_runs(&self.context.client, &spec.backup_hook_references, &selection).await {
            // A hook that was deleted meanwhile cannot thaw; each frozen container is then named.
            Err(StepError::Permanent(problem)) => Ok((Vec::new(), vec![problem])),
            other => other,
        }
    }
}

/// Runs commands one after another; the first failure with `Fail` ends it.
async fn in_order(client: &kube::Client, of: &BackupRun, commands: &[Command]) -> Vec<(Problem, OnError)> {
    let mut problems = Vec::new();
    for command in commands {
        if let Err(failure) = run(client, command).await {
            problems.push((failure.problem(&of.hook, command), command.on_error));
            if command.on_error == OnError::Fail {
                break;
            }
        }
    }
    problems
}

/// Runs all post-hooks of one pod, each with a few tries, whatever the others do.
async fn thaw_one(client: &kube::Client, of: &BackupRun) -> Vec<Problem> {
    let mut problems = Vec::new();
    for command in &of.post {
        let mut tries = 0;
        let failure = loop {
            tries += 1;
            match run(client, command).await {
                // A pod that is gone is not frozen.
                Ok(()) | Err(HookFailure::PodGone) => break None,
                Err(failure) if tries >= THAW_TRIES || !is_worth_repeating(&failure) => break Some(failure),
                Err(_) => tokio::time::sleep(THAW_PAUSE).await,
            }
        };
        if let Some(failure) = failure {
            problems.push(
                failure
                    .problem(&of.hook, command)
                    .fix(format!("Check in pod {}/{} that nothing is left frozen.", of.namespace, of.pod)),
            );
        }
    }
    problems
}

fn is_worth_repeating(failure: &HookFailure) -> bool {
    matches!(
        failure,
        HookFailure::Lost { .. } | HookFailure::TimedOut { .. } | HookFailure::NotRunning { .. }
    )
}

/// A pod that a hook may have frozen which no longer applies to it.
fn unknown(frozen: &FrozenContainer) -> Problem {
    Problem::warning(
        code::HOOK_FAILED,
        format!(
            "The hook {} (entry {}) no longer applies to pod {}/{}, so its post-hook could not run. It may be frozen.",
            frozen.hook, frozen.entry, frozen.namespace, frozen.pod
        ),
    )
    .about(format!("pods/{}/{}", frozen.namespace, frozen.pod))
    .fix("Run the command that thaws the application by hand with `kubectl exec`.")
}
