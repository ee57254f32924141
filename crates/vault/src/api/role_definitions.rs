//! Role definitions: the built-in ones.

use super::{At, Call, Failure, Needs, Operation, call::invalid_filter, operations::row};
use crate::reply::Reply;
use arm::{ArmError, filter::Term};
use http::Method;
use identity::{RoleDefinition, RoleId};
use serde_json::{Value, json};

const READ: Needs = Needs::Action("Microsoft.Authorization/roleDefinitions/read");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "RoleDefinitions_List",
        &Method::GET,
        "/providers/microsoft.authorization/roledefinitions",
        Needs::SignIn,
        At::Tenant,
        |call| Box::pin(async { list(call) }),
    ),
    row(
        "RoleDefinitions_Get",
        &Method::GET,
        "/providers/microsoft.authorization/roledefinitions/{name}",
        Needs::SignIn,
        At::Tenant,
        |call| Box::pin(async { get(call) }),
    ),
    row(
        "RoleDefinitions_List",
        &Method::GET,
        "/{scope}/providers/microsoft.authorization/roledefinitions",
        READ,
        At::Scope,
        |call| Box::pin(async { list(call) }),
    ),
    row(
        "RoleDefinitions_Get",
        &Method::GET,
        "/{scope}/providers/microsoft.authorization/roledefinitions/{name}",
        READ,
        At::Scope,
        |call| Box::pin(async { get(call) }),
    ),
];

/// All that fit the filter.
pub fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let filter = call.filter()?;
    let mut roles: Vec<&RoleDefinition> = call.app.roles.iter().collect();
    for term in filter.terms() {
        match term {
            Term::Equals { field, value } if field.eq_ignore_ascii_case("roleName") => {
                roles.retain(|role| role.name.eq_ignore_ascii_case(value));
            }
            Term::Equals { field, value } if field.eq_ignore_ascii_case("type") => {
                roles.retain(|_| value.eq_ignore_ascii_case("BuiltInRole"));
            }
            Term::Named { name, .. }
                if name.eq_ignore_ascii_case("atScopeAndBelow") || name.eq_ignore_ascii_case("atScope") => {}
            Term::Equals { field: name, .. } | Term::Named { name, .. } => {
                let reason = format!(
                    "'{name}' is not known here; known are roleName eq '…', type eq '…', atScope() and atScopeAndBelow()"
                );
                return Err(invalid_filter(&reason).into());
            }
        }
    }
    let value: Vec<Value> = roles.into_iter().map(|role| shown(call, role)).collect();
    Ok(Reply::json(200, json!({"value": value})))
}

/// One.
pub fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = RoleId::new(call.params.get("name"));
    match call.app.roles.iter().find(|role| role.id == given) {
        Some(role) => Ok(Reply::json(200, shown(call, role))),
        None => Err(unknown(given.as_str()).into()),
    }
}

/// A role that does not exist.
pub fn unknown(id: &str) -> ArmError {
    let message =
        format!("There is no role definition '{id}'. List those that there are: GET …/roleDefinitions.");
    ArmError::new(404, "RoleDefinitionDoesNotExist", message)
}

/// The id of a role as lists show it, in a subscription or in the tenant. Clients compare it letter by letter with that
/// of assignments.
pub fn id(subscription: Option<&str>, role: &RoleId) -> String {
    let own = format!("/providers/Microsoft.Authorization/roleDefinitions/{}", role.as_str());
    match subscription {
        Some(subscription) => format!("/subscriptions/{subscription}{own}"),
        None => own,
    }
}

fn shown(call: &Call<'_>, role: &RoleDefinition) -> Value {
    let subscription = call.subscription.as_ref().map(|one| one.id.subscription_id());
    json!({
        "id": id(subscription, &role.id),
        "name": role.id,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": role.description,
            "assignableScopes": ["/"],
            "permissions": role.permissions,
            "createdOn": null,
            "updatedOn": null,
            "createdBy": null,
            "updatedBy": null,
        },
    })
}
