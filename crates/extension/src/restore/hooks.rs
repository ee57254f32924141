//! Restore hooks: commands in pods that were started since the restore was asked for.

use super::Run;
use crate::step::StepError;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, Client, ResourceExt, api::ListParams};
use protection::{Problem, Severity, code};
use resources::{NamespacedName, OnError, RestoreHook, RestoreHookSpec};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use volumes::hooks::{PodFacts, RestoreRun, restore_targets, run, wait_for_container};

/// How often new pods are looked for, and for how long at most; controllers need a moment to make them.
const LOOK: Duration = Duration::from_secs(2);
const APPEAR: Duration = Duration::from_secs(60);
/// Looks in a row that must show the same pods.
const STEADY: u32 = 3;

impl Run {
    pub(super) async fn run_hooks(&mut self) -> Result<(), StepError> {
        let spec = self.latest.borrow().spec.clone();
        let hooks = self.read_hooks(&spec.restore_hook_references).await?;
        let mut fatal = None;
        if !hooks.is_empty() {
            let created = self.latest.borrow().metadata.creation_timestamp.as_ref().map(|time| time.0);
            let original: BTreeMap<String, String> =
                spec.namespace_mappings.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
            let client = self.context.client.clone();
            let (runs, problems) = steady_runs(&client, &hooks, &original, created).await?;
            self.problems.extend(problems);
            for (problem, on_error) in run_all(&client, runs, spec.deadline_seconds).await {
                match on_error {
                    OnError::Continue => self.problems.push(problem),
                    OnError::Fail => fatal = Some(Problem { severity: Severity::Error, ..problem }),
                }
            }
        }
        if let Some(attempt) = self.attempt.as_mut() {
            attempt.hooked = true;
        }
        fatal.map_or(Ok(()), |problem| Err(StepError::Permanent(problem)))
    }

    /// The hooks that the restore names; all must exist before anything is written.
    pub(super) async fn read_hooks(
        &self,
        references: &[NamespacedName],
    ) -> Result<Vec<(NamespacedName, RestoreHookSpec)>, StepError> {
        let mut hooks = Vec::new();
        for reference in references {
            let api: Api<RestoreHook> = Api::namespaced(self.context.client.clone(), &reference.namespace);
            let what = format!("{}/{}", reference.namespace, reference.name);
            match api.get_opt(&reference.name).await {
                Ok(Some(hook)) => hooks.push((reference.clone(), hook.spec)),
                Ok(None) => {
                    let problem =
                        Problem::error(code::HOOK_NOT_FOUND, format!("There is no restore hook {what}."))
                            .fix(
                                "Create the hook in this cluster, or leave it out of restoreHookReferences.",
                            );
                    return Err(StepError::Permanent(problem));
                }
                Err(error) => return Err(StepError::api(&format!("read restore hook {what}"), &error)),
            }
        }
        Ok(hooks)
    }
}

/// The runs once the set of new pods has not changed for a few looks.
async fn steady_runs(
    client: &Client,
    hooks: &[(NamespacedName, RestoreHookSpec)],
    original: &BTreeMap<String, String>,
    created: Option<Timestamp>,
) -> Result<(Vec<RestoreRun>, Vec<Problem>), StepError> {
    let end = Instant::now() + APPEAR;
    let mut last: Option<Vec<RestoreRun>> = None;
    let mut steady = 0;
    loop {
        let pods = new_pods(client, created).await?;
        let (runs, problems) = restore_targets(hooks, &pods, original);
        steady = if last.as_ref() == Some(&runs) { steady + 1 } else { 0 };
        if (steady >= STEADY && !runs.is_empty()) || Instant::now() >= end {
            return Ok((runs, problems));
        }
        last = Some(runs);
        tokio::time::sleep(LOOK).await;
    }
}

async fn new_pods(client: &Client, created: Option<Timestamp>) -> Result<Vec<PodFacts>, StepError> {
    let namespaces = Api::<Namespace>::all(client.clone())
        .list_metadata(&ListParams::default())
        .await
        .map_err(|error| StepError::api("list the namespaces", &error))?;
    let mut found = Vec::new();
    for namespace in namespaces.items.iter().map(ResourceExt::name_any) {
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace)
            .list(&ListParams::default())
            .await
            .map_err(|error| StepError::api("list pods", &error))?;
        let new = pods
            .items
            .iter()
            .filter(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0) >= created);
        found.extend(new.map(PodFacts::of));
    }
    Ok(found)
}

/// Pods at the same time, the commands of one pod in order.
async fn run_all(client: &Client, runs: Vec<RestoreRun>, deadline_seconds: u32) -> Vec<(Problem, OnError)> {
    let mut by_pod: BTreeMap<String, Vec<RestoreRun>> = BTreeMap::new();
    for run in runs {
        by_pod.entry(run.command.pod_uid.clone()).or_default().push(run);
    }
    let deadline = Duration::from_secs(u64::from(deadline_seconds));
    let pods = by_pod.into_values().map(|runs| async move {
        let mut problems = Vec::new();
        for one in runs {
            let waited = wait_for_container(client, &one.command, one.wait.unwrap_or(deadline)).await;
            let done = match waited {
                Ok(()) => run(client, &one.command).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = done {
                problems.push((failure.problem(&one.hook, &one.command), one.command.on_error));
            }
        }
        problems
    });
    futures::future::join_all(pods).await.into_iter().flatten().collect()
}
