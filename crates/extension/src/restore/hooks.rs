//! Restore hooks: commands in pods that were started since the restore was asked for.

use super::Run;
use crate::step::StepError;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Pod,
};
use kube::{
    Api, Client,
    api::{ListParams, ObjectMeta},
};
use protection::{Problem, Severity, code};
use resources::{NamespacedName, OnError, RestoreHook, RestoreHookSpec};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use volumes::hooks::{PodFacts, RestoreRun, restore_targets, run, wait_for_container};

/// How often new pods are looked for; controllers need a moment to make them.
const LOOK: Duration = Duration::from_secs(2);
/// How long a first pod may take to appear where every controller has made what it should.
const APPEAR: Duration = Duration::from_secs(60);
/// How long controllers may take to make all their pods; a StatefulSet makes one after the other.
const COMPLETE: Duration = Duration::from_secs(600);
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

/// The runs once every controller has made its pods and their set has not changed for a few looks.
async fn steady_runs(
    client: &Client,
    hooks: &[(NamespacedName, RestoreHookSpec)],
    original: &BTreeMap<String, String>,
    created: Option<Timestamp>,
) -> Result<(Vec<RestoreRun>, Vec<Problem>), StepError> {
    let begun = Instant::now();
    let mut last: Option<Vec<RestoreRun>> = None;
    let mut steady = 0;
    loop {
        let pods = new_pods(client, created).await?;
        let incomplete = incomplete(client, created).await?;
        let (runs, mut problems) = restore_targets(hooks, &pods, original);
        steady = if last.as_ref() == Some(&runs) { steady + 1 } else { 0 };
        let waited = begun.elapsed();
        let all = incomplete.is_empty() && steady >= STEADY && (!runs.is_empty() || waited >= APPEAR);
        if all || waited >= COMPLETE {
            problems.extend(without_pods(hooks, &runs));
            problems.extend(incomplete.iter().map(|what| late(what)));
            return Ok((runs, problems));
        }
        last = Some(runs);
        tokio::time::sleep(LOOK).await;
    }
}

/// The new Deployments and StatefulSets that have not made all their pods, by kind, namespace and name.
async fn incomplete(client: &Client, created: Option<Timestamp>) -> Result<Vec<String>, StepError> {
    let is_new = |metadata: &ObjectMeta| {
        metadata.creation_timestamp.as_ref().map(|time| time.0) >= created
            && metadata.deletion_timestamp.is_none()
    };
    let named = |kind: &str, metadata: &ObjectMeta| {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{kind} {}/{}", text(&metadata.namespace), text(&metadata.name))
    };
    let mut found = Vec::new();
    for one in all::<Deployment>(client, "deployments").await? {
        let made = one.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
        let paused = one.spec.as_ref().and_then(|spec| spec.paused) == Some(true);
        if is_new(&one.metadata)
            && !paused
            && made < one.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
        {
            found.push(named("Deployment", &one.metadata));
        }
    }
    for one in all::<StatefulSet>(client, "stateful sets").await? {
        let made = one.status.as_ref().map_or(0, |status| status.replicas);
        if is_new(&one.metadata) && made < one.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) {
            found.push(named("StatefulSet", &one.metadata));
        }
    }
    Ok(found)
}

/// Everything of a kind, page by page.
async fn all<K>(client: &Client, what: &str) -> Result<Vec<K>, StepError>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api = Api::<K>::all(client.clone());
    let mut page = ListParams::default().limit(500);
    let mut found = Vec::new();
    loop {
        let listed =
            api.list(&page).await.map_err(|error| StepError::api(&format!("list {what}"), &error))?;
        found.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

/// Hooks that no new pod matches, by name.
fn without_pods(hooks: &[(NamespacedName, RestoreHookSpec)], runs: &[RestoreRun]) -> Vec<Problem> {
    let names = hooks.iter().map(|(hook, _)| format!("{}/{}", hook.namespace, hook.name));
    let unused = names.filter(|name| !runs.iter().any(|run| run.hook.hook == *name));
    unused
        .map(|name| {
            Problem::warning(
                code::HOOK_FAILED,
                format!("Restore hook {name} ran nowhere: no pod that this restore started matches it."),
            )
            .about(format!("restorehooks/{name}"))
            .fix("Correct its namespaces and labels: they are those of the backup, before any mapping.")
        })
        .collect()
}

fn late(what: &str) -> Problem {
    Problem::warning(
        code::HOOK_FAILED,
        format!(
            "{what} did not make all its pods within {} s; hooks did not run in those.",
            COMPLETE.as_secs()
        ),
    )
    .fix("See why with `kubectl describe`, then run the hook's command by hand.")
}

async fn new_pods(client: &Client, created: Option<Timestamp>) -> Result<Vec<PodFacts>, StepError> {
    let pods = all::<Pod>(client, "pods").await?;
    let new =
        pods.iter().filter(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0) >= created);
    Ok(new.map(PodFacts::of).collect())
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
