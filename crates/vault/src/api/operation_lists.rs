//! The lists of what can be done in each namespace, for whoever writes role definitions.

use super::{
    At, Call, Failure, Needs, Operation,
    operations::{operations, row},
    versions,
};
use crate::reply::Reply;
use arm::ArmError;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "DataProtectionOperations_List",
        &Method::GET,
        "/providers/Microsoft.DataProtection/operations",
        Needs::SignIn,
        At::Tenant,
        |call| Box::pin(async { list(call) }),
    ),
    row(
        "Operations_List",
        &Method::GET,
        "/providers/{provider}/operations",
        Needs::SignIn,
        At::Tenant,
        |call| Box::pin(async { list(call) }),
    ),
];

/// The actions that the operations of a namespace need.
fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let given = call.address.parts().get(1).map(String::as_str).unwrap_or_default();
    if versions::oldest(given).is_none() {
        let message = format!("The resource namespace '{given}' is not offered by this vault.");
        return Err(ArmError::new(404, "InvalidResourceNamespace", message).into());
    }
    let of_namespace = |action: &&str| {
        action.split_once('/').is_some_and(|(namespace, _)| namespace.eq_ignore_ascii_case(given))
    };
    let actions = operations().filter_map(|operation| match operation.needs {
        Needs::Action(action) => Some(action),
        _ => None,
    });
    let actions: BTreeSet<&str> = actions.filter(of_namespace).collect();
    let value: Vec<Value> = actions.into_iter().map(shown).collect();
    Ok(Reply::json(200, json!({"value": value})))
}

fn shown(action: &str) -> Value {
    let (namespace, rest) = action.split_once('/').unwrap_or((action, ""));
    let rest = rest.strip_suffix("/action").unwrap_or(rest);
    let (resource, operation) = rest.rsplit_once('/').unwrap_or((rest, "call"));
    json!({
        "name": action,
        "isDataAction": false,
        "display": {
            "provider": namespace,
            "resource": resource,
            "operation": operation,
            "description": format!("{operation} on {resource}"),
        },
        "origin": "user",
    })
}
