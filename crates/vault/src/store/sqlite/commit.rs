//! Writes: all changes of a call and its audit record in one transaction.

use super::{rows, unavailable};
use crate::store::{AuditEntry, Change, Expected, StoreError, Stores, audit::chained};
use arm::ResourceId;
use serde_json::Value;
use sqlx::{Row, SqliteConnection, SqlitePool, sqlite::SqliteArguments};

type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

pub async fn commit(pool: &SqlitePool, changes: &[Change], audit: Option<&AuditEntry>) -> Stores<()> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    for change in changes {
        make(&mut transaction, change).await?;
    }
    if let Some(audit) = audit {
        append(&mut transaction, audit).await?;
    }
    transaction.commit().await.map_err(unavailable)
}

async fn append(connection: &mut SqliteConnection, audit: &AuditEntry) -> Stores<()> {
    let last = sqlx::query("SELECT hash FROM audit ORDER BY number DESC LIMIT 1");
    let last = last.fetch_optional(&mut *connection).await.map_err(unavailable)?;
    let before: Vec<u8> =
        last.map(|row| row.try_get("hash")).transpose().map_err(unavailable)?.unwrap_or_default();
    let record = serde_json::to_string(audit).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let hash = chained(&before, &record);
    let insert = sqlx::query("INSERT INTO audit (record, hash) VALUES (?1, ?2)").bind(record).bind(hash);
    insert.execute(&mut *connection).await.map(drop).map_err(unavailable)
}

async fn make(connection: &mut SqliteConnection, change: &Change) -> Stores<()> {
    match change {
        Change::Put { id, document, expected } => put(connection, id, document, *expected).await,
        Change::Remove(id, expected) => remove(connection, id, *expected).await,
        Change::RemovePrincipal(object_id) => remove_principal(connection, object_id).await,
        other => match simple(other) {
            Some((query, must_change)) => run(connection, query, must_change).await,
            None => Ok(()),
        },
    }
}

/// The one statement of a change, and what it is about when it must meet a row.
fn simple(change: &Change) -> Option<(Query, Option<String>)> {
    let query: (Query, Option<String>) = match change.clone() {
        Change::Set(name, value) => (
            sqlx::query(
                "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            )
            .bind(name)
            .bind(value),
            None,
        ),
        Change::SetOnce(name, value) => (
            sqlx::query("INSERT INTO settings (name, value) VALUES (?1, ?2)").bind(name.clone()).bind(value),
            Some(name),
        ),
        Change::AddSubscription(new) => (
            sqlx::query("INSERT INTO subscriptions (key, id, name, created_at) VALUES (?1, ?2, ?3, ?4)")
                .bind(new.id.folded().to_owned())
                .bind(new.id.to_string())
                .bind(new.name)
                .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::Register(subscription, namespace) => (
            sqlx::query("INSERT OR IGNORE INTO registrations (subscription, namespace) VALUES (?1, ?2)")
                .bind(subscription.folded().to_owned())
                .bind(namespace.to_lowercase()),
            None,
        ),
        Change::Unregister(subscription, namespace) => (
            sqlx::query("DELETE FROM registrations WHERE subscription = ?1 AND namespace = ?2")
                .bind(subscription.folded().to_owned())
                .bind(namespace.to_lowercase()),
            None,
        ),
        Change::Assign(new) => (
            sqlx::query(
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
            sqlx::query("UPDATE role_assignments SET document = ?2 WHERE name = ?1")
                .bind(name.clone())
                .bind(document.to_string()),
            Some(name),
        ),
        Change::Unassign(name) => {
            (sqlx::query("DELETE FROM role_assignments WHERE name = ?1").bind(name.clone()), Some(name))
        }
        Change::AddPrincipal(new) => (
            sqlx::query(
                "INSERT INTO principals (object_id, client_id, name, kind, resource, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(new.object_id)
            .bind(new.client_id)
            .bind(new.name)
            .bind(rows::of_principal_kind(new.kind))
            .bind(new.resource.map(|id| id.to_string()))
            .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::AddSecret(new) => (
            sqlx::query("INSERT INTO client_secrets (id, client_id, hash, created_at) VALUES (?1, ?2, ?3, ?4)")
                .bind(new.id)
                .bind(new.client_id)
                .bind(new.hash)
                .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::AddKey(new) => (
            sqlx::query("INSERT INTO signing_keys (id, sealed, created_at) VALUES (?1, ?2, ?3)")
                .bind(new.id)
                .bind(new.sealed)
                .bind(rows::to_column(new.created_at)),
            None,
        ),
        Change::RemoveKey(id) => (sqlx::query("DELETE FROM signing_keys WHERE id = ?1").bind(id), None),
        Change::Begin(new) => (
            sqlx::query(
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
            sqlx::query(
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
        Change::AddWork(new) => (
            sqlx::query(
                "INSERT OR IGNORE INTO work (id, kind, target, connection, due_at, attempts, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
            )
            .bind(new.id)
            .bind(new.kind)
            .bind(new.target.to_string())
            .bind(new.connection)
            .bind(rows::to_column(new.due_at))
            .bind(new.document.to_string()),
            None,
        ),
        Change::PutDown { id, owner, due_at, advanced, document } => (
            sqlx::query(
                "UPDATE work SET owner = NULL, claimed_until = 0, due_at = ?3, document = ?5,
                   attempts = CASE WHEN ?4 THEN 0 ELSE attempts END
                 WHERE id = ?1 AND owner = ?2",
            )
            .bind(id.clone())
            .bind(owner)
            .bind(rows::to_column(due_at))
            .bind(advanced)
            .bind(document.to_string()),
            Some(id),
        ),
        Change::Done(id, owner) => (
            sqlx::query("DELETE FROM work WHERE id = ?1 AND owner = ?2").bind(id.clone()).bind(owner),
            Some(id),
        ),
        Change::Drop(id) => (sqlx::query("DELETE FROM work WHERE id = ?1").bind(id), None),
        Change::Hurry(id, at) => (
            sqlx::query("UPDATE work SET due_at = min(due_at, ?2) WHERE id = ?1").bind(id).bind(rows::to_column(at)),
            None,
        ),
        Change::Put { .. } | Change::Remove(..) | Change::RemovePrincipal(_) => return None,
    };
    Some(query)
}

async fn put(
    connection: &mut SqliteConnection,
    id: &ResourceId,
    document: &Value,
    expected: Expected,
) -> Stores<()> {
    let query = match expected {
        Expected::Absent => {
            sqlx::query("INSERT INTO resources (key, id, kind, document, version) VALUES (?1, ?2, ?3, ?4, 1)")
                .bind(id.folded().to_owned())
                .bind(id.to_string())
                .bind(id.kind().as_str().to_lowercase())
                .bind(document.to_string())
        }
        Expected::Version(version) => sqlx::query(
            "UPDATE resources SET document = ?3, version = version + 1 WHERE key = ?1 AND version = ?2",
        )
        .bind(id.folded().to_owned())
        .bind(version)
        .bind(document.to_string()),
    };
    run(connection, query, Some(id.to_string())).await
}

async fn remove(connection: &mut SqliteConnection, id: &ResourceId, expected: Expected) -> Stores<()> {
    let Expected::Version(version) = expected else { return Err(StoreError::Conflict(id.to_string())) };
    let own = sqlx::query("DELETE FROM resources WHERE key = ?1 AND version = ?2");
    run(connection, own.bind(id.folded().to_owned()).bind(version), Some(id.to_string())).await?;
    let (from, to) = (format!("{}/", id.folded()), format!("{}0", id.folded()));
    let below = sqlx::query("DELETE FROM resources WHERE key > ?1 AND key < ?2");
    run(connection, below.bind(from.clone()).bind(to.clone()), None).await?;
    let roles = sqlx::query(
        "DELETE FROM role_assignments WHERE scope_key = ?1 OR (scope_key > ?2 AND scope_key < ?3)",
    );
    run(connection, roles.bind(id.folded().to_owned()).bind(from).bind(to), None).await
}

async fn remove_principal(connection: &mut SqliteConnection, object_id: &str) -> Stores<()> {
    for statement in [
        "DELETE FROM client_secrets WHERE client_id = (SELECT client_id FROM principals WHERE object_id = ?1)",
        "DELETE FROM role_assignments WHERE principal = ?1",
        "DELETE FROM principals WHERE object_id = ?1",
    ] {
        run(connection, sqlx::query(statement).bind(object_id.to_owned()), None).await?;
    }
    Ok(())
}

/// `what` must meet a row: when none is met, or one is there already, someone else was faster.
async fn run(connection: &mut SqliteConnection, query: Query, what: Option<String>) -> Stores<()> {
    match (query.execute(&mut *connection).await, what) {
        (Ok(done), Some(what)) if done.rows_affected() == 0 => Err(StoreError::Conflict(what)),
        (Ok(_), _) => Ok(()),
        (Err(sqlx::Error::Database(error)), what) if error.is_unique_violation() => {
            Err(StoreError::Conflict(what.unwrap_or_else(|| "the same thing".to_owned())))
        }
        (Err(error), _) => Err(unavailable(error)),
    }
}
