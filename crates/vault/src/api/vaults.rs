//! Backup vaults.

mod act;
mod availability;
mod decide;
mod deleted;
mod group;
mod identity;
mod record;

pub use act::of_path;
pub use decide::{fresh as fresh_settings, kek_principal};
pub use deleted::{PURGE, purge};
pub use group::{keeps, leaving};
pub use identity::{own_principal, user_identity};
pub use record::{SystemIdentity, UserIdentity, VaultIdentity, VaultRecord, shown};

use super::{At, Needs, Operation, operations::row};
use http::Method;

const IN_SUBSCRIPTION: &str = "/subscriptions/{subscription}/providers/Microsoft.DataProtection/backupVaults";
const IN_GROUP: &str =
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}";
/// The right to see a vault.
pub const READ: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/read");
const WRITE: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/write");
const MAY_DELETE: Needs = Needs::Action(DELETE);
const DELETE: &str = "Microsoft.DataProtection/backupVaults/delete";
const READ_DELETED: Needs = Needs::Action("Microsoft.DataProtection/locations/deletedVaults/read");

/// The namespace.
pub const NAMESPACE: &str = "Microsoft.DataProtection";
/// The type of a vault.
pub const KIND: &str = "Microsoft.DataProtection/backupVaults";
/// The types of what a vault protects: instances, and deleted ones that can come back.
pub const INSTANCES: [&str; 2] = [
    "Microsoft.DataProtection/backupVaults/backupInstances",
    "Microsoft.DataProtection/backupVaults/deletedBackupInstances",
];

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "BackupVaults_GetInSubscription",
        &Method::GET,
        IN_SUBSCRIPTION,
        Needs::AnyRole,
        At::Subscription,
        |call| Box::pin(act::list(call)),
    ),
    row("BackupVaults_GetInResourceGroup", &Method::GET, IN_GROUP, Needs::AnyRole, At::Group, |call| {
        Box::pin(act::list(call))
    }),
    row("BackupVaults_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("BackupVaults_CreateOrUpdate", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(act::put(call))),
    row("BackupVaults_Update", &Method::PATCH, ONE, WRITE, At::Path, |call| Box::pin(act::patch(call))),
    row("BackupVaults_Delete", &Method::DELETE, ONE, MAY_DELETE, At::Path, |call| {
        Box::pin(act::delete(call))
    }),
    row(
        "BackupVaults_CheckNameAvailability",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/locations/{location}/checkNameAvailability",
        Needs::Action("Microsoft.DataProtection/locations/checkNameAvailability/action"),
        At::Group,
        |call| Box::pin(availability::name(call)),
    ),
    row(
        "DataProtection_CheckFeatureSupport",
        &Method::POST,
        "/subscriptions/{subscription}/providers/Microsoft.DataProtection/locations/{location}/checkFeatureSupport",
        Needs::Action("Microsoft.DataProtection/locations/checkFeatureSupport/action"),
        At::Subscription,
        |call| Box::pin(async { availability::feature(call) }),
    ),
    row(
        "DeletedBackupVaults_ListByLocation",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.DataProtection/locations/{location}/deletedVaults",
        READ_DELETED,
        At::Subscription,
        |call| Box::pin(deleted::list(call)),
    ),
    row(
        "DeletedBackupVaults_Get",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.DataProtection/locations/{location}/deletedVaults/{deleted}",
        READ_DELETED,
        At::Path,
        |call| Box::pin(deleted::get(call)),
    ),
];
