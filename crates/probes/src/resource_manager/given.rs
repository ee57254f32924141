//! Roles as a resource manager gives them: what an identity holds at a scope, what whoever asks may do there, and who may
//! give roles. Where somebody may not look, the reason comes back; it is never taken for there.

use super::ids::group;
use arm::ResourceId;
use identity::{
    Action, Assignment, Permission, RoleDefinition, RoleId,
    required::{ASSIGN_ROLES, Held, Need},
};
use management::{Client, Error, Request, versions};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

const ASSIGNMENTS: &str = "providers/Microsoft.Authorization/roleAssignments";

/// Asks, and remembers what was answered: several needs are about one scope, and many assignments about few roles.
#[derive(Debug)]
pub struct Given<'c> {
    client: &'c Client,
    definitions: Mutex<BTreeMap<String, RoleDefinition>>,
    permissions: Mutex<BTreeMap<String, Result<RoleDefinition, String>>>,
}

impl<'c> Given<'c> {
    /// Nothing was asked yet.
    pub fn by(client: &'c Client) -> Self {
        Self { client, definitions: Mutex::default(), permissions: Mutex::default() }
    }

    /// Whether an identity's roles at a scope and above it are enough. A role through a group counts: the server adds them.
    pub async fn held(&self, need: &Need) -> Result<Held, String> {
        let Some(principal) = &need.principal else { return Ok(Held::NoIdentity) };
        let filter = format!("atScope() and assignedTo('{principal}')");
        // What is not there yet has no roles of its own: those above it will count there.
        let (at, found) = match self.list(need.at(), &filter).await {
            Err(error) if error.is_not_found() => {
                (&need.scope, self.assignments(&need.scope, &filter).await?)
            }
            found => (need.at(), found.map_err(|error| error.to_string())?),
        };
        let mut assignments = Vec::new();
        for found in found {
            let mut one = self.assignment(&found, at).await?;
            if let Some(one) = one.as_mut() {
                one.principal.clone_from(principal);
            }
            assignments.extend(one);
        }
        let roles: Vec<RoleDefinition> = locked(&self.definitions).values().cloned().collect();
        Ok(need.held(&assignments, &roles))
    }

    /// Whether whoever asks may do something.
    pub async fn may(&self, action: &str, scope: &ResourceId) -> Result<bool, String> {
        let known = locked(&self.permissions).get(scope.folded()).cloned();
        let own = match known {
            Some(own) => own,
            None => {
                let own = self.own(scope).await;
                locked(&self.permissions).insert(scope.folded().to_owned(), own.clone());
                own
            }
        };
        Ok(own?.grants(&Action::control(action)))
    }

    /// Who may give roles at a scope; nobody where that cannot be seen.
    pub async fn grantors(&self, scope: &ResourceId) -> Vec<String> {
        let mut named = Vec::new();
        for found in self.assignments(scope, "atScope()").await.unwrap_or_default() {
            let Ok(Some(one)) = self.assignment(&found, scope).await else { continue };
            let Some(role) = locked(&self.definitions).get(one.role.as_str()).cloned() else { continue };
            if role.grants(&Action::control(ASSIGN_ROLES)) {
                let kind = found.pointer("/properties/principalType").and_then(Value::as_str);
                let kind = kind.unwrap_or("principal");
                named.push(format!("{kind} {} ({} on {})", one.principal, role.name, one.scope));
            }
        }
        named.sort();
        named.dedup();
        named
    }

    /// The name of a role that was met, else its id.
    pub fn name_of(&self, role: &RoleId) -> String {
        let known = locked(&self.definitions).get(role.as_str()).map(|one| one.name.clone());
        known.unwrap_or_else(|| role.as_str().to_owned())
    }

    async fn assignments(&self, scope: &ResourceId, filter: &str) -> Result<Vec<Value>, String> {
        self.list(scope, filter).await.map_err(|error| error.to_string())
    }

    async fn list(&self, scope: &ResourceId, filter: &str) -> Result<Vec<Value>, Error> {
        let request = Request::get(format!("{scope}/{ASSIGNMENTS}"), versions::ROLES).ask("$filter", filter);
        self.client.list(&request).await
    }

    /// An assignment as the decision reads it. One with a condition grants less than its role says, and is not counted.
    async fn assignment(&self, found: &Value, below: &ResourceId) -> Result<Option<Assignment>, String> {
        let text = |name: &str| found.pointer(&format!("/properties/{name}")).and_then(Value::as_str);
        let (Some(principal), Some(role)) = (text("principalId"), text("roleDefinitionId")) else {
            return Ok(None);
        };
        if text("condition").is_some_and(|condition| !condition.is_empty()) {
            return Ok(None);
        }
        // Management groups are above every subscription and have ids of another form.
        let above = || ResourceId::subscription(below.subscription_id()).ok();
        let Some(scope) = text("scope").and_then(|scope| scope.parse().ok()).or_else(above) else {
            return Ok(None);
        };
        let role = self.definition(role, below).await?;
        Ok(Some(Assignment { principal: principal.to_owned(), role, scope }))
    }

    /// A role by its id, read at the scope in question: whoever has rights there alone sees it there alone.
    async fn definition(&self, id: &str, at: &ResourceId) -> Result<RoleId, String> {
        let role = RoleId::new(id.rsplit('/').next().unwrap_or(id));
        if locked(&self.definitions).contains_key(role.as_str()) {
            return Ok(role);
        }
        let path = format!("{at}/providers/Microsoft.Authorization/roleDefinitions/{}", role.as_str());
        let found = self.client.find(&path, versions::ROLES).await.map_err(|error| error.to_string())?;
        let properties = found.as_ref().and_then(|found| found.get("properties"));
        let text = |name: &str| properties.and_then(|all| all.get(name)?.as_str()).unwrap_or_default();
        let permissions = properties.and_then(|all| all.get("permissions")).cloned().unwrap_or_default();
        let definition = RoleDefinition {
            id: role.clone(),
            name: text("roleName").to_owned(),
            description: String::new(),
            permissions: read_permissions(&permissions)?,
        };
        locked(&self.definitions).insert(role.as_str().to_owned(), definition);
        Ok(role)
    }

    /// What whoever asks may do at a scope, as a role of its own.
    async fn own(&self, scope: &ResourceId) -> Result<RoleDefinition, String> {
        let ask = |scope: &str| {
            let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
            Request::get(path, versions::ROLES)
        };
        let found = match self.client.list(&ask(scope.as_str())).await {
            Ok(found) => found,
            // Some resources answer only for their group.
            Err(error) => match group(scope.as_str()).filter(|_| !is_refused(&error)) {
                None => return Err(error.to_string()),
                Some(group) => self.client.list(&ask(&group)).await.map_err(|_| error.to_string())?,
            },
        };
        Ok(RoleDefinition {
            id: RoleId::new("own"),
            name: "own".to_owned(),
            description: String::new(),
            permissions: read_permissions(&found.into())?,
        })
    }
}

/// Nothing that is held here is left half-done by a panic.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_refused(error: &Error) -> bool {
    error.service().is_some_and(|error| matches!(error.status, 401 | 403))
}

/// Permissions as the service writes them; `null` is an empty list.
fn read_permissions(found: &Value) -> Result<Vec<Permission>, String> {
    let mut found = found.clone();
    for one in found.as_array_mut().into_iter().flatten() {
        if let Some(members) = one.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
    }
    match found {
        Value::Null => Ok(Vec::new()),
        found => {
            serde_json::from_value(found).map_err(|error| format!("permissions cannot be read: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_as_the_service_writes_them_and_what_they_leave_out_is_not_granted() {
        let found = serde_json::json!([{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"],
            "dataActions": null, "notDataActions": null}]);

        let permissions = read_permissions(&found).unwrap();

        let own = RoleDefinition {
            id: RoleId::new("own"),
            name: "own".to_owned(),
            description: String::new(),
            permissions,
        };
        assert!(own.grants(&Action::control("Microsoft.Authorization/roleAssignments/read")));
        assert!(!own.grants(&Action::control("microsoft.authorization/roleassignments/write")));
        assert!(!own.grants(&Action::data("Microsoft.Authorization/roleAssignments/read")));
        assert_eq!(read_permissions(&Value::Null).unwrap(), []);
    }
}
