//! Role assignments: looked for first, then given once.

use crate::{Client, Error, Request, build::names, versions};
use arm::ResourceId;
use serde_json::{Value, json};

const ASSIGNMENTS: &str = "Microsoft.Authorization/roleAssignments";
const DEFINITIONS: &str = "providers/Microsoft.Authorization/roleDefinitions";

/// The filter for one role by its name; a quote in a name is written twice.
pub fn by_name(name: &str) -> String {
    format!("roleName eq '{}'", name.replace('\'', "''"))
}

/// The assignments at a scope that a filter lets through; all of them when it is empty.
pub async fn assignments(client: &Client, scope: &str, filter: &str) -> Result<Vec<Value>, Error> {
    let mut request = Request::get(format!("{scope}/providers/{ASSIGNMENTS}"), versions::ROLES);
    if !filter.is_empty() {
        request = request.ask("$filter", filter);
    }
    client.list(&request).await
}

/// The id of a role by its name, its GUID or its id, as the server writes it at that scope; nothing if there is none.
pub async fn definition(client: &Client, role: &str, scope: &ResourceId) -> Result<Option<String>, Error> {
    if role.starts_with('/') {
        return Ok(Some(role.to_owned()));
    }
    let by_id = uuid::Uuid::try_parse(role).is_ok();
    let mut request = Request::get(format!("{scope}/{DEFINITIONS}"), versions::ROLES);
    if !by_id {
        request = request.ask("$filter", by_name(role));
    }
    let found = client.list(&request).await?;
    let ours = found.iter().find(|one| !by_id || is_named(one, role));
    Ok(ours.and_then(|one| one.get("id")?.as_str()).map(str::to_owned))
}

/// Gives a role, by the id of its definition; the assignment, and whether it is new.
pub async fn grant(
    client: &Client,
    principal: &str,
    kind: &str,
    definition: &str,
    scope: &ResourceId,
) -> Result<(Value, bool), Error> {
    let there = match assignments(client, scope.as_str(), "atScope()").await {
        // Whoever may not look is told by the call itself what they lack to give it.
        Err(error) if is_refused(&error) => Vec::new(),
        there => there?,
    };
    let is_same = |one: &&Value| {
        is(one, "principalId", principal)
            && is(one, "roleDefinitionId", definition)
            && is(one, "scope", scope.as_str())
    };
    if let Some(same) = there.iter().find(is_same) {
        return Ok((same.clone(), false));
    }
    let guid = definition.rsplit('/').next().unwrap_or_default();
    let name = names::assignment(principal, guid, scope);
    let id = scope.with(ASSIGNMENTS, &name).map_err(|error| Error::Invalid(error.to_string()))?;
    let body = json!({"properties": {
        "roleDefinitionId": definition, "principalId": principal, "principalType": kind}});
    let put = Request::put(id.as_str(), versions::ROLES, body);
    match client.send(&put).await {
        Ok(answer) => Ok((answer.body, true)),
        // Somebody else gave it between the look and the call.
        Err(error) if error.service().is_some_and(|error| error.code == "RoleAssignmentExists") => {
            let there = assignments(client, scope.as_str(), "atScope()").await?;
            Ok((there.iter().find(is_same).cloned().unwrap_or_default(), false))
        }
        Err(error) => Err(error),
    }
}

/// Whether the service knows who asks, and says no.
pub fn is_refused(error: &Error) -> bool {
    error.service().is_some_and(|error| error.status == 403)
}

/// Whether a member of an assignment's properties has a value; ids do not mind capitals.
pub fn is(assignment: &Value, name: &str, value: &str) -> bool {
    text(assignment, name).eq_ignore_ascii_case(value)
}

/// A member of an assignment's properties.
pub fn text<'v>(assignment: &'v Value, name: &str) -> &'v str {
    assignment.pointer(&format!("/properties/{name}")).and_then(Value::as_str).unwrap_or_default()
}

fn is_named(definition: &Value, name: &str) -> bool {
    definition.get("name").and_then(Value::as_str).is_some_and(|one| one.eq_ignore_ascii_case(name))
}
