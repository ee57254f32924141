//! Restore hooks: commands in pods that were started since the restore was asked for.

use super::{Run, request::read_hooks};
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
use resources::{NamespacedName, OnError, RestoreHookSpec};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use volumes::hooks::{PodFacts, RestoreRun, look_into, restore_targets, run, wait_for_container};

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
        let hooks = read_hooks(&self.context.client, &spec.restore_hook_references).await?;
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
        let concerned = |metadata: &ObjectMeta| {
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            metadata.creation_timestamp.as_ref().map(|time| time.0) >= created
                && look_into(hooks, namespace, original)
        };
        let mut pods = Vec::new();
        let keep = |pod: Pod| pods.extend(concerned(&pod.metadata).then(|| PodFacts::of(&pod)));
        for_each::<Pod>(client, "pods", keep).await?;
        let incomplete = incomplete(client, concerned).await?;
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

/// Those Deployments and StatefulSets that have not made all their pods, by kind, namespace and name.
async fn incomplete(
    client: &Client,
    concerned: impl Fn(&ObjectMeta) -> bool,
) -> Result<Vec<String>, StepError> {
    let mut found = Vec::new();
    let mut judge = |kind: &str, metadata: &ObjectMeta, made: Option<i32>, wanted: Option<i32>| {
        let late = made.unwrap_or(0) < wanted.unwrap_or(1);
        if late && metadata.deletion_timestamp.is_none() && concerned(metadata) {
            let text = |part: &Option<String>| part.clone().unwrap_or_default();
            found.push(format!("{kind} {}/{}", text(&metadata.namespace), text(&metadata.name)));
        }
    };
    for_each::<Deployment>(client, "deployments", |one| {
        let spec = one.spec.unwrap_or_default();
        if spec.paused != Some(true) {
            let made = one.status.and_then(|status| status.replicas);
            judge("Deployment", &one.metadata, made, spec.replicas);
        }
    })
    .await?;
    for_each::<StatefulSet>(client, "stateful sets", |one| {
        let made = one.status.map(|status| status.replicas);
        judge("StatefulSet", &one.metadata, made, one.spec.and_then(|spec| spec.replicas));
    })
    .await?;
    Ok(found)
}

/// Looks at everything of a kind, page by page.
async fn for_each<K>(client: &Client, what: &str, mut look: impl FnMut(K)) -> Result<(), StepError>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let api = Api::<K>::all(client.clone());
    let mut page = ListParams::default().limit(500);
    loop {
        let listed =
            api.list(&page).await.map_err(|error| StepError::api(&format!("list {what}"), &error))?;
        listed.items.into_iter().for_each(&mut look);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(()),
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
