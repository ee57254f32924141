//! The calls on role assignments.

use super::decide::{
    Wanted, check_type, is_last_administrator, keep_administrator, last_administrator, listed, type_of,
    wanted,
};
use crate::{
    api::{Call, Failure, resource::TRIES, role_definitions},
    reply::Reply,
    store::{AssignmentRecord, Change, StoreError},
};
use arm::{ArmError, ResourceId};
use identity::Assignment;
use serde_json::{Value, json};

/// Those at, above and below the scope, as the filter says.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let filter = call.filter()?;
    let (scope, subscription) = (call.scope()?, &call.subscription()?.id);
    let mut value = Vec::new();
    for record in call.app.store.assignments_in(subscription).await? {
        if listed(&filter, scope, &record)? {
            value.push(shown(&record));
        }
    }
    Ok(Reply::json(200, json!({"value": value})))
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    match existing(call).await? {
        Some(record) => Ok(Reply::json(200, shown(&record))),
        None => {
            let name = call.params.get("name");
            let message = format!("The role assignment '{name}' is not found at this scope.");
            Err(ArmError::new(404, "RoleAssignmentNotFound", message).into())
        }
    }
}

/// Assigns; the same again changes at most the description.
pub async fn put(call: &Call<'_>) -> Result<Reply, Failure> {
    let name = call.params.get("name").to_lowercase();
    let wanted = wanted(&name, &call.json()?)?;
    if !call.app.roles.iter().any(|role| role.id == wanted.role) {
        return Err(role_definitions::unknown(wanted.role.as_str()).into());
    }
    let scope = real_scope(call).await?;
    let Some(principal) = call.app.store.principal(&wanted.principal).await? else {
        let message = format!(
            "Principal '{}' does not exist in tenant '{}'. Check its object id (not its client id).",
            wanted.principal,
            call.app.issuer.tenant()
        );
        return Err(ArmError::new(400, "PrincipalNotFound", message).into());
    };
    let principal_type = type_of(principal.kind);
    check_type(&wanted.principal, principal_type, wanted.principal_type.as_deref())?;
    let assignment = Assignment { principal: wanted.principal.clone(), role: wanted.role.clone(), scope };
    if let Some(existing) = call.app.store.assignment(&name).await? {
        return again(call, existing, &assignment, &wanted).await;
    }
    let now = call.now.to_string();
    let document = json!({
        "principalType": principal_type,
        "description": wanted.description,
        "createdOn": now,
        "updatedOn": now,
        "createdBy": call.caller.object_id,
        "updatedBy": call.caller.object_id,
    });
    let record = AssignmentRecord { name, assignment, document };
    match call.commit(&[Change::Assign(record.clone())]).await {
        Ok(()) => Ok(Reply::json(201, shown(&record))),
        Err(StoreError::Conflict(_)) => {
            Err(ArmError::new(409, "RoleAssignmentExists", "The role assignment already exists.").into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn again(
    call: &Call<'_>,
    mut existing: AssignmentRecord,
    assignment: &Assignment,
    wanted: &Wanted,
) -> Result<Reply, Failure> {
    if existing.assignment != *assignment {
        let message = "A role assignment of this name exists with another principal, role or scope, which cannot be \
                       changed. Delete it, or use a new GUID.";
        return Err(ArmError::new(409, "RoleAssignmentUpdateNotPermitted", message).into());
    }
    let description = json!(wanted.description);
    if existing.document.get("description") != Some(&description) {
        if let Some(object) = existing.document.as_object_mut() {
            object.insert("description".to_owned(), description);
            object.insert("updatedOn".to_owned(), json!(call.now.to_string()));
            object.insert("updatedBy".to_owned(), json!(call.caller.object_id));
        }
        call.commit(&[Change::Describe(existing.name.clone(), existing.document.clone())]).await?;
    }
    Ok(Reply::json(200, shown(&existing)))
}

/// Takes a role away. What is not there is gone already.
pub async fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    for _ in 0..TRIES {
        let Some(record) = existing(call).await? else { return Ok(Reply::empty(204)) };
        let subscription = &call.subscription()?.id;
        let all = call.app.store.assignments_in(subscription).await?;
        if is_last_administrator(&record.name, subscription, &all, &call.app.roles) {
            return Err(last_administrator().into());
        }
        let mut changes = vec![Change::Unassign(record.name.clone())];
        changes.extend(keep_administrator(std::slice::from_ref(&record), subscription, &call.app.roles));
        match call.commit(&changes).await {
            Ok(()) => return Ok(Reply::json(200, shown(&record))),
            // It went meanwhile, or another administrator did: look again.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(call.scope()?.to_string()).into())
}

/// The assignment of the path, at the scope of the path.
async fn existing(call: &Call<'_>) -> Result<Option<AssignmentRecord>, StoreError> {
    let found = call.app.store.assignment(call.params.get("name")).await?;
    let at: Option<ResourceId> = call.params.get("scope").parse().ok();
    Ok(found.filter(|record| at.as_ref() == Some(&record.assignment.scope)))
}

/// The scope of the path, whether it exists or not.
pub fn given_scope(call: &Call<'_>) -> Result<ResourceId, ArmError> {
    let wrong = |error: arm::IdError| {
        ArmError::new(400, "InvalidScope", format!("The scope is no resource id: {error}."))
    };
    call.params.get("scope").parse().map_err(wrong)
}

/// The scope of the path as its creator wrote it; it must exist.
pub async fn real_scope(call: &Call<'_>) -> Result<ResourceId, Failure> {
    let given = given_scope(call)?;
    let subscription = &call.subscription()?.id;
    if given == *subscription {
        return Ok(subscription.clone());
    }
    match call.app.store.resource(&given).await? {
        Some(stored) => Ok(stored.id),
        None if given.parent().as_ref() == Some(subscription) && given.resource_group().is_some() => {
            let message = format!("Resource group '{}' could not be found.", given.name());
            Err(ArmError::new(404, "ResourceGroupNotFound", message).into())
        }
        None => Err(ArmError::not_found(&given).into()),
    }
}

fn shown(record: &AssignmentRecord) -> Value {
    let Assignment { principal, role, scope } = &record.assignment;
    let kept = |name: &str| record.document.get(name).cloned().unwrap_or_default();
    json!({
        "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", record.name),
        "name": record.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": role_definitions::id(Some(scope.subscription_id()), role),
            "principalId": principal,
            "principalType": kept("principalType"),
            "scope": scope,
            "condition": null,
            "conditionVersion": null,
            "description": kept("description"),
            "createdOn": kept("createdOn"),
            "updatedOn": kept("updatedOn"),
            "createdBy": kept("createdBy"),
            "updatedBy": kept("updatedBy"),
            "delegatedManagedIdentityResourceId": null,
        },
    })
}
