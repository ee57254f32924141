//! What the caller may do at a scope, and the denials that override roles, of which this vault has none.

use super::{At, Call, Failure, Needs, Operation, operations::row};
use crate::reply::Reply;
use http::Method;
use identity::Permission;
use serde_json::json;

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "Permissions_List",
        &Method::GET,
        "/{scope}/providers/Microsoft.Authorization/permissions",
        Needs::SignIn,
        At::Scope,
        |call| Box::pin(async { list(call) }),
    ),
    row(
        "DenyAssignments_List",
        &Method::GET,
        "/{scope}/providers/Microsoft.Authorization/denyAssignments",
        Needs::Action("Microsoft.Authorization/denyAssignments/read"),
        At::Scope,
        |_| Box::pin(async { Ok(Reply::json(200, json!({"value": []}))) }),
    ),
];

/// The permissions of all roles that the caller has at the scope or above it; what one takes out, another may grant.
fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let scope = call.scope()?;
    let mine = call.assignments.iter().filter(|one| one.scope.covers(scope));
    let roles = mine.filter_map(|one| call.app.roles.iter().find(|role| role.id == one.role));
    let mut value: Vec<&Permission> = Vec::new();
    for permission in roles.flat_map(|role| &role.permissions) {
        if !value.contains(&permission) {
            value.push(permission);
        }
    }
    Ok(Reply::json(200, json!({"value": value})))
}
