//! Role assignments.

mod act;
mod below;
mod decide;

pub use act::{given_scope, real_scope};
pub use below::{Administrators, administrators_below};
pub use decide::{keep_administrator, last_administrator, type_of};

use super::{At, Needs, Operation, operations::row};
use http::Method;

const ALL: &str = "/{scope}/providers/microsoft.authorization/roleassignments";
const ONE: &str = "/{scope}/providers/microsoft.authorization/roleassignments/{name}";
const READ: Needs = Needs::Action("Microsoft.Authorization/roleAssignments/read");
const WRITE: Needs = Needs::Action("Microsoft.Authorization/roleAssignments/write");
const DELETE: Needs = Needs::Action("Microsoft.Authorization/roleAssignments/delete");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("RoleAssignments_List", &Method::GET, ALL, READ, At::Scope, |call| Box::pin(act::list(call))),
    row("RoleAssignments_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("RoleAssignments_Create", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(act::put(call))),
    row("RoleAssignments_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| Box::pin(act::delete(call))),
];
