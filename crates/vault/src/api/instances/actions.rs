//! What can be done with an instance: back up now, stop, suspend, resume, sync, undelete.

use super::{InstanceRecord, ProtectionState, alone, deleted, guard::approvals, live, moved, vault_of_path};
use crate::{
    alerts::{self, Event, Rule},
    api::{
        Call, Failure, Loaded, extensions,
        guards::{self, Critical},
        jobs::{self, JobRecord, Managed, Task, manage},
        operation, policies, read,
        resource::TRIES,
    },
    protect::{
        expire, purge, schedule,
        start::{self, Occasion},
        sync as sync_work, validate,
    },
    reply::Reply,
    store::{Change, StoreError},
};
use arm::{ArmError, Fields, ResourceId};
use jiff::SignedDuration;

/// Backs up now.
pub async fn backup(call: &Call<'_>) -> Result<Reply, Failure> {
    again(|| backup_once(call)).await
}

async fn backup_once(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = live(call, call.scope()?).await?;
    let body = call.json()?;
    let options = Fields::of(&body)?.required_object("backupRuleOptions")?;
    let rule = options.required_text("ruleName")?.to_owned();
    let trigger = options.object("triggerOption")?;
    let tag = match &trigger {
        Some(trigger) => {
            trigger.text("retentionTagOverride")?.filter(|tag| !tag.is_empty()).map(str::to_owned)
        }
        None => None,
    };
    if !instance.document.state.can_back_up() {
        return Err(wrong_state(&instance, "be backed up").into());
    }
    let policy = &instance.document.instance.policy;
    let plan = policies::plan(call.app.store.as_ref(), policy).await?;
    let plan = plan.ok_or_else(|| ArmError::not_found(policy))?;
    if !plan.rule.eq_ignore_ascii_case(&rule) {
        let reason =
            format!("is '{rule}'; the backup rule of the policy '{}' is '{}'", policy.name(), plan.rule);
        return Err(options.wrong("ruleName", reason).into());
    }
    if let (Some(tag), Some(trigger)) = (&tag, &trigger)
        && plan.retention(tag).is_none()
    {
        let known = plan.retention.keys().cloned().collect::<Vec<_>>().join(", ");
        let reason = format!("is '{tag}'; the policy has the retention rules {known}");
        return Err(trigger.wrong("retentionTagOverride", reason).into());
    }
    let is_backup = |job: &JobRecord| matches!(job.task, Task::Backup { .. });
    check_rate(call, &instance.id, call.app.quotas.backups_a_day, "backups on demand", is_backup).await?;
    let cluster = &instance.document.instance.source.resource;
    let extension = extensions::backup_extension(call.app.store.as_ref(), cluster).await?;
    let Some(extension) = extension else {
        return Err(problem_error(&schedule::no_extension(cluster)).into());
    };
    let occasion = occasion(call, Some(plan.rule), tag);
    let (job, mut changes) = start::backup(&instance, &extension, occasion)?;
    changes.push(instance.write()?);
    begun(
        call,
        &instance.id,
        "Microsoft.DataProtection/backupVaults/backupInstances/backup/action",
        &job,
        changes,
    )
    .await
}

/// Each conflict means that another call got through, of which a day's limit lets so many and no more.
const TRIES_OF_COUNTED: usize = 100;

/// Begins what is counted. The instance is written back with it, unchanged: of several calls that each saw room for one more,
/// on whatever replicas, one gets through, and the others count again. Nor does anything begin for an instance that is stopped
/// or deleted at this moment.
pub async fn again<F: Future<Output = Result<Reply, Failure>>>(
    once: impl Fn() -> F,
) -> Result<Reply, Failure> {
    for _ in 1..TRIES_OF_COUNTED {
        match once().await {
            Err(Failure::Store(StoreError::Conflict(_))) => {}
            ended => return ended,
        }
    }
    once().await
}

/// A job that a person asked for, now.
pub fn occasion(call: &Call<'_>, rule: Option<String>, tag: Option<String>) -> Occasion {
    Occasion {
        name: uuid::Uuid::new_v4().to_string(),
        is_user_triggered: true,
        rule,
        tag,
        slot: None,
        now: call.now,
    }
}

/// Commits a job and answers with the operation that names it.
pub async fn begun(
    call: &Call<'_>,
    instance: &ResourceId,
    kind: &str,
    job: &ResourceId,
    mut changes: Vec<Change>,
) -> Result<Reply, Failure> {
    let mut ended = operation::finished(call, kind, instance);
    ended.result = Some(operation::of_job(job));
    changes.push(Change::Begin(ended.clone()));
    call.commit(&changes).await?;
    call.app.poke_work.notify_one();
    Ok(operation::accepted(call, &ended))
}

/// How often a person may have a kind of job begun in 24 hours.
pub async fn check_rate(
    call: &Call<'_>,
    instance: &ResourceId,
    most: usize,
    what: &str,
    counts: impl Fn(&JobRecord) -> bool,
) -> Result<(), Failure> {
    let since = call.now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(call.now);
    let mut number = 0_usize;
    for stored in call.app.store.resources_about(jobs::KIND, instance.as_str()).await? {
        let job: Loaded<JobRecord> = read(stored)?;
        let job = job.document;
        let mine = job.instance == *instance && job.is_user_triggered && job.started_at >= since;
        number += usize::from(mine && counts(&job));
    }
    if number < most {
        return Ok(());
    }
    let message =
        format!("The instance had {number} {what} in the last 24 hours; {most} is the limit. Try later.");
    Err(ArmError::new(429, "UserErrorMaxOnDemandOperationsReached", message).into())
}

/// Stops protection; what there is stays for ever.
pub async fn stop(call: &Call<'_>) -> Result<Reply, Failure> {
    change(call, Some(Critical::StopProtection), Managed::StopProtection, |instance| {
        match instance.document.state {
            ProtectionState::ProtectionConfigured
            | ProtectionState::BackupSchedulesSuspended
            | ProtectionState::ProtectionError
            | ProtectionState::ProtectionStopped => Ok(ProtectionState::ProtectionStopped),
            _ => Err(wrong_state(instance, "be stopped")),
        }
    })
    .await
}

/// Stops backups; what there is goes on to expire.
pub async fn suspend(call: &Call<'_>) -> Result<Reply, Failure> {
    change(call, Some(Critical::SuspendBackups), Managed::SuspendBackups, |instance| {
        match instance.document.state {
            ProtectionState::ProtectionConfigured
            | ProtectionState::ProtectionError
            | ProtectionState::BackupSchedulesSuspended => Ok(ProtectionState::BackupSchedulesSuspended),
            _ => Err(wrong_state(instance, "be suspended")),
        }
    })
    .await
}

/// Goes on after protection was stopped.
pub async fn resume_protection(call: &Call<'_>) -> Result<Reply, Failure> {
    resume(call, Managed::ResumeProtection).await
}

/// Goes on after backups were suspended.
pub async fn resume_backups(call: &Call<'_>) -> Result<Reply, Failure> {
    resume(call, Managed::ResumeBackups).await
}

/// Goes on with backups. What could not be protected is looked at again first, for its owner says that it is mended.
async fn resume(call: &Call<'_>, operation: Managed) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let mut instance = live(call, call.scope()?).await?;
        instance.document.state = match instance.document.state {
            ProtectionState::ProtectionError => ProtectionState::UpdatingProtection,
            ProtectionState::ConfiguringProtectionFailed => ProtectionState::ConfiguringProtection,
            _ => return resume_schedule(call, operation).await,
        };
        instance.document.next = ProtectionState::ProtectionConfigured;
        let begun = operation::begin(call, &call.operation.needs.action(""), &instance.id);
        let (job, made) = manage::begun(&instance.id, &instance.document, operation, call.now)?;
        let changes = [
            instance.write()?,
            Change::Begin(begun.clone()),
            validate::configure(&instance.id, &begun.id, &job, call.now),
            made,
        ];
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(operation::accepted(call, &begun));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

async fn resume_schedule(call: &Call<'_>, operation: Managed) -> Result<Reply, Failure> {
    change(call, None, operation, |instance| match instance.document.state {
        ProtectionState::ProtectionStopped
        | ProtectionState::BackupSchedulesSuspended
        | ProtectionState::ProtectionConfigured => Ok(ProtectionState::ProtectionConfigured),
        _ => Err(wrong_state(instance, "be resumed")),
    })
    .await
}

/// Moves an instance to another state, and its schedule with it.
async fn change(
    call: &Call<'_>,
    guard: Option<Critical>,
    what: Managed,
    to: impl Fn(&Loaded<InstanceRecord>) -> Result<ProtectionState, ArmError>,
) -> Result<Reply, Failure> {
    if let Some(critical) = guard {
        guards::check(call, &vault_of_path(call)?, critical, &approvals(call)?).await?;
    }
    for _ in 0..TRIES {
        let instance = live(call, call.scope()?).await?;
        let state = to(&instance)?;
        let (moved, put) = moved(&instance, state)?;
        let ended = operation::finished(call, &call.operation.needs.action(""), &moved.id);
        let mut changes = vec![put, Change::Begin(ended.clone())];
        changes.push(manage::done(&moved.id, &moved.document, what, call.now)?);
        if state.is_scheduled() {
            changes
                .extend(alerts::instance_returns(call.app, Rule::BackupsStopped, &moved.id, call.now).await?);
        } else if instance.document.state.is_scheduled() {
            let text = format!(
                "Scheduled backups of '{}' were stopped: {}.",
                moved.document.instance.friendly_name,
                state.text()
            );
            let event = Event::of_call(call, Rule::BackupsStopped, &vault_of_path(call)?, &moved.id, text);
            changes.extend(alerts::fire(call.app, event, call.now).await?);
        }
        if state.is_scheduled() {
            changes.push(Change::AddWork(schedule::work(&moved.id, call.now)));
            changes.push(Change::AddWork(expire::work(&moved.id, call.now)));
        } else {
            changes.push(Change::Drop(schedule::work_id(&moved.id)));
        }
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(operation::accepted(call, &ended));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// Has the instance looked at as it really is, and its schedule and retention too. Who asks while that is under way is told
/// how it ends: a look more would see the same.
pub async fn sync(call: &Call<'_>) -> Result<Reply, Failure> {
    again(|| sync_once(call)).await
}

async fn sync_once(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = live(call, call.scope()?).await?;
    let mut force = false;
    if let Some(body) = call.optional_json()? {
        let fields = Fields::of(&body)?;
        let kind = fields.text("syncType")?.unwrap_or("Default");
        if !["Default", "ForceResync"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return Err(fields
                .wrong("syncType", format!("is '{kind}'; known are Default and ForceResync"))
                .into());
        }
        force = kind.eq_ignore_ascii_case("ForceResync");
    }
    if let Some(running) = sync_work::running(call.app.store.as_ref(), &instance.id, force).await? {
        return operation::join(call, &running).await;
    }
    let begun = operation::begin(call, &call.operation.needs.action(""), &instance.id);
    let (job, made) = manage::begun(&instance.id, &instance.document, Managed::SyncProtection, call.now)?;
    let changes = [
        // Of two that come at once one gets through, and the other joins it.
        instance.write()?,
        Change::Begin(begun.clone()),
        made,
        sync_work::begin(&instance.id, &begun.id, &job, force, call.now)?,
        Change::AddWork(schedule::work(&instance.id, call.now)),
        Change::AddWork(expire::work(&instance.id, call.now)),
        Change::Hurry(schedule::work_id(&instance.id), call.now),
        Change::Hurry(expire::work_id(&instance.id), call.now),
    ];
    call.commit(&changes).await?;
    call.app.poke_work.notify_one();
    Ok(operation::accepted(call, &begun))
}

/// Brings a deleted instance back. It stays stopped until it is resumed, as in the original.
pub async fn undelete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let mut instance = deleted(call).await?;
        let is_over = instance.document.deletion.as_ref().is_some_and(|one| one.purge_at <= call.now);
        if instance.document.state != ProtectionState::SoftDeleted || is_over {
            return Err(wrong_state(&instance, "be undeleted").into());
        }
        let written = &instance.document.instance;
        let (store, cluster) = (call.app.store.as_ref(), &written.source.resource);
        let turn = alone::Turn::begin(store, &start::vault_of(&instance.id)?, cluster).await?;
        if let Some(twin) = alone::twin(store, cluster, &written.policy, Some(&instance.id)).await? {
            return Err(alone::refusal(&twin, cluster, &written.policy).into());
        }
        instance.document.state = ProtectionState::ProtectionStopped;
        instance.document.deletion = None;
        let ended = operation::finished(call, &call.operation.needs.action(""), &instance.id);
        let mut changes = vec![
            instance.write()?,
            Change::Drop(purge::work_id(&instance.id)),
            Change::Begin(ended.clone()),
            turn.take(),
        ];
        changes.push(manage::done(&instance.id, &instance.document, Managed::UndeleteProtection, call.now)?);
        changes
            .extend(alerts::instance_returns(call.app, Rule::UpcomingPurge, &instance.id, call.now).await?);
        match call.commit(&changes).await {
            Ok(()) => return Ok(operation::accepted(call, &ended)),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// An instance's state that does not allow what was asked for.
pub fn wrong_state(instance: &Loaded<InstanceRecord>, what: &str) -> ArmError {
    let message = format!(
        "The backup instance '{}' cannot {what} while it is in the state {}.",
        instance.id.name(),
        instance.document.state.text()
    );
    ArmError::new(409, "UserErrorBackupInstanceInvalidState", message).about(instance.id.as_str())
}

/// A problem as the error of a call.
pub fn problem_error(problem: &protection::Problem) -> ArmError {
    let status = match problem.code.as_str() {
        "UserErrorTrustedAccessGatewayReturnedForbidden" => 403,
        "ResourceNotFound" => 404,
        _ => 400,
    };
    let mut error = ArmError::new(status, problem.code.clone(), problem.message.clone());
    error.target = problem.target.clone();
    let actions = serde_json::json!({"recommendedAction": problem.recommended_action});
    error.additional_info =
        vec![arm::error::AdditionalInfo { kind: "recommendedAction".to_owned(), info: actions }];
    error
}
