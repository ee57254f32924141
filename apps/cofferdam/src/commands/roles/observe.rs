//! Looks which roles are there. Where somebody may not look, the row says so; it is never taken for there.

use super::{
    row::{About, Row, State},
    subject::Subject,
};
use crate::{exit::Failure, managed::Session};
use arm::ResourceId;
use identity::{
    Action, Assignment, Permission, RoleDefinition, RoleId,
    required::{
        ASSIGN_ROLES, Held, Need, PERSON_ROLES, PersonPlace, PersonRole, Place, Purpose, Whose, needs,
    },
};
use management::{Request, versions};
use serde_json::Value;
use std::collections::BTreeMap;

const ASSIGNMENTS: &str = "providers/Microsoft.Authorization/roleAssignments";
const BIND: &str = "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write";

/// What has been asked already: several rows are about one scope, and many assignments about few roles.
struct Observer<'s> {
    session: &'s Session,
    definitions: BTreeMap<String, RoleDefinition>,
    permissions: BTreeMap<String, Result<RoleDefinition, String>>,
}

/// All rows: of the identities, then of whoever runs this.
pub async fn rows(session: &Session, subject: &Subject) -> Result<Vec<Row>, Failure> {
    let mut observer = Observer { session, definitions: BTreeMap::new(), permissions: BTreeMap::new() };
    let mut rows = Vec::new();
    for need in needs(subject.purpose, &subject.places, &subject.principals) {
        rows.push(observer.identity(need, subject.is_bound).await);
    }
    if subject.places.store.is_none() {
        rows.extend(unknown_store(subject));
    }
    for person in PERSON_ROLES {
        if let Some(scope) = scope_of(person.place, subject) {
            rows.push(observer.person(person, scope).await);
        }
    }
    for row in rows.iter_mut().filter(|row| row.state == State::Missing && !row.may_grant) {
        row.grantors = observer.grantors(&row.scope).await;
    }
    Ok(rows)
}

/// Where the extension writes is not known: its role there cannot be looked for, and is not taken for there.
fn unknown_store(subject: &Subject) -> Option<Row> {
    let row = identity::required::IDENTITY_ROLES
        .iter()
        .find(|row| row.place == Place::StorageAccount && row.whose == Whose::Extension)?;
    let scope = subject.places.cluster.clone();
    let principal = subject.principals.extension.clone();
    let reason = "the cluster has no backup extension whose settings name a storage account; install it, or name the \
                  account with --storage-account-id";
    let need = Need { row, scope: scope.clone(), principal, only_read: false };
    let state = State::NotSeen(reason.to_owned());
    Some(Row { about: About::Identity(need), scope, state, may_grant: false, grantors: Vec::new() })
}

fn scope_of(place: PersonPlace, subject: &Subject) -> Option<ResourceId> {
    let is_restore = matches!(subject.purpose, Purpose::Restore { .. });
    match place {
        PersonPlace::Cluster => Some(subject.places.cluster.clone()),
        PersonPlace::VaultGroup => subject.vault.parent(),
        PersonPlace::StorageAccount => subject.places.store.clone(),
        PersonPlace::SnapshotGroup => subject.places.snapshot_group.clone(),
        PersonPlace::SourceCluster => is_restore.then(|| subject.source.clone()),
        PersonPlace::ResourceGuard => subject.guard.clone(),
    }
}

impl Observer<'_> {
    async fn identity(&mut self, need: Need, is_bound: bool) -> Row {
        let held = match need.is_binding() {
            true => Ok(need.bound(is_bound)),
            false => self.held(&need).await,
        };
        let state = match held {
            Ok(Held::There) => State::There,
            Ok(Held::Inherited { scope, role }) => {
                let name = self.definitions.values().find(|one| one.id == role);
                let name = name.map_or_else(|| role.as_str().to_owned(), |one| one.name.clone());
                State::Inherited(format!("{name} on {scope}"))
            }
            Ok(Held::Missing) => State::Missing,
            Ok(Held::NoIdentity) => State::NoIdentity,
            Err(reason) => State::NotSeen(reason),
        };
        let action = if need.is_binding() { BIND } else { ASSIGN_ROLES };
        let may_grant = self.may(action, &need.scope).await.unwrap_or_default();
        let scope = need.scope.clone();
        Row { about: About::Identity(need), scope, state, may_grant, grantors: Vec::new() }
    }

    async fn person(&mut self, row: &'static PersonRole, scope: ResourceId) -> Row {
        let mut state = State::There;
        for action in row.actions {
            match self.may(action, &scope).await {
                Ok(true) => {}
                Ok(false) => state = State::Missing,
                Err(reason) => state = State::NotSeen(reason),
            }
        }
        Row { about: About::You(row), scope, state, may_grant: false, grantors: Vec::new() }
    }

    /// Whether an identity's roles at a scope and above it are enough. A role through a group counts: the server adds them.
    async fn held(&mut self, need: &Need) -> Result<Held, String> {
        let Some(principal) = &need.principal else { return Ok(Held::NoIdentity) };
        let filter = format!("atScope() and assignedTo('{principal}')");
        let mut assignments = Vec::new();
        for found in self.assignments(&need.scope, &filter).await? {
            let mut one = self.assignment(&found, &need.scope).await?;
            if let Some(one) = one.as_mut() {
                one.principal.clone_from(principal);
            }
            assignments.extend(one);
        }
        let roles: Vec<RoleDefinition> = self.definitions.values().cloned().collect();
        Ok(need.held(&assignments, &roles))
    }

    async fn assignments(&self, scope: &ResourceId, filter: &str) -> Result<Vec<Value>, String> {
        let request = Request::get(format!("{scope}/{ASSIGNMENTS}"), versions::ROLES).ask("$filter", filter);
        self.session.client.list(&request).await.map_err(|error| error.to_string())
    }

    /// An assignment as the decision reads it. One with a condition grants less than its role says, and is not counted.
    async fn assignment(&mut self, found: &Value, below: &ResourceId) -> Result<Option<Assignment>, String> {
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
    async fn definition(&mut self, id: &str, at: &ResourceId) -> Result<RoleId, String> {
        let role = RoleId::new(id.rsplit('/').next().unwrap_or(id));
        if !self.definitions.contains_key(role.as_str()) {
            let path = format!("{at}/providers/Microsoft.Authorization/roleDefinitions/{}", role.as_str());
            let found =
                self.session.client.find(&path, versions::ROLES).await.map_err(|error| error.to_string())?;
            let properties = found.as_ref().and_then(|found| found.get("properties"));
            let text = |name: &str| properties.and_then(|all| all.get(name)?.as_str()).unwrap_or_default();
            let permissions = properties.and_then(|all| all.get("permissions")).cloned().unwrap_or_default();
            let definition = RoleDefinition {
                id: role.clone(),
                name: text("roleName").to_owned(),
                description: String::new(),
                permissions: read_permissions(&permissions)?,
            };
            self.definitions.insert(role.as_str().to_owned(), definition);
        }
        Ok(role)
    }

    /// Whether whoever runs this may do something.
    async fn may(&mut self, action: &str, scope: &ResourceId) -> Result<bool, String> {
        if !self.permissions.contains_key(scope.folded()) {
            let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
            let found = self.session.client.list(&Request::get(path, versions::ROLES)).await;
            let read = found.map_err(|error| error.to_string()).and_then(|all| read_permissions(&all.into()));
            let own = read.map(|permissions| RoleDefinition {
                id: RoleId::new("own"),
                name: "own".to_owned(),
                description: String::new(),
                permissions,
            });
            self.permissions.insert(scope.folded().to_owned(), own);
        }
        match self.permissions.get(scope.folded()) {
            Some(Ok(own)) => Ok(own.grants(&Action::control(action))),
            Some(Err(reason)) => Err(reason.clone()),
            None => Ok(false),
        }
    }

    /// Who may give roles at a scope; nobody where that cannot be seen.
    async fn grantors(&mut self, scope: &ResourceId) -> Vec<String> {
        let mut named = Vec::new();
        for found in self.assignments(scope, "atScope()").await.unwrap_or_default() {
            let Ok(Some(one)) = self.assignment(&found, scope).await else { continue };
            let Some(role) = self.definitions.get(one.role.as_str()) else { continue };
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
