//! Looks whether a backup or a restore can succeed: first at what the vault itself can see, then through a custom
//! resource at what only the cluster can see. All that is wrong is told at once.

use super::{
    checks,
    custom_resource::{self, Status},
    decide::Seen,
    expire,
    prerequisites::own,
    reach::{Reach, reach},
    schedule, vault,
};
use crate::{
    api::{
        Loaded,
        extensions::{self, ExtensionRecord},
        instances::{InstanceRecord, ProtectionState, twin},
        jobs::{JobStatus, manage},
        load, operation,
    },
    app::App,
    cluster_link::{ClusterRequest, LinkError},
    store::{Change, Store, StoreError, Work},
    work::{Answered, Step},
};
use arm::{ArmError, ResourceId};
use identity::{required::Purpose, stores::NOT_ENFORCED};
use jiff::{SignedDuration, Timestamp};
use protection::{Problem, code};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "validate";
const POLL: SignedDuration = SignedDuration::from_millis(500);
/// How long a cluster may take for its own checks.
const WITHIN: SignedDuration = SignedDuration::from_mins(5);

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The operation that waits for the answer.
    pub operation: String,
    /// The vault.
    pub vault: ResourceId,
    /// The cluster that is backed up, or restored to.
    pub cluster: ResourceId,
    /// Where snapshots are; none for a restore after that group was deleted.
    pub snapshot_group: Option<ResourceId>,
    /// The container from which is restored, where it is another cluster's place; its account, where no more is known.
    #[serde(default, alias = "sourceAccount")]
    pub source_store: Option<ResourceId>,
    /// `ValidateForBackup` or `ValidateForRestore`.
    pub kind: String,
    /// The `spec` of that custom resource.
    pub spec: Value,
    /// The instance whose state follows from the answer.
    pub instance: Option<ResourceId>,
    /// The user-assigned identity by which the vault acts, where the instance names one.
    #[serde(default)]
    pub identity: Option<ResourceId>,
    /// The job that tells how it ended.
    #[serde(default)]
    pub job: Option<ResourceId>,
    /// Only what is known outside the cluster is looked at.
    #[serde(default)]
    pub shallow: bool,
    /// The policy by which the cluster shall be protected, where no other instance may protect it by that one.
    #[serde(default)]
    pub policy: Option<ResourceId>,
    /// The instance that is there already, when it is asked about.
    #[serde(default)]
    pub about: Option<ResourceId>,
    /// When it was asked.
    pub asked_at: Timestamp,
}

/// The question that an operation waits for, while it does.
pub async fn question(store: &dyn Store, operation: &str) -> Result<Option<Question>, StoreError> {
    let Some(work) = store.work(&id_of(operation)).await? else { return Ok(None) };
    // One about an instance that was written says so, and is made up anew at each step.
    Ok(serde_json::from_value(work.document).ok())
}

fn id_of(operation: &str) -> String {
    format!("validate {operation}")
}

/// The work that answers a question.
pub fn work(question: &Question, now: Timestamp) -> Result<Work, StoreError> {
    Ok(Work::new(
        id_of(&question.operation),
        KIND,
        question.instance.clone().unwrap_or_else(|| question.vault.clone()),
        now,
        serde_json::to_value(question).map_err(|error| StoreError::Damaged(error.to_string()))?,
    ))
}

/// The change that has an instance looked at after it was written.
pub fn configure(instance: &ResourceId, operation: &str, job: &ResourceId, now: Timestamp) -> Change {
    Change::AddWork(Work::new(
        id_of(operation),
        KIND,
        instance.clone(),
        now,
        json!({"configure": operation, "askedAt": now, "job": job}),
    ))
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let question = match work.document.get("configure").and_then(Value::as_str) {
        None => serde_json::from_value(work.document.clone())
            .map_err(|error| StoreError::Damaged(format!("work {}: {error}", work.id)))?,
        Some(begun) => {
            let asked_at = work.document.get("askedAt").and_then(|at| at.as_str()?.parse().ok());
            let asked_at = asked_at.unwrap_or(app.clock.now());
            let job: Option<ResourceId> = work.document.get("job").and_then(|job| job.as_str()?.parse().ok());
            match of_instance(app, &work.target, begun, asked_at).await? {
                Some(question) => Question { job, ..question },
                None => {
                    // It was deleted meanwhile; whoever follows the operation is told.
                    let error = ArmError::not_found(&work.target);
                    let end = Change::End(begun.to_owned(), operation::failed(&error), app.clock.now());
                    let mut changes = vec![end];
                    if let Some(job) = &job {
                        changes.extend(manage::ended(app, job, JobStatus::Cancelled, &[], &[]).await?);
                    }
                    return Ok(Step::Done(changes));
                }
            }
        }
    };
    let mut problems = Vec::new();
    let Some(of) = vault::find(app.store.as_ref(), &question.vault).await? else {
        let error = ArmError::not_found(&question.vault);
        let end = Change::End(question.operation, operation::failed(&error), app.clock.now());
        return Ok(Step::Done(vec![end]));
    };
    let of = of.acting_as(question.identity.as_ref());
    let group = question.snapshot_group.as_ref();
    let source = question.source_store.as_ref();
    let purpose = match question.kind.as_str() {
        "ValidateForRestore" => Purpose::Restore { vault_tier: false },
        _ => Purpose::Backup { vault_tier: false },
    };
    let mut facts = checks::gather(app, purpose, &of, &question.cluster, group, source).await?;
    if let Some(policy) = &question.policy {
        let twin = twin(app.store.as_ref(), &question.cluster, policy, question.about.as_ref()).await?;
        facts.twin = twin.map(|twin| (policy.clone(), twin));
    }
    problems.extend(checks::judge(&facts));
    // What the cluster itself can see is asked for wherever it can be reached at all.
    let way = reach(app, &question.vault, &question.cluster).await?;
    let extension = extensions::backup_extension(app.store.as_ref(), &question.cluster).await?;
    let warnings = warnings(&question, extension.as_ref());
    if let (Ok(way), Some(extension), false) = (way, extension, question.shallow) {
        match ask(app, &way, &extension.document.namespace, &question).await {
            Asked::Pending => return Ok(again(app, work)),
            Asked::Answered(more) => problems.extend(more),
        }
    }
    answer(app, &question, problems, &warnings).await
}

/// What hinders nothing and should be known to whoever is about to protect a cluster.
fn warnings(question: &Question, extension: Option<&Loaded<ExtensionRecord>>) -> Vec<Problem> {
    let extension = extension.filter(|_| question.kind == "ValidateForBackup");
    let unenforced = extension.and_then(|extension| {
        let message = extensions::unenforced(&extension.document)?;
        Some(Problem::warning(NOT_ENFORCED, message).about(extension.id.as_str()))
    });
    unenforced.into_iter().collect()
}

/// The question that a written instance is.
async fn of_instance(
    app: &App,
    id: &ResourceId,
    operation: &str,
    asked_at: Timestamp,
) -> Result<Option<Question>, StoreError> {
    let Some(instance): Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), id).await? else {
        return Ok(None);
    };
    Ok(of_written(app, &instance, operation, asked_at))
}

/// The question whether an instance as it is written can be backed up.
pub(super) fn of_written(
    app: &App,
    instance: &Loaded<InstanceRecord>,
    operation: &str,
    asked_at: Timestamp,
) -> Option<Question> {
    let (id, vault) = (&instance.id, instance.id.parent()?);
    let written = &instance.document.instance;
    Some(Question {
        operation: operation.to_owned(),
        vault,
        cluster: written.source.resource.clone(),
        snapshot_group: Some(written.snapshot_group.clone()),
        source_store: None,
        kind: "ValidateForBackup".to_owned(),
        spec: custom_resource::validation_of_backup(written, &instance.document.label, app.quotas.namespaces),
        instance: Some(id.clone()),
        identity: written.identity.clone(),
        job: None,
        shallow: written.is_shallow(),
        // That was found out as it was written.
        policy: None,
        about: None,
        asked_at,
    })
}

/// The name of the custom resource by which an operation is answered.
pub fn name_of(operation: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, operation.as_bytes()).to_string()
}

pub(super) enum Asked {
    Pending,
    Answered(Vec<Problem>),
}

pub(super) async fn ask(app: &App, way: &Reach, namespace: &str, question: &Question) -> Asked {
    let name = name_of(&question.operation);
    let plural = format!("{}s", question.kind.to_lowercase());
    let waited = app.clock.now().duration_since(question.asked_at);
    let path = custom_resource::path(namespace, &plural, &name);
    let seen = way.look(app, namespace, &plural, &name).await;
    match seen {
        Seen::Absent if waited < WITHIN => {
            let object = custom_resource::object(&question.kind, namespace, &name, &question.spec);
            match way.make(app, &plural, namespace, &object).await {
                // The cluster was lost between two requests; the next look finds what became of this one.
                Ok(()) | Err(Seen::Unreachable(_)) => Asked::Pending,
                Err(seen) => Asked::Answered(vec![not_seen(&seen)]),
            }
        }
        Seen::There(status)
            if ["Completed", "CompletedWithWarnings", "Failed"].contains(&status.phase.as_str()) =>
        {
            let found = match way.call(app, ClusterRequest::get(path.clone())).await {
                Ok(answer) => found_wrong(&answer.json(), &status),
                Err(LinkError::Refused) => {
                    vec![not_seen(&Seen::Refused { status: 403, message: LinkError::Refused.to_string() })]
                }
                Err(_) if waited < WITHIN => return Asked::Pending,
                Err(error) => vec![not_seen(&Seen::Unreachable(error.to_string()))],
            };
            if let Err(error) = way.call(app, ClusterRequest::delete(path)).await {
                tracing::debug!(%error, "a validation stays in the cluster");
            }
            Asked::Answered(found)
        }
        Seen::There(_) | Seen::Unreachable(_) if waited < WITHIN => Asked::Pending,
        Seen::There(_) | Seen::Absent => {
            let message = "The extension did not answer the validation in time.";
            Asked::Answered(vec![
                Problem::error("KubernetesBackupCustomResourcesTrackingTimeOutError", message)
                    .fix("See whether the extension's pods run; add a node or raise their limits."),
            ])
        }
        seen => Asked::Answered(vec![not_seen(&seen)]),
    }
}

pub(super) fn not_seen(seen: &Seen) -> Problem {
    let (code, message) = match seen {
        Seen::NotLetIn(problem) => return problem.clone(),
        Seen::Refused { status: 403, message } => (
            "UserErrorTrustedAccessGatewayReturnedForbidden",
            format!("The cluster refuses the vault: {message}"),
        ),
        Seen::Refused { status, message } => (
            "UserErrorKubernetesBackupExtensionHasErrors",
            format!("The cluster refused the validation ({status}): {message}"),
        ),
        Seen::Unreachable(why) => {
            ("UserErrorClusterNotConnected", format!("The cluster could not be asked: {why}"))
        }
        Seen::Absent | Seen::There(_) => {
            ("UserErrorKubernetesBackupExtensionUnhealthy", "The extension did not answer.".to_owned())
        }
    };
    Problem::error(code, message).fix("See whether the cluster's gateway and extension run.")
}

/// What a validation that ended found wrong. One that failed never passes for one that found nothing.
fn found_wrong(object: &Value, status: &Status) -> Vec<Problem> {
    let checks = failed_checks(object);
    if status.phase != "Failed" || !checks.is_empty() {
        return checks;
    }
    if !status.errors.is_empty() {
        return status.errors.clone();
    }
    let message = "The validation failed in the cluster without a reason.";
    vec![
        Problem::error("UserErrorKubernetesBackupExtensionHasErrors", message)
            .fix("Look at the log of the extension: kubectl logs deployment/cofferdam-extension."),
    ]
}

/// The checks that block, as problems. What could not be observed blocks nothing, and is not hidden either.
fn failed_checks(object: &Value) -> Vec<Problem> {
    let checks = object.pointer("/status/checks").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |check: &Value, name: &str| {
        check.get(name).and_then(Value::as_str).unwrap_or_default().chars().take(1_000).collect::<String>()
    };
    let failed =
        checks.iter().filter(|check| text(check, "result") == "Failed" && text(check, "severity") == "Block");
    failed
        .take(100)
        .map(|check| {
            let message = format!("{}: {}", text(check, "title"), text(check, "evidence"));
            // A check whose evidence begins with a documented code has it as its code.
            let evidence = text(check, "evidence");
            let code = evidence.split(':').next().filter(|word| word.starts_with("UserError"));
            let given = Some(text(check, "code")).filter(|code| !code.is_empty());
            let code = given.as_deref().or(code).unwrap_or(code::PREREQUISITE_NOT_MET);
            let problem = Problem::error(code, message).about(text(check, "id"));
            fixes(check).into_iter().fold(problem, Problem::fix)
        })
        .collect()
}

/// Every way to mend it; an extension before this version says them in one text.
fn fixes(check: &Value) -> Vec<String> {
    let short = |text: &str| text.chars().take(1_000).collect::<String>();
    let all = check.get("recommendedAction").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let all: Vec<String> = all.iter().filter_map(Value::as_str).take(10).map(short).collect();
    let one = check.get("fix").and_then(Value::as_str).filter(|fix| all.is_empty() && !fix.is_empty());
    all.into_iter().chain(one.map(short)).collect()
}

fn again(app: &App, work: &Work) -> Step {
    let now = app.clock.now();
    Step::Later {
        due_at: now.checked_add(POLL).unwrap_or(now),
        advanced: true,
        document: work.document.clone(),
        changes: Vec::new(),
    }
}

async fn answer(
    app: &App,
    question: &Question,
    problems: Vec<Problem>,
    warnings: &[Problem],
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let ending = match error_of(&problems) {
        None => operation::succeeded(operation::with_warnings(warnings)),
        Some(error) => operation::failed(&error),
    };
    let mut changes = vec![Change::End(question.operation.clone(), ending, now)];
    let mut state = Vec::new();
    if let Some(id) = &question.instance
        && let Some(mut instance) = load::<InstanceRecord>(app.store.as_ref(), id).await?
    {
        let record = &mut instance.document;
        let waits = matches!(
            record.state,
            ProtectionState::ConfiguringProtection | ProtectionState::UpdatingProtection
        );
        if waits {
            record.state = if problems.is_empty() { record.next } else { refused(record.state, record.next) };
            record.problems.clone_from(&problems);
            let now_in = record.state;
            state.push((manage::STATE.to_owned(), now_in.text().to_owned()));
            changes.push(instance.write()?);
            changes.push(Change::AddWork(expire::work(id, now)));
            if now_in.is_scheduled() {
                changes.push(Change::AddWork(schedule::work(id, now)));
                changes.push(Change::Hurry(schedule::work_id(id), now));
            }
        }
    }
    if let Some(job) = &question.job {
        let (status, told) = match problems.is_empty() {
            true => (JobStatus::Completed, warnings),
            false => (JobStatus::Failed, problems.as_slice()),
        };
        changes.extend(manage::ended(app, job, status, told, &state).await?);
    }
    Ok(Step::Done(changes))
}

/// The state of an instance whose written configuration was found wrong. One that rests goes on resting: neither its
/// schedule nor its retention begins again because a change of it failed.
fn refused(state: ProtectionState, next: ProtectionState) -> ProtectionState {
    use ProtectionState::{
        BackupSchedulesSuspended, ConfiguringProtection, ConfiguringProtectionFailed, ProtectionError,
        ProtectionStopped,
    };
    match (state, next) {
        (ConfiguringProtection, _) => ConfiguringProtectionFailed,
        (_, ProtectionStopped | BackupSchedulesSuspended) => next,
        _ => ProtectionError,
    }
}

/// The error of an operation: the first fault, and all of them in its details.
pub fn error_of(problems: &[Problem]) -> Option<ArmError> {
    let details: Vec<ArmError> = problems.iter().map(own::explained).collect();
    let first = details.first()?.clone();
    Some(ArmError { details, ..first })
}

#[cfg(test)]
mod tests {
    use super::{ProtectionState as State, refused};

    #[test]
    fn a_change_that_fails_does_not_wake_what_rests() {
        for rests in [State::ProtectionStopped, State::BackupSchedulesSuspended] {
            assert_eq!(refused(State::UpdatingProtection, rests), rests);
        }
        let configured = State::ProtectionConfigured;
        assert_eq!(refused(State::UpdatingProtection, configured), State::ProtectionError);
        assert_eq!(refused(State::ConfiguringProtection, configured), State::ConfiguringProtectionFailed);
    }
}
