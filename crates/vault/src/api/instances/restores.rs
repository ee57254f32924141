//! Restores: to the same cluster or to another one.

use super::{
    InstanceRecord,
    actions::{again, begun, check_rate, occasion, problem_error},
    guard::approvals,
    live, vault_of_path,
};
use crate::{
    api::{
        Call, Failure, Loaded,
        extensions::{self, ExtensionRecord},
        guards::{self, Critical},
        jobs::{JobRecord, Task},
        points::PointRecord,
        resource,
    },
    protect::{
        checks, reach, schedule,
        start::{self, location_settings},
    },
    reply::Reply,
};
use arm::{ArmError, Fields, ResourceId, restore::RestoreRequest};
use serde_json::Value;

/// A restore whose parts were found.
pub struct Prepared {
    /// The vault.
    pub vault: ResourceId,
    /// The instance.
    pub instance: Loaded<InstanceRecord>,
    /// The recovery point.
    pub point: Loaded<PointRecord>,
    /// As it was asked for.
    pub request: RestoreRequest,
    /// The target's extension, if there is one.
    pub extension: Option<Loaded<ExtensionRecord>>,
    /// The location as the target names it.
    pub location: String,
    /// The container from which is read, where it is another cluster's place; its account, where no more is known.
    pub source_store: Option<ResourceId>,
}

/// Finds the parts of a restore, and whether the caller may join them.
pub async fn prepare(call: &Call<'_>, given: &Fields<'_>) -> Result<Prepared, Failure> {
    let request = RestoreRequest::read(given)?;
    let instance = live(call, call.scope()?).await?;
    let vault = crate::protect::vault::existing(call, &vault_of_path(call)?).await?;
    let point_id = instance
        .id
        .child("recoveryPoints", &request.recovery_point)
        .map_err(|_| given.wrong("recoveryPointId", "cannot be the id of a recovery point"))?;
    let point: Option<Loaded<PointRecord>> = resource::load(call.app.store.as_ref(), &point_id).await?;
    let point = point.filter(|point| !point.document.deleting).ok_or_else(|| {
        let message =
            format!("The recovery point '{}' does not exist; list those that do.", request.recovery_point);
        ArmError::new(404, "UserErrorRecoveryPointNotFound", message).about("recoveryPointId")
    })?;
    let source = &instance.document.instance.source.resource;
    if request.source.as_ref().is_some_and(|given| given != source) {
        let reason = format!("is not the cluster of this instance, '{source}'");
        return Err(given.wrong("sourceResourceId", reason).into());
    }
    // Whoever may not read the source must not get its data by way of another cluster.
    call.may_linked(checks::READ_CLUSTER, source).await?;
    call.may_linked(checks::READ_CLUSTER, &request.target.resource).await?;
    let other = request.target.resource.subscription_id() != source.subscription_id();
    if other && !vault.facts.cross_subscription_restore {
        let message =
            "The vault does not allow restores to another subscription (crossSubscriptionRestoreSettings).";
        return Err(ArmError::new(403, "UserErrorCrossSubscriptionRestoreNotAllowed", message).into());
    }
    let extension = extensions::backup_extension(call.app.store.as_ref(), &request.target.resource).await?;
    let own =
        extension.as_ref().map(|one| crate::keys::location_key(&location_settings(&one.document.settings)));
    let there = crate::keys::location_key(&point.document.location);
    let here = request.target.resource == point.document.cluster && own == Some(there);
    let location = if here { "default".to_owned() } else { format!("vault-{}", point.document.key) };
    let there = &point.document.location;
    let source_store = match here {
        true => None,
        false => checks::container_of(there).or_else(|| checks::account_of(there)),
    };
    Ok(Prepared { vault: vault.id, instance, point, request, extension, location, source_store })
}

/// Begins a restore.
pub async fn restore(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    again(|| restore_once(call, &body)).await
}

async fn restore_once(call: &Call<'_>, body: &Value) -> Result<Reply, Failure> {
    let prepared = prepare(call, &Fields::of(body)?).await?;
    guards::check(call, &prepared.vault, Critical::Restore, &approvals(call)?).await?;
    begin(call, &prepared, false).await
}

/// Begins a job that says what a restore would do, and does nothing else. Ours: the original has no plan. Whoever may
/// validate a restore may plan it; as nothing is written, no guard asks.
pub async fn plan(call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    again(|| plan_once(call, &body)).await
}

async fn plan_once(call: &Call<'_>, body: &Value) -> Result<Reply, Failure> {
    let prepared = prepare(call, &Fields::of(body)?).await?;
    begin(call, &prepared, true).await
}

async fn begin(call: &Call<'_>, prepared: &Prepared, plan: bool) -> Result<Reply, Failure> {
    let target = &prepared.request.target.resource;
    let Some(extension) = &prepared.extension else {
        return Err(problem_error(&schedule::no_extension(target)).into());
    };
    if let Err(problem) = reach::reach(call.app, &prepared.vault, target).await? {
        return Err(problem_error(&problem).into());
    }
    // Plans and restores are counted apart: to look costs nobody a restore.
    let (most, what) = (call.app.quotas.restores_a_day, if plan { "plans" } else { "restores" });
    let is_alike = |job: &JobRecord| matches!(job.task, Task::Restore { plan: is, .. } if is == plan);
    check_rate(call, &prepared.instance.id, most, what, is_alike).await?;
    let (job, mut changes) = start::restore(
        &prepared.instance,
        extension,
        &prepared.point,
        prepared.request.clone(),
        &prepared.location,
        plan,
        occasion(call, None, None),
    )?;
    changes.push(prepared.instance.write()?);
    if !plan {
        // Written back unchanged: a recovery point that begins to be deleted at this moment is not restored from.
        changes.push(prepared.point.write()?);
    }
    begun(call, &prepared.instance.id, &call.operation.needs.action(""), &job, changes).await
}
