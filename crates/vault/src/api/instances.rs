//! Backup instances: what of which cluster is protected by which policy, and what can be done with it.

mod actions;
mod alone;
mod guard;
mod life;
mod prerequisites;
mod record;
mod restores;
mod shown;
mod validations;

pub use actions::problem_error;
pub use alone::{problem as twin_problem, twin};
pub use record::{Deletion, InstanceRecord, KIND, ProtectionState, all, moved};
pub use shown::shown;

use super::{At, Call, Failure, Loaded, Needs, Operation, operations::row, resource};
use arm::{ArmError, ResourceId};
use http::Method;

macro_rules! vault {
    ($tail:literal) => {
        concat!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}",
            $tail
        )
    };
}
macro_rules! instances {
    ($tail:literal) => {
        concat!("Microsoft.DataProtection/backupVaults/backupInstances/", $tail)
    };
}

/// The right to see an instance.
pub const READ: Needs = Needs::Action(instances!("read"));
const ONE: &str = vault!("/backupInstances/{instance}");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("BackupInstances_List", &Method::GET, vault!("/backupInstances"), READ, At::Above, |call| {
        Box::pin(life::list(call))
    }),
    row("BackupInstances_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(life::get(call))),
    row(
        "BackupInstances_CreateOrUpdate",
        &Method::PUT,
        ONE,
        Needs::Action(instances!("write")),
        At::Path,
        |call| Box::pin(life::put(call)),
    ),
    row(
        "BackupInstances_Delete",
        &Method::DELETE,
        ONE,
        Needs::Action(instances!("delete")),
        At::Path,
        |call| Box::pin(life::delete(call)),
    ),
    row(
        "BackupInstancesExtensionRouting_List",
        &Method::GET,
        "/{scope}/providers/Microsoft.DataProtection/backupInstances",
        Needs::AnyRole,
        At::Scope,
        |call| Box::pin(life::of_resource(call)),
    ),
    row(
        "BackupInstances_AdhocBackup",
        &Method::POST,
        vault!("/backupInstances/{instance}/backup"),
        Needs::Action(instances!("backup/action")),
        At::Above,
        |call| Box::pin(actions::backup(call)),
    ),
    row(
        "BackupInstances_StopProtection",
        &Method::POST,
        vault!("/backupInstances/{instance}/stopProtection"),
        Needs::Action(instances!("stopProtection/action")),
        At::Above,
        |call| Box::pin(actions::stop(call)),
    ),
    row(
        "BackupInstances_SuspendBackups",
        &Method::POST,
        vault!("/backupInstances/{instance}/suspendBackups"),
        Needs::Action(instances!("suspendBackups/action")),
        At::Above,
        |call| Box::pin(actions::suspend(call)),
    ),
    row(
        "BackupInstances_ResumeProtection",
        &Method::POST,
        vault!("/backupInstances/{instance}/resumeProtection"),
        Needs::Action(instances!("resumeProtection/action")),
        At::Above,
        |call| Box::pin(actions::resume_protection(call)),
    ),
    row(
        "BackupInstances_ResumeBackups",
        &Method::POST,
        vault!("/backupInstances/{instance}/resumeBackups"),
        Needs::Action(instances!("resumeBackups/action")),
        At::Above,
        |call| Box::pin(actions::resume_backups(call)),
    ),
    row(
        "BackupInstances_SyncBackupInstance",
        &Method::POST,
        vault!("/backupInstances/{instance}/sync"),
        Needs::Action(instances!("sync/action")),
        At::Above,
        |call| Box::pin(actions::sync(call)),
    ),
    row(
        "BackupInstances_ValidateForBackup",
        &Method::POST,
        vault!("/validateForBackup"),
        Needs::Action("Microsoft.DataProtection/backupVaults/validateForBackup/action"),
        At::Above,
        |call| Box::pin(validations::for_backup(call)),
    ),
    row(
        "BackupInstances_ValidateForModifyBackup",
        &Method::POST,
        vault!("/backupInstances/{instance}/validateForModifyBackup"),
        Needs::Action(instances!("validateForModifyBackup/action")),
        At::Above,
        |call| Box::pin(validations::for_modify(call)),
    ),
    row(
        "BackupInstances_ValidateForRestore",
        &Method::POST,
        vault!("/backupInstances/{instance}/validateRestore"),
        Needs::Action(instances!("validateRestore/action")),
        At::Above,
        |call| Box::pin(validations::for_restore(call)),
    ),
    row(
        "BackupInstances_TriggerRestore",
        &Method::POST,
        vault!("/backupInstances/{instance}/restore"),
        Needs::Action(instances!("restore/action")),
        At::Above,
        |call| Box::pin(restores::restore(call)),
    ),
    row(
        "BackupInstances_PlanRestore",
        &Method::POST,
        vault!("/backupInstances/{instance}/planRestore"),
        Needs::Action(instances!("validateRestore/action")),
        At::Above,
        |call| Box::pin(restores::plan(call)),
    ),
    row(
        "BackupInstances_GetPrerequisites",
        &Method::GET,
        vault!("/backupInstances/{instance}/prerequisites"),
        READ,
        At::Above,
        |call| Box::pin(prerequisites::get(call)),
    ),
    row(
        "DeletedBackupInstances_List",
        &Method::GET,
        vault!("/deletedBackupInstances"),
        Needs::Action("Microsoft.DataProtection/backupVaults/deletedBackupInstances/read"),
        At::Above,
        |call| Box::pin(life::deleted_list(call)),
    ),
    row(
        "DeletedBackupInstances_Get",
        &Method::GET,
        vault!("/deletedBackupInstances/{instance}"),
        Needs::Action("Microsoft.DataProtection/backupVaults/deletedBackupInstances/read"),
        At::Path,
        |call| Box::pin(life::deleted_get(call)),
    ),
    row(
        "DeletedBackupInstances_Undelete",
        &Method::POST,
        vault!("/deletedBackupInstances/{instance}/undelete"),
        Needs::Action("Microsoft.DataProtection/backupVaults/deletedBackupInstances/undelete/action"),
        At::Above,
        |call| Box::pin(actions::undelete(call)),
    ),
];

/// The instance with this id, unless it is deleted.
pub async fn live(call: &Call<'_>, id: &ResourceId) -> Result<Loaded<InstanceRecord>, Failure> {
    let found: Option<Loaded<InstanceRecord>> = resource::load(call.app.store.as_ref(), id).await?;
    let found = found.filter(|one| !one.document.state.is_deleted());
    Ok(found.ok_or_else(|| ArmError::not_found(id))?)
}

/// The deleted instance of the path.
async fn deleted(call: &Call<'_>) -> Result<Loaded<InstanceRecord>, Failure> {
    let given = call.scope()?;
    let missing = || ArmError::not_found(given);
    let vault = given.parent().ok_or_else(missing)?;
    let id = vault.child("backupInstances", call.params.get("instance")).map_err(|_| missing())?;
    let found: Option<Loaded<InstanceRecord>> = resource::load(call.app.store.as_ref(), &id).await?;
    Ok(found.filter(|one| one.document.state.is_deleted()).ok_or_else(missing)?)
}

/// The vault of the path.
fn vault_of_path(call: &Call<'_>) -> Result<ResourceId, ArmError> {
    let text = format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.DataProtection/backupVaults/{}",
        call.params.get("subscription"),
        call.params.get("group"),
        call.params.get("vault")
    );
    text.parse().map_err(|error: arm::IdError| ArmError::new(400, "InvalidResourceId", error.to_string()))
}
