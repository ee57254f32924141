//! Resolves what the backup concerns: selection, checks, volumes, hooks.

use super::{
    Run,
    decide::{Hooks, Step, Work},
    internal,
    session::Prepared,
};
use crate::{checks, step::StepError};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, api::ListParams};
use protection::{
    Problem, Selection, code,
    selection::{SelectionFields, is_label_key},
};
use resources::{BackupHook, BackupHookSpec, BackupSpec, NamespacedName};
use tokio_util::sync::CancellationToken;
use volumes::{
    CutPlan,
    decide::{Method, Policy, decide_all, plan_groups},
    hooks::{BackupRun, PodFacts, backup_targets, observe_pods},
};

impl Run {
    pub(super) async fn prepare(&mut self) -> Result<(), StepError> {
        self.stage(Step::Prepare).await?;
        let spec = self.latest.borrow().spec.clone();
        let client = self.context.client.clone();
        let selection = selection(&spec, &self.context.config.namespace)?;
        let claims =
            capture::claims(&client, &selection, &capture::Budget::default(), &CancellationToken::new())
                .await?;
        checks::gate_backup(&self.context, &self.purpose(), &spec, &claims.claims).await?;
        let storage = volumes::observe_storage(&client).await?;
        let decisions = decide_all(claims.claims, &storage, &policy(&spec));
        let mut problems: Vec<Problem> = decisions
            .iter()
            .filter_map(|decision| match &decision.method {
                Method::NotProtected(why) => Some(why.problem(&decision.claim)),
                Method::Snapshot(_) | Method::FileCopy => None,
            })
            .collect();
        let taken = taken_namespaces(&client, &selection).await?.len();
        problems.extend(too_many(taken, spec.most_namespaces));
        let groups = if spec.volume_group_label.is_empty() {
            Vec::new()
        } else {
            let neighbours = volumes::observe_neighbours(&client, &spec.volume_group_label).await?;
            let (groups, fell_back) =
                plan_groups(&decisions, &spec.volume_group_label, &storage, &neighbours);
            problems.extend(fell_back);
            groups
        };
        let cut =
            CutPlan { requests: volumes::requests(&decisions), groups, group_api: storage.groups.clone() };
        let (runs, unreadable) = hook_runs(&client, &spec.backup_hook_references, &selection).await?;
        problems.extend(unreadable);
        self.open_writer().await?;
        let session = self.session.as_mut().ok_or_else(|| internal("no attempt has begun"))?;
        session.problems.extend(problems);
        session.attempt.hooks = if runs.is_empty() { Hooks::None } else { Hooks::NotOurTurn };
        session.attempt.copies_left =
            decisions.iter().any(|decision| matches!(decision.method, Method::FileCopy));
        session.attempt.prepared = true;
        session.prepared = Some(Prepared { selection, decisions, cut, runs });
        Ok(())
    }

    /// Takes the repository's lock, which others may hold, and the store, which may be away: nothing is frozen yet.
    async fn open_writer(&mut self) -> Result<(), StepError> {
        let job = engine::Job {
            budget: engine::Budget::with_memory(self.context.config.memory / 4 * 3),
            ..engine::Job::new(self.context.clock.clone())
        };
        let session = self.session()?;
        if session.writer.is_none() {
            let location = session.location.as_ref().ok_or_else(|| internal("no location is open"))?;
            // A task of its own: whoever is interrupted here must not leave a lock that nobody gives back.
            let repo = location.repo.clone();
            let started = tokio::spawn(async move { engine::Writer::start(&repo, job).await }).await;
            let started = started.map_err(|error| internal(&format!("the writer did not start: {error}")))?;
            session.writer = Some(started?);
            session.attempt.capture = Work::Locked;
        }
        Ok(())
    }
}

/// The parsed filters of a backup. Every field that is a matter of grammar alone is judged here.
pub(crate) fn selection(spec: &BackupSpec, namespace: &str) -> Result<Selection, StepError> {
    let fields = SelectionFields {
        included_namespaces: &spec.included_namespaces,
        excluded_namespaces: &spec.excluded_namespaces,
        included_resource_types: &spec.included_resource_types,
        excluded_resource_types: &spec.excluded_resource_types,
        label_selectors: &spec.label_selectors,
        include_cluster_scope_resources: spec.include_cluster_scope_resources,
    };
    let selection = Selection::parse(&fields, namespace).map_err(|errors| not_valid(errors.to_string()))?;
    match spec.volume_group_label.as_str() {
        label if label.is_empty() || is_label_key(label) => Ok(selection),
        label => Err(not_valid(format!("volumeGroupLabel: `{label}` is not a label key"))),
    }
}

fn not_valid(what: String) -> StepError {
    StepError::Permanent(
        Problem::error(code::SELECTION_INVALID, what)
            .fix("Create another Backup object with the corrected value; a spec cannot be changed."),
    )
}

fn policy(spec: &BackupSpec) -> Policy {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Policy {
        snapshot_volumes: spec.snapshot_volumes,
        included_types: spec.included_volume_types.clone(),
        file_copy: spec.file_copy_volumes,
        group_label: given(&spec.volume_group_label),
        resource_group: given(&spec.snapshot_resource_group),
        classes: std::collections::BTreeMap::new(),
    }
}

/// The hooks' commands in the pods that the backup selects. A hook that does not exist fails the backup before
/// anything has happened: whoever asked for it relies on it.
pub(super) async fn hook_runs(
    client: &Client,
    references: &[NamespacedName],
    selection: &Selection,
) -> Result<(Vec<BackupRun>, Vec<Problem>), StepError> {
    if references.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let hooks = read_hooks(client, references).await?;
    let pods = selected_pods(client, selection).await?;
    Ok(backup_targets(&hooks, &pods))
}

pub(crate) async fn read_hooks(
    client: &Client,
    references: &[NamespacedName],
) -> Result<Vec<(NamespacedName, BackupHookSpec)>, StepError> {
    let mut hooks = Vec::new();
    for reference in references {
        let api: Api<BackupHook> = Api::namespaced(client.clone(), &reference.namespace);
        let tried = format!("read backup hook {}/{}", reference.namespace, reference.name);
        match api.get_opt(&reference.name).await {
            Ok(Some(hook)) => hooks.push((reference.clone(), hook.spec)),
            Ok(None) => {
                return Err(StepError::Permanent(
                    Problem::error(
                        code::HOOK_NOT_FOUND,
                        format!("There is no backup hook {}/{}.", reference.namespace, reference.name),
                    )
                    .fix("Create the hook, or leave it out of backupHookReferences."),
                ));
            }
            Err(error) => return Err(StepError::api(&tried, &error)),
        }
    }
    Ok(hooks)
}

async fn selected_pods(client: &Client, selection: &Selection) -> Result<Vec<PodFacts>, StepError> {
    let mut pods = Vec::new();
    for namespace in taken_namespaces(client, selection).await? {
        pods.extend(observe_pods(client, &namespace).await?);
    }
    pods.retain(|pod| selection.labels.matches(|key| pod.labels.get(key).map(String::as_str)));
    Ok(pods)
}

/// The namespaces that there are and that the filters select.
pub(crate) async fn taken_namespaces(
    client: &Client,
    selection: &Selection,
) -> Result<Vec<String>, StepError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let listed = namespaces
        .list_metadata(&ListParams::default())
        .await
        .map_err(|error| StepError::api("list the namespaces", &error))?;
    let names = listed.items.iter().map(ResourceExt::name_any);
    Ok(names.filter(|name| selection.namespaces.selects(name)).collect())
}

/// More namespaces than are supported. What there is of them is backed up all the same: less would help nobody.
pub(crate) fn too_many(taken: usize, most: u32) -> Option<Problem> {
    if u32::try_from(taken).is_ok_and(|taken| taken <= most) {
        return None;
    }
    let message = format!("The backup takes {taken} namespaces; at most {most} are supported.");
    Some(Problem::warning(code::TOO_MANY_NAMESPACES, message).fix(
        "Name fewer in includedNamespaces, or leave some out, and protect the others by another backup instance with a policy \
         of its own.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_above_the_limit_are_told_of_however_they_were_selected() {
        let all = selection(&BackupSpec::default(), "extension").unwrap();
        let names: Vec<String> = (0..802).map(|number| format!("n{number}")).collect();
        let system = ["kube-system".to_owned(), "extension".to_owned()];
        let taken = names.iter().chain(&system).filter(|name| all.namespaces.selects(name)).count();

        let problem = too_many(taken, BackupSpec::default().most_namespaces).unwrap();

        assert_eq!(problem.code, "UserErrorTooManyNamespaces");
        assert!(problem.message.contains("802 namespaces; at most 800"), "{}", problem.message);
        assert_eq!(problem.severity, protection::Severity::Warning);
        assert!(too_many(800, 800).is_none() && too_many(802, 1_000).is_none());
    }
}
