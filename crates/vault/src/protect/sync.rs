//! Looks at a protected instance as it really is: whether the vault gets into its cluster, how the extension is there, which
//! backups the cluster knows, and whether the recovery points of the catalogue are in the repository. What differs becomes
//! the state of the instance, or a warning of the job. Source: `SyncBackupInstanceRequest`.

mod compare;

use super::{
    checks, custom_resource,
    decide::Seen,
    expire, late,
    reach::{Reach, reach},
    schedule, validate, vault,
};
use crate::{
    api::{
        Loaded,
        extensions::{self, ExtensionRecord},
        instances::{InstanceRecord, ProtectionState},
        jobs::{JobRecord, JobStatus, manage},
        load, operation,
    },
    app::App,
    store::{Change, Store, StoreError, Work},
    work::{Answered, Step},
};
use arm::{ArmError, ResourceId};
use identity::required::Purpose;
use jiff::{SignedDuration, Timestamp};
use protection::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "sync";
const POLL: SignedDuration = SignedDuration::from_millis(500);
/// For so long a cluster that cannot be reached is tried again.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// Custom resources that are looked at.
const MOST_OBJECTS: usize = 200;

/// What is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    operation: String,
    job: ResourceId,
    /// The cluster's own checks too.
    force: bool,
    at: Timestamp,
}

/// The change that has an instance looked at. With `force` the cluster looks at all its prerequisites again.
pub fn begin(
    instance: &ResourceId,
    operation: &str,
    job: &ResourceId,
    force: bool,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let asked = Asked { operation: operation.to_owned(), job: job.clone(), force, at: now };
    let document = serde_json::to_value(asked).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Change::AddWork(Work::new(work_id(instance, force), KIND, instance.clone(), now, document)))
}

/// The id of the operation that looks at an instance now, at least as closely as is asked for.
pub async fn running(
    store: &dyn Store,
    instance: &ResourceId,
    force: bool,
) -> Result<Option<String>, StoreError> {
    let closely: &[bool] = if force { &[true] } else { &[false, true] };
    for force in closely {
        if let Some(work) = store.work(&work_id(instance, *force)).await? {
            return asked(&work).map(|asked| Some(asked.operation));
        }
    }
    Ok(None)
}

/// Of each kind one is under way for an instance.
fn work_id(instance: &ResourceId, force: bool) -> String {
    let kind = if force { "resync" } else { KIND };
    format!("{kind} {}", instance.folded())
}

fn asked(work: &Work) -> Result<Asked, StoreError> {
    serde_json::from_value(work.document.clone())
        .map_err(|error| StoreError::Damaged(format!("work {}: {error}", work.id)))
}

/// One step.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let asked = asked(work)?;
    let instance: Option<Loaded<InstanceRecord>> = load(app.store.as_ref(), &work.target).await?;
    let instance = instance.filter(|one| !one.document.state.is_deleted());
    let of = match work.target.parent() {
        Some(id) => vault::find(app.store.as_ref(), &id).await?,
        None => None,
    };
    let (Some(instance), Some(of)) = (instance, of) else {
        let error = operation::failed(&ArmError::not_found(&work.target));
        let mut changes = vec![Change::End(asked.operation, error, app.clock.now())];
        changes.extend(manage::ended(app, &asked.job, JobStatus::Cancelled, &[], &[]).await?);
        return Ok(Step::Done(changes));
    };
    let written = &instance.document.instance;
    let (vault_id, cluster) = (of.id.clone(), &written.source.resource);
    let of = of.acting_as(written.identity.as_ref());
    let facts = checks::gather(
        app,
        Purpose::Backup { vault_tier: false },
        &of,
        cluster,
        Some(&written.snapshot_group),
        None,
    )
    .await?;
    let mut found = Found { problems: checks::judge(&facts), ..Found::default() };
    let extension = extensions::backup_extension(app.store.as_ref(), cluster).await?;
    let way = reach(app, &vault_id, cluster).await?;
    if let (Ok(way), Some(extension)) = (way, &extension) {
        found.warnings.extend(reported(&extension.document));
        let waited = app.clock.now().duration_since(asked.at);
        match in_cluster(app, &way, &instance, &extension.document.namespace, &asked, waited).await? {
            Some(seen) => found.add(seen),
            None => return Ok(again(app, work)),
        }
    }
    found.add(compare::points(app, &vault_id, &instance, extension.as_ref()).await?);
    finish(app, &asked, instance, found).await
}

/// What differs from what should be.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What keeps the instance from being protected.
    pub problems: Vec<Problem>,
    /// What does not.
    pub warnings: Vec<Problem>,
    /// Counts, for people.
    pub details: Vec<(String, String)>,
    /// What follows at once.
    pub changes: Vec<Change>,
}

impl Found {
    fn add(&mut self, other: Self) {
        let is_new = |problem: &Problem| !self.problems.iter().any(|known| known.code == problem.code);
        let new: Vec<Problem> = other.problems.into_iter().filter(is_new).collect();
        self.problems.extend(new);
        self.warnings.extend(other.warnings);
        self.details.extend(other.details);
        self.changes.extend(other.changes);
    }
}

/// What the agent says of an extension that is installed: pods that crash, for example.
fn reported(extension: &ExtensionRecord) -> Vec<Problem> {
    let text =
        |status: &Value, name: &str| status.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let grave =
        extension.statuses.iter().filter(|one| ["Error", "Warning"].contains(&text(one, "level").as_str()));
    grave
        .map(|one| {
            Problem::warning(&text(one, "code"), format!("The extension reports: {}", text(one, "message")))
        })
        .collect()
}

/// What the cluster itself says; nothing while it has not answered yet.
async fn in_cluster(
    app: &App,
    way: &Reach,
    instance: &Loaded<InstanceRecord>,
    namespace: &str,
    asked: &Asked,
    waited: SignedDuration,
) -> Result<Option<Found>, StoreError> {
    let path = format!("{}?limit={MOST_OBJECTS}", custom_resource::collection(namespace, "backups"));
    let mut found = Found::default();
    let listed = match way.list(app, path).await {
        Ok(listed) => listed,
        Err(Seen::Unreachable(_)) if waited < PATIENCE => return Ok(None),
        Err(seen) => {
            found.problems.push(validate::not_seen(&seen));
            return Ok(Some(found));
        }
    };
    found.add(backups(app, instance, &listed).await?);
    // What only the cluster saw to be wrong is not right before it says so.
    let is_in_error = matches!(
        instance.document.state,
        ProtectionState::ProtectionError | ProtectionState::ConfiguringProtectionFailed
    );
    let question = validate::of_written(app, instance, &asked.operation, asked.at);
    if let (true, Some(question)) = (asked.force || is_in_error, question.filter(|one| !one.shallow)) {
        match validate::ask(app, way, namespace, &question).await {
            validate::Asked::Pending => return Ok(None),
            validate::Asked::Answered(problems) => found.problems.extend(problems),
        }
    }
    Ok(Some(found))
}

/// The cluster's backups of this instance beside the vault's jobs: one that ended well after its job was given up is looked
/// after now, and not only at the next look.
async fn backups(app: &App, instance: &Loaded<InstanceRecord>, listed: &Value) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let items = listed.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let Some(vault) = instance.id.parent() else { return Ok(found) };
    let (mut number, mut late) = (0_usize, 0_usize);
    for item in items.iter().take(MOST_OBJECTS) {
        let name = item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let Ok(id) = vault.child("backupJobs", name) else { continue };
        let job: Option<Loaded<JobRecord>> = load(app.store.as_ref(), &id).await?;
        let Some(job) = job.filter(|job| job.document.instance == instance.id) else { continue };
        number = number.saturating_add(1);
        let has_point = custom_resource::status(item).point.is_some();
        if job.document.status == JobStatus::Failed && has_point {
            late = late.saturating_add(1);
            found.changes.extend(late::look_now(&job.id, app.clock.now()));
        }
    }
    found.details.push(("BackupsInCluster".to_owned(), number.to_string()));
    if late > 0 {
        let message = format!(
            "{late} backups ended in the cluster after their jobs had been given up; their recovery points are taken into the catalogue."
        );
        found.warnings.push(Problem::warning("BackupEndedLate", message));
    }
    Ok(found)
}

async fn finish(
    app: &App,
    asked: &Asked,
    mut instance: Loaded<InstanceRecord>,
    found: Found,
) -> Result<Step, StoreError> {
    let now = app.clock.now();
    let Found { problems, warnings, details, mut changes } = found;
    let before = instance.document.clone();
    let state = synced(before.state, problems.is_empty());
    if let Some(state) = state {
        instance.document.state = state;
        instance.document.problems.clone_from(&problems);
    }
    if instance.document != before {
        changes.push(instance.write()?);
    }
    if instance.document.is_scheduled() && !before.is_scheduled() {
        changes.push(Change::AddWork(schedule::work(&instance.id, now)));
        changes.push(Change::AddWork(expire::work(&instance.id, now)));
    }
    let is_clean = problems.is_empty() && warnings.is_empty();
    let status = if is_clean { JobStatus::Completed } else { JobStatus::CompletedWithWarnings };
    let told: Vec<Problem> = problems.into_iter().chain(warnings).collect();
    let mut facts = details;
    facts.push((manage::STATE.to_owned(), instance.document.state.text().to_owned()));
    changes.extend(manage::ended(app, &asked.job, status, &told, &facts).await?);
    changes.push(Change::End(
        asked.operation.clone(),
        operation::succeeded(operation::of_job(&asked.job)),
        now,
    ));
    Ok(Step::Done(changes))
}

/// The state of an instance after a look; nothing where a look says nothing about it: what rests goes on resting, and what
/// is being looked at after a change waits for that.
fn synced(state: ProtectionState, is_well: bool) -> Option<ProtectionState> {
    use ProtectionState::{ConfiguringProtectionFailed, ProtectionConfigured, ProtectionError};
    match (state, is_well) {
        (ProtectionConfigured | ProtectionError | ConfiguringProtectionFailed, true) => {
            Some(ProtectionConfigured)
        }
        (ProtectionConfigured | ProtectionError, false) => Some(ProtectionError),
        (ConfiguringProtectionFailed, false) => Some(ConfiguringProtectionFailed),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use super::{ProtectionState as State, synced};

    #[test]
    fn a_look_moves_what_is_protected_and_wakes_nothing_that_rests() {
        let table = [
            (State::ProtectionConfigured, true, Some(State::ProtectionConfigured)),
            (State::ProtectionConfigured, false, Some(State::ProtectionError)),
            (State::ProtectionError, true, Some(State::ProtectionConfigured)),
            (State::ConfiguringProtectionFailed, true, Some(State::ProtectionConfigured)),
            (State::ConfiguringProtectionFailed, false, Some(State::ConfiguringProtectionFailed)),
            (State::ProtectionStopped, true, None),
            (State::BackupSchedulesSuspended, false, None),
            (State::UpdatingProtection, true, None),
        ];

        for (state, is_well, expected) in table {
            assert_eq!(synced(state, is_well), expected, "{state:?} {is_well}");
        }
    }
}
