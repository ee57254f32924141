//! The statements of a change.

use super::{Query, Statement, grants, query, rows};
use crate::store::{Change, Expected, Place, StoreError, Stores};
use arm::ResourceId;
use identity::RoleId;
use serde_json::Value;

/// The statements of all changes, in order.
pub fn statements(changes: &[Change]) -> Stores<Vec<Statement>> {
    let mut all = Vec::new();
    for change in changes {
        match change {
            Change::Put { id, document, expected } => all.push(put(id, document, *expected)),
            Change::Remove(id, expected) => all.extend(remove(id, *expected)?),
            Change::RemovePrincipal(object_id) => all.extend(remove_principal(object_id)),
            Change::AtMost { under, kind, most } => all.extend(at_most(under, kind, *most)),
            Change::NoneBut { subscription, kind, seen } => all.push(none_but(subscription, kind, seen)),
            Change::KeepAssigned(subscription, roles) => all.push(keep_assigned(subscription, roles)),
            other => all.extend(simple(other).map(|(query, must_meet)| Statement { query, must_meet })),
        }
    }
    Ok(all)
}

/// The one statement of a change, and what it is about when it must meet a row.
fn simple(change: &Change) -> Option<(Query, Option<String>)> {
    let simple: (Query, Option<String>) = match change.clone() {
        // Touches what must stay: whoever changes it at the same time has to wait, or meets a conflict.
        Change::Stays(id, version) => (
            query("UPDATE resources SET document = document WHERE key = ?1 AND version = ?2")
                .bind(id.folded().to_owned())
                .bind(version),
            Some(id.to_string()),
        ),
        Change::Set(name, value) => (
            query(
                "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            )
            .bind(name)
            .bind(value),
            None,
        ),
        Change::SetIf { name, before: None, value } => (
            query("INSERT INTO settings (name, value) VALUES (?1, ?2)").bind(name.clone()).bind(value),
            Some(name),
        ),
        Change::SetIf { name, before: Some(before), value } => (
            query("UPDATE settings SET value = ?2 WHERE name = ?1 AND value = ?3")
                .bind(name.clone())
                .bind(value)
                .bind(before),
            Some(name),
        ),
        Change::Unset(name) => (query("DELETE FROM settings WHERE name = ?1").bind(name), None),
        Change::AddSubscription(new) => (
            query("INSERT INTO subscriptions (key, id, name, created_at) VALUES (?1, ?2, ?3, ?4)")
                .bind(new.id.folded().to_owned())
                .bind(new.id.to_string())
                .bind(new.name)
                .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::Register(subscription, namespace) => (
            query("INSERT INTO registrations (subscription, namespace) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
                .bind(subscription.folded().to_owned())
                .bind(namespace.to_lowercase()),
            None,
        ),
        Change::Unregister(subscription, namespace) => (
            query("DELETE FROM registrations WHERE subscription = ?1 AND namespace = ?2")
                .bind(subscription.folded().to_owned())
                .bind(namespace.to_lowercase()),
            None,
        ),
        Change::Assign(new) => (
            query(
                "INSERT INTO role_assignments (name, scope_key, scope, principal, role, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(new.name)
            .bind(new.assignment.scope.folded().to_owned())
            .bind(new.assignment.scope.to_string())
            .bind(new.assignment.principal)
            .bind(new.assignment.role.as_str().to_owned())
            .bind(new.document.to_string()),
            None,
        ),
        Change::Describe(name, document) => (
            query("UPDATE role_assignments SET document = ?2 WHERE name = ?1")
                .bind(name.clone())
                .bind(document.to_string()),
            Some(name),
        ),
        Change::Unassign(name) => {
            (query("DELETE FROM role_assignments WHERE name = ?1").bind(name.clone()), Some(name))
        }
        Change::AddPrincipal(new) => (
            query(
                "INSERT INTO principals (object_id, client_id, name, kind, resource, resource_key, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .bind(new.object_id)
            .bind(new.client_id)
            .bind(new.name)
            .bind(rows::of_principal_kind(new.kind))
            .bind(new.resource.as_ref().map(ToString::to_string))
            .bind(new.resource.map(|id| id.folded().to_owned()))
            .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::AddSecret(new) => (
            query("INSERT INTO client_secrets (id, client_id, hash, created_at) VALUES (?1, ?2, ?3, ?4)")
                .bind(new.id)
                .bind(new.client_id)
                .bind(new.hash)
                .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::AddKey(new) => (
            query("INSERT INTO signing_keys (id, sealed, created_at) VALUES (?1, ?2, ?3)")
                .bind(new.id)
                .bind(new.sealed)
                .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::RemoveKey(id) => (query("DELETE FROM signing_keys WHERE id = ?1").bind(id), None),
        Change::Keep(name, sealed) => (
            query("INSERT INTO sealed_secrets (name, sealed) VALUES (?1, ?2)").bind(name.clone()).bind(sealed),
            Some(name),
        ),
        Change::Reseal { place, id, before, sealed } => {
            let statement = match place {
                Place::SigningKey => "UPDATE signing_keys SET sealed = ?3 WHERE id = ?1 AND sealed = ?2",
                Place::Secret => "UPDATE sealed_secrets SET sealed = ?3 WHERE name = ?1 AND sealed = ?2",
            };
            (query(statement).bind(id.clone()).bind(before).bind(sealed), Some(id))
        }
        Change::Begin(new) => (
            query(
                "INSERT INTO operations (id, kind, target, principal, status, started_at, ended_at, result, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )
            .bind(new.id)
            .bind(new.kind)
            .bind(new.target.to_string())
            .bind(new.principal)
            .bind(rows::of_status(new.status))
            .bind(rows::to_column(new.started_at))
            .bind(new.ended_at.map(rows::to_column))
            .bind(new.result.map(|result| result.to_string()))
            .bind(new.error.map(|error| error.to_string())),
            None,
        ),
        Change::End(id, ending, at) => (
            query(
                "UPDATE operations SET status = ?2, ended_at = ?3, result = ?4, error = ?5
                 WHERE id = ?1 AND status = 'Inprogress'",
            )
            .bind(id.clone())
            .bind(rows::of_status(ending.status))
            .bind(rows::to_column(at))
            .bind(ending.result.map(|result| result.to_string()))
            .bind(ending.error.map(|error| error.to_string())),
            Some(id),
        ),
        Change::ForgetOperations { ended_by, most } => (
            query(
                "DELETE FROM operations WHERE id IN (
                   SELECT id FROM operations WHERE status <> 'Inprogress' AND ended_at <= ?1
                   ORDER BY ended_at, id LIMIT ?2)",
            )
            .bind(rows::to_column(ended_by))
            .bind(most),
            None,
        ),
        Change::AddWork(new) => (
            query(
                "INSERT INTO work (id, kind, target, connection, due_at, attempts, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT DO NOTHING",
            )
            .bind(new.id)
            .bind(new.kind)
            .bind(new.target.to_string())
            .bind(new.connection)
            .bind(rows::to_column(new.due_at))
            .bind(new.document.to_string()),
            None,
        ),
        Change::PutDown { id, owner, due_at, advanced, document, connection } => (
            query(
                "UPDATE work SET owner = NULL, claimed_until = 0, due_at = ?3, document = ?5, connection = ?6,
                   attempts = CASE WHEN ?4 THEN 0 ELSE attempts END
                 WHERE id = ?1 AND owner = ?2",
            )
            .bind(id.clone())
            .bind(owner)
            .bind(rows::to_column(due_at))
            .bind(advanced)
            .bind(document.to_string())
            .bind(connection),
            Some(id),
        ),
        Change::Done(id, owner) => (
            query("DELETE FROM work WHERE id = ?1 AND owner = ?2").bind(id.clone()).bind(owner),
            Some(id),
        ),
        Change::Drop(id) => (query("DELETE FROM work WHERE id = ?1").bind(id), None),
        Change::Hurry(id, at) => (
            query("UPDATE work SET due_at = CASE WHEN due_at > ?2 THEN ?2 ELSE due_at END WHERE id = ?1").bind(id).bind(rows::to_column(at)),
            None,
        ),
        Change::Touch(id) => (
            query("UPDATE resources SET version = version + 1 WHERE key = ?1").bind(id.folded().to_owned()),
            Some(id.to_string()),
        ),
        Change::RemoveSecrets(client) => {
            (query("DELETE FROM client_secrets WHERE client_id = ?1").bind(client), None)
        }
        Change::PutGrant(grant, expected) => grants::put(grant, expected),
        Change::RemoveGrants(which) => grants::remove(which),
        Change::Put { .. }
        | Change::AtMost { .. }
        | Change::NoneBut { .. }
        | Change::Remove(..)
        | Change::RemovePrincipal(_)
        | Change::KeepAssigned(..) => return None,
    };
    Some(simple)
}

fn put(id: &ResourceId, document: &Value, expected: Expected) -> Statement {
    let query = match expected {
        Expected::Absent => {
            query("INSERT INTO resources (key, id, kind, document, version) VALUES (?1, ?2, ?3, ?4, 1)")
                .bind(id.folded())
                .bind(id.to_string())
                .bind(id.kind().as_str().to_lowercase())
                .bind(document.to_string())
        }
        Expected::Version(version) => {
            query("UPDATE resources SET document = ?3, version = version + 1 WHERE key = ?1 AND version = ?2")
                .bind(id.folded())
                .bind(version)
                .bind(document.to_string())
        }
    };
    Statement { query, must_meet: Some(id.to_string()) }
}

/// The first statement makes whoever counts below the same resource wait until this transaction ends; the second one then
/// sees what the others added, as each statement sees what was committed before it.
fn at_most(under: &ResourceId, kind: &str, most: usize) -> [Statement; 2] {
    let (from, to) = (format!("{}/", under.folded()), format!("{}0", under.folded()));
    let there = query("UPDATE resources SET document = document WHERE key = ?1").bind(under.folded());
    let few = query(
        "UPDATE resources SET document = document WHERE key = ?1
         AND (SELECT COUNT(*) FROM resources WHERE kind = ?2 AND key > ?3 AND key < ?4) <= ?5",
    );
    let few = few.bind(under.folded()).bind(kind.to_lowercase()).bind(from).bind(to);
    let few = few.bind(i64::try_from(most).unwrap_or(i64::MAX));
    [there, few].map(|query| Statement { query, must_meet: Some(under.to_string()) })
}

/// Sees what was committed before it, and audited transactions come one after the other.
fn none_but(subscription: &ResourceId, kind: &str, seen: &[(ResourceId, i64)]) -> Statement {
    let (from, to) = (format!("{}/", subscription.folded()), format!("{}0", subscription.folded()));
    let pairs: Vec<String> =
        (0..seen.len()).map(|at| format!("(?{}, ?{})", 2 * at + 5, 2 * at + 6)).collect();
    let but = match pairs.as_slice() {
        [] => String::new(),
        pairs => format!(" AND (key, version) NOT IN (VALUES {})", pairs.join(", ")),
    };
    let sql = format!(
        "UPDATE subscriptions SET name = name WHERE key = ?1 AND NOT EXISTS (
           SELECT 1 FROM resources WHERE kind = ?2 AND key > ?3 AND key < ?4{but})"
    );
    let none = query(sql).bind(subscription.folded()).bind(kind.to_lowercase()).bind(from).bind(to);
    let query = seen.iter().fold(none, |query, (id, version)| query.bind(id.folded()).bind(*version));
    Statement { query, must_meet: Some(format!("what {subscription} has of {kind}")) }
}

/// Behind what goes, its principals with all that is theirs.
fn remove(id: &ResourceId, expected: Expected) -> Stores<Vec<Statement>> {
    let Expected::Version(version) = expected else { return Err(StoreError::Conflict(id.to_string())) };
    let (key, from, to) = (id.folded(), format!("{}/", id.folded()), format!("{}0", id.folded()));
    let own = query("DELETE FROM resources WHERE key = ?1 AND version = ?2").bind(key).bind(version);
    let mut all = vec![Statement { query: own, must_meet: Some(id.to_string()) }];
    let below = query("DELETE FROM resources WHERE key > ?1 AND key < ?2").bind(&from).bind(&to);
    all.push(Statement { query: below, must_meet: None });
    let theirs = "(SELECT object_id FROM principals
                   WHERE resource_key = ?1 OR (resource_key > ?2 AND resource_key < ?3))";
    let clients = "(SELECT client_id FROM principals
                    WHERE resource_key = ?1 OR (resource_key > ?2 AND resource_key < ?3))";
    for statement in [
        "DELETE FROM role_assignments WHERE scope_key = ?1 OR (scope_key > ?2 AND scope_key < ?3)".to_owned(),
        format!("DELETE FROM client_secrets WHERE client_id IN {clients}"),
        format!("DELETE FROM role_assignments WHERE principal IN {theirs}"),
        format!("DELETE FROM oauth_grants WHERE principal IN {theirs}"),
        "DELETE FROM principals WHERE resource_key = ?1 OR (resource_key > ?2 AND resource_key < ?3)"
            .to_owned(),
    ] {
        let query = query(statement).bind(key).bind(&from).bind(&to);
        all.push(Statement { query, must_meet: None });
    }
    Ok(all)
}

fn remove_principal(object_id: &str) -> [Statement; 4] {
    [
        "DELETE FROM client_secrets WHERE client_id = (SELECT client_id FROM principals WHERE object_id = ?1)",
        "DELETE FROM role_assignments WHERE principal = ?1",
        "DELETE FROM oauth_grants WHERE principal = ?1",
        "DELETE FROM principals WHERE object_id = ?1",
    ]
    .map(|statement| Statement { query: query(statement).bind(object_id), must_meet: None })
}

/// Touches what must stay: whoever takes it away at the same time has to wait, or meets a conflict.
fn keep_assigned(subscription: &ResourceId, roles: &[RoleId]) -> Statement {
    let places: Vec<String> = (2..roles.len() + 2).map(|number| format!("?{number}")).collect();
    let sql = format!(
        "UPDATE role_assignments SET document = document WHERE scope_key = ?1 AND role IN ({})",
        places.join(", ")
    );
    let query =
        roles.iter().fold(query(sql).bind(subscription.folded()), |query, role| query.bind(role.as_str()));
    Statement { query, must_meet: Some(format!("the last administrator of {subscription}")) }
}
