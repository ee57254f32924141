//! Backup policies of a Backup vault.

mod act;
mod decide;
mod plan;
mod rules;
mod tiers;
mod used;

pub use decide::shown;
pub use plan::{Plan, Retention, parsed};

use super::{At, Needs, Operation, operations::row};
use crate::store::{Store, StoreError};
use arm::ResourceId;
use http::Method;

const ALL: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupPolicies";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupPolicies/{policy}";
/// The right to see a policy.
pub const READ: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/backupPolicies/read");
const WRITE: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/backupPolicies/write");
const DELETE: Needs = Needs::Action("Microsoft.DataProtection/backupVaults/backupPolicies/delete");

/// The type of a policy.
pub const KIND: &str = "Microsoft.DataProtection/backupVaults/backupPolicies";

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("BackupPolicies_List", &Method::GET, ALL, READ, At::Above, |call| Box::pin(act::list(call))),
    row("BackupPolicies_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("BackupPolicies_CreateOrUpdate", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(act::put(call))),
    row("BackupPolicies_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| Box::pin(act::delete(call))),
];

/// What a policy means; `None` when it is gone.
pub async fn plan(store: &dyn Store, id: &ResourceId) -> Result<Option<Plan>, StoreError> {
    let Some(stored) = store.resource(id).await? else { return Ok(None) };
    parsed(&stored.document).map(Some).map_err(|error| StoreError::Damaged(format!("{id}: {error}")))
}
