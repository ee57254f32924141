//! Instances from PUT to DELETE.

use super::{
    Deletion, InstanceRecord, KIND, ProtectionState, alone, deleted,
    guard::APPROVALS,
    live,
    shown::{shown, shown_deleted},
    vault_of_path,
};
use crate::{
    alerts::{self, Event, Rule},
    api::{
        Call, Failure, Loaded,
        guards::{self, Critical},
        jobs::{Managed, manage},
        operation, points, policies,
        resource::{self, TRIES},
        tracked,
    },
    protect::{checks, purge, schedule, validate, vault},
    reply::Reply,
    store::{Change, Expected, StoreError},
};
use arm::{ArmError, Fields, ResourceId, instance::BackupInstance};
use jiff::SignedDuration;

const LONGEST_NAME: usize = 150;

pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let vault = call.scope()?;
    vault::existing(call, vault).await?;
    resource::page(call, KIND, vault, |stored| {
        let instance: Loaded<InstanceRecord> = resource::read(stored)?;
        let seen = !instance.document.state.is_deleted();
        Ok(seen.then(|| shown(&instance.id, &instance.document)))
    })
    .await
}

pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = live(call, call.scope()?).await?;
    Ok(Reply::json(200, shown(&instance.id, &instance.document)).with(http::header::ETAG, instance.etag()))
}

/// The instances that protect a cluster, asked for at the cluster.
pub async fn of_resource(call: &Call<'_>) -> Result<Reply, Failure> {
    let (cluster, subscription) = (call.scope()?, &call.subscription()?.id);
    resource::page(call, KIND, subscription, |stored| {
        let instance: Loaded<InstanceRecord> = resource::read(stored)?;
        let record = &instance.document;
        let seen = record.instance.source.resource == *cluster
            && !record.state.is_deleted()
            && call.may(super::READ, &instance.id);
        Ok(seen.then(|| shown(&instance.id, record)))
    })
    .await
}

/// Creates or changes an instance. What is asked for is looked at in the background, as the original does.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = call.scope()?;
    check_name(given.name())?;
    let owner = vault::existing(call, &vault_of_path(call)?).await?;
    let body = call.json()?;
    let fields = Fields::of(&body)?;
    let properties = fields.required_object("properties")?;
    let wanted = BackupInstance::read(&properties)?;
    let tags = fields.texts("tags")?;
    tags.as_ref().map_or(Ok(()), tracked::check_tags)?;
    check_identity(&owner, &wanted)?;
    check_namespaces(call, &wanted)?;
    call.may_linked(checks::READ_CLUSTER, &wanted.source.resource).await?;
    for _ in 0..TRIES {
        let owner = vault::existing(call, &owner.id).await?;
        resource::check_group(call, &owner.id).await?;
        check_policy(call, &owner.id, &wanted).await?;
        let found: Option<Loaded<InstanceRecord>> = resource::load(call.app.store.as_ref(), given).await?;
        resource::check_conditions(call, found.as_ref().map(|one| one.version))?;
        let mut more = Vec::new();
        let (id, record, expected, status, what) = match found {
            Some(before) => {
                let expected = Expected::Version(before.version);
                let record = changed(&before, wanted.clone(), tags.clone())?;
                let mut what = Managed::UpdateProtection;
                if before.document.instance.policy != wanted.policy {
                    let alone = check_alone(call, &owner.id, &wanted, Some(&before.id)).await?;
                    what = Managed::ChangePolicy;
                    if owner.facts.is_immutable {
                        check_retention(call, &before.document.instance.policy, &wanted.policy).await?;
                    }
                    guards::check(
                        call,
                        &owner.id,
                        Critical::UpdateInstance,
                        &properties.text_list(APPROVALS)?,
                    )
                    .await?;
                    more = shortened(call, &owner.id, &before, &wanted.policy).await?;
                    more.extend(alone);
                }
                (before.id, record, expected, 200, what)
            }
            None => {
                check_quota(call, &owner.id).await?;
                more.extend(check_alone(call, &owner.id, &wanted, None).await?);
                let most = call.app.quotas.instances;
                more.push(Change::AtMost { under: owner.id.clone(), kind: KIND, most });
                let id = owner
                    .id
                    .child("backupInstances", given.name())
                    .map_err(|error| ArmError::new(400, "InvalidResourceName", error.to_string()))?;
                let record = new(wanted.clone(), tags.clone().unwrap_or_default());
                (id, record, Expected::Absent, 201, Managed::ConfigureProtection)
            }
        };
        let begun =
            operation::begin(call, "Microsoft.DataProtection/backupVaults/backupInstances/write", &id);
        let (job, made) = manage::begun(&id, &record, what, call.now)?;
        let mut changes = vec![
            resource::put(&id, &record, expected)?,
            Change::Begin(begun.clone()),
            validate::configure(&id, &begun.id, &job, call.now),
            made,
        ];
        changes.extend(more);
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                let reply = Reply::json(status, shown(&id, &record));
                return Ok(operation::followed(call, reply, &begun, false));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(given.to_string()).into())
}

/// The alert of an instance whose new policy keeps for a shorter time.
async fn shortened(
    call: &Call<'_>,
    vault: &ResourceId,
    before: &Loaded<InstanceRecord>,
    policy: &ResourceId,
) -> Result<Vec<Change>, Failure> {
    let store = call.app.store.as_ref();
    let was = &before.document.instance.policy;
    let (Some(is), Some(will)) = (policies::plan(store, was).await?, policies::plan(store, policy).await?)
    else {
        return Ok(Vec::new());
    };
    let Some(tag) = will.shortens(&is) else { return Ok(Vec::new()) };
    let text = format!(
        "The backup instance '{}' has the policy '{}' instead of '{}'; recovery points with the tag '{tag}' live shorter.",
        before.document.instance.friendly_name,
        policy.name(),
        was.name()
    );
    let event = Event::of_call(call, Rule::ProtectionShortened, vault, &before.id, text);
    Ok(alerts::fire(call.app, event, call.now).await?)
}

fn new(instance: BackupInstance, tags: std::collections::BTreeMap<String, String>) -> InstanceRecord {
    InstanceRecord::new(instance, tags, format!("i{}", uuid::Uuid::new_v4().simple()))
}

/// What a PUT makes of an instance that is there.
fn changed(
    before: &Loaded<InstanceRecord>,
    wanted: BackupInstance,
    tags: Option<std::collections::BTreeMap<String, String>>,
) -> Result<InstanceRecord, ArmError> {
    let was = &before.document;
    if was.state.is_deleted() {
        let message = format!(
            "The backup instance '{}' is soft-deleted. Undelete it, or use another name.",
            before.id.name()
        );
        return Err(ArmError::new(409, "UserErrorBackupInstanceSoftDeleted", message));
    }
    if was.instance.source.resource != wanted.source.resource {
        let reason = format!(
            "is '{}', and the instance protects '{}'; make another instance",
            wanted.source.resource, was.instance.source.resource
        );
        return Err(ArmError::invalid_field("properties.dataSourceInfo.resourceID", reason));
    }
    let never_protected = matches!(
        was.state,
        ProtectionState::ConfiguringProtection | ProtectionState::ConfiguringProtectionFailed
    );
    if was.instance.snapshot_group != wanted.snapshot_group && !never_protected {
        let reason = format!(
            "is '{}', and the snapshots of this instance are in '{}'; make another instance",
            wanted.snapshot_group, was.instance.snapshot_group
        );
        let field = "properties.policyInfo.policyParameters.dataStoreParametersList[0].resourceGroupId";
        return Err(ArmError::invalid_field(field, reason));
    }
    let (state, next) = match was.state {
        ProtectionState::BackupSchedulesSuspended | ProtectionState::ProtectionStopped => {
            (ProtectionState::UpdatingProtection, was.state)
        }
        ProtectionState::UpdatingProtection => (ProtectionState::UpdatingProtection, was.next),
        ProtectionState::ConfiguringProtection | ProtectionState::ConfiguringProtectionFailed => {
            (ProtectionState::ConfiguringProtection, ProtectionState::ProtectionConfigured)
        }
        _ => (ProtectionState::UpdatingProtection, ProtectionState::ProtectionConfigured),
    };
    Ok(InstanceRecord {
        instance: wanted,
        tags: tags.unwrap_or_else(|| was.tags.clone()),
        label: was.label.clone(),
        state,
        next,
        problems: Vec::new(),
        deletion: None,
        adopted: was.adopted,
    })
}

fn check_name(name: &str) -> Result<(), ArmError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.len() < 3 || name.len() > LONGEST_NAME || !name.chars().all(known) {
        let message = format!(
            "The backup instance name '{name}' cannot be one; write 3 to {LONGEST_NAME} letters, digits, '-', '_' or '.'."
        );
        return Err(ArmError::new(400, "InvalidResourceName", message));
    }
    Ok(())
}

/// The operator's limit of namespaces.
pub fn check_namespaces(call: &Call<'_>, wanted: &BackupInstance) -> Result<(), ArmError> {
    let (most, selection) = (call.app.quotas.namespaces, &wanted.parameters.selection);
    let lists = [
        ("includedNamespaces", selection.included_namespaces.len()),
        ("excludedNamespaces", selection.excluded_namespaces.len()),
    ];
    match lists.into_iter().find(|(_, number)| *number > most) {
        Some((name, number)) => Err(ArmError::invalid_field(
            &format!("properties.policyInfo.policyParameters.backupDatasourceParametersList[0].{name}"),
            format!("has {number} entries; at most {most} are taken"),
        )),
        None => Ok(()),
    }
}

/// A user-assigned identity must be one that the vault has.
fn check_identity(owner: &vault::Existing, wanted: &BackupInstance) -> Result<(), ArmError> {
    match &wanted.identity {
        Some(identity) if !owner.facts.users.contains_key(identity.folded()) => {
            let reason = format!("is '{identity}', which is no identity of the vault '{}'", owner.id.name());
            Err(ArmError::invalid_field("properties.identityDetails.userAssignedIdentityArmUrl", reason))
        }
        _ => Ok(()),
    }
}

/// No other instance protects the same cluster by the same policy. The changes keep that, and the policy, until they are
/// committed.
async fn check_alone(
    call: &Call<'_>,
    vault: &ResourceId,
    wanted: &BackupInstance,
    but: Option<&ResourceId>,
) -> Result<[Change; 2], Failure> {
    let (store, cluster) = (call.app.store.as_ref(), &wanted.source.resource);
    let turn = alone::Turn::begin(store, vault, cluster).await?;
    if let Some(twin) = alone::twin(store, cluster, &wanted.policy, but).await? {
        return Err(alone::refusal(&twin, cluster, &wanted.policy).into());
    }
    Ok([turn.take(), Change::Touch(wanted.policy.clone())])
}

/// The policy must be one of the same vault, and there.
async fn check_policy(call: &Call<'_>, vault: &ResourceId, wanted: &BackupInstance) -> Result<(), Failure> {
    let is_of_vault = wanted.policy.parent().as_ref() == Some(vault);
    if is_of_vault && call.app.store.resource(&wanted.policy).await?.is_some() {
        return Ok(());
    }
    let reason = format!("is '{}', which is no policy of the vault '{}'", wanted.policy, vault.name());
    Err(ArmError::invalid_field("properties.policyInfo.policyId", reason).into())
}

/// In an immutable vault an instance's recovery points to come must not live shorter than those that it has.
async fn check_retention(call: &Call<'_>, before: &ResourceId, after: &ResourceId) -> Result<(), Failure> {
    let store = call.app.store.as_ref();
    let (Some(was), Some(is)) = (policies::plan(store, before).await?, policies::plan(store, after).await?)
    else {
        return Ok(());
    };
    let Some(tag) = is.shortens(&was) else { return Ok(()) };
    let message = format!(
        "The vault is immutable: under the policy '{}' recovery points with the tag '{tag}' would live shorter than under \
         '{}'. Choose one that keeps each of its tags as long.",
        after.name(),
        before.name()
    );
    Err(ArmError::new(400, "UserErrorRetentionReductionBlockedByImmutability", message)
        .about("properties.policyInfo.policyId")
        .into())
}

async fn check_quota(call: &Call<'_>, vault: &ResourceId) -> Result<(), Failure> {
    let most = call.app.quotas.instances;
    let there = call.app.store.count(KIND, vault).await?;
    if there < most {
        return Ok(());
    }
    let message = format!("The vault has {there} backup instances; {most} is the limit. Use another vault.");
    Err(ArmError::new(400, "UserErrorMaxBackupInstancesReached", message).into())
}

/// Deletes: at once where the vault keeps nothing, else softly. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = call.scope()?;
    let owner = vault::existing(call, &vault_of_path(call)?).await?;
    for _ in 0..TRIES {
        let found: Option<Loaded<InstanceRecord>> = resource::load(call.app.store.as_ref(), given).await?;
        let Some(mut instance) = found.filter(|one| !one.document.state.is_deleted()) else {
            return Ok(Reply::empty(204));
        };
        resource::check_conditions(call, Some(instance.version))?;
        let has_points = has_points(call, &instance.id).await?;
        if owner.facts.is_immutable && has_points {
            let message = "The vault is immutable: an instance with recovery points cannot be deleted before they \
                           expire. Stop protection, or suspend backups.";
            return Err(ArmError::new(409, "UserErrorImmutableVaultDeleteNotAllowed", message).into());
        }
        guards::check_delete(call, &owner.id, Critical::DeleteInstance, &instance.id).await?;
        let ended = operation::finished(
            call,
            "Microsoft.DataProtection/backupVaults/backupInstances/delete",
            &instance.id,
        );
        let days = owner.facts.soft_delete_days.unwrap_or(0);
        let purge_at =
            call.now.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(call.now);
        instance.document.state =
            if days > 0 { ProtectionState::SoftDeleted } else { ProtectionState::SoftDeleting };
        instance.document.deletion =
            Some(Deletion { deleted_at: call.now, purge_at, activity: ended.id.clone() });
        let mut changes = vec![
            instance.write()?,
            Change::Drop(schedule::work_id(&instance.id)),
            purge::change(&instance.id, purge_at),
            Change::Begin(ended.clone()),
            manage::done(&instance.id, &instance.document, Managed::DeleteProtection, call.now)?,
        ];
        let until = if days > 0 { format!("goes for good on {purge_at}") } else { "goes at once".to_owned() };
        let text = format!(
            "The backup instance '{}' was deleted; its backup data {until}.",
            instance.document.instance.friendly_name
        );
        let deleted = Event::of_call(call, Rule::DeleteBackupData, &owner.id, &instance.id, text);
        changes.extend(alerts::fire(call.app, deleted, call.now).await?);
        changes.extend(alerts::instance_resting(call.app, &instance.id, call.now).await?);
        match call.commit(&changes).await {
            Ok(()) => {
                call.app.poke_work.notify_one();
                return Ok(operation::accepted(call, &ended));
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(given.to_string()).into())
}

/// Whether an instance has recovery points.
async fn has_points(call: &Call<'_>, instance: &ResourceId) -> Result<bool, StoreError> {
    Ok(!call.app.store.resources(points::KIND, instance, None, 1).await?.is_empty())
}

pub async fn deleted_list(call: &Call<'_>) -> Result<Reply, Failure> {
    let vault = call.scope()?;
    vault::existing(call, vault).await?;
    resource::page(call, KIND, vault, |stored| {
        let instance: Loaded<InstanceRecord> = resource::read(stored)?;
        let seen = instance.document.state == ProtectionState::SoftDeleted;
        Ok(seen.then(|| shown_deleted(&instance.id, &instance.document)))
    })
    .await
}

pub async fn deleted_get(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = deleted(call).await?;
    Ok(Reply::json(200, shown_deleted(&instance.id, &instance.document)))
}
