//! Reads of subscriptions, resources, operations and the audit log.

use super::{rows, unavailable};
use crate::store::{AuditRow, OperationRecord, Stored, Stores, Subscription};
use arm::{OperationStatus, ResourceId};
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};
use std::collections::BTreeSet;

pub async fn setting(pool: &SqlitePool, name: &str) -> Stores<Option<String>> {
    let row = sqlx::query("SELECT value FROM settings WHERE name = ?1").bind(name);
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.map(|row| rows::text(&row, "value")).transpose()
}

pub async fn subscriptions(pool: &SqlitePool) -> Stores<Vec<Subscription>> {
    let found = sqlx::query("SELECT id, name, created_at FROM subscriptions ORDER BY key");
    let found = found.fetch_all(pool).await.map_err(unavailable)?;
    let read = |row: &SqliteRow| {
        Ok(Subscription {
            id: rows::id(row, "id")?,
            name: rows::text(row, "name")?,
            created_at: rows::time(row, "created_at")?,
        })
    };
    found.iter().map(read).collect()
}

pub async fn registrations(pool: &SqlitePool, subscription: &ResourceId) -> Stores<BTreeSet<String>> {
    let found = sqlx::query("SELECT namespace FROM registrations WHERE subscription = ?1")
        .bind(subscription.folded());
    let found = found.fetch_all(pool).await.map_err(unavailable)?;
    found.iter().map(|row| rows::text(row, "namespace")).collect()
}

pub async fn resource(pool: &SqlitePool, id: &ResourceId) -> Stores<Option<Stored>> {
    let row = sqlx::query("SELECT id, document, version FROM resources WHERE key = ?1").bind(id.folded());
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.as_ref().map(stored).transpose()
}

pub async fn resources(
    pool: &SqlitePool,
    kind: &str,
    under: &ResourceId,
    after: Option<&str>,
    most: u32,
) -> Stores<Vec<Stored>> {
    // Keys below an id lie between `id/` and `id0`: 0 follows the slash.
    let from = format!("{}/", under.folded());
    let to = format!("{}0", under.folded());
    let after = after.filter(|after| *after > from.as_str()).unwrap_or(&from);
    let found = sqlx::query(
        "SELECT id, document, version FROM resources WHERE kind = ?1 AND key > ?2 AND key < ?3 ORDER BY key LIMIT ?4",
    );
    let found = found.bind(kind.to_lowercase()).bind(after).bind(&to).bind(most);
    found.fetch_all(pool).await.map_err(unavailable)?.iter().map(stored).collect()
}

fn stored(row: &SqliteRow) -> Stores<Stored> {
    Ok(Stored {
        id: rows::id(row, "id")?,
        document: rows::json(row, "document")?,
        version: rows::number(row, "version")?,
    })
}

pub async fn operation(pool: &SqlitePool, id: &str) -> Stores<Option<OperationRecord>> {
    let row = sqlx::query("SELECT * FROM operations WHERE id = ?1").bind(id);
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.as_ref().map(operation_record).transpose()
}

pub async fn operations(pool: &SqlitePool, status: OperationStatus) -> Stores<Vec<OperationRecord>> {
    let found = sqlx::query("SELECT * FROM operations WHERE status = ?1 ORDER BY started_at, id");
    let found = found.bind(rows::of_status(status)).fetch_all(pool).await.map_err(unavailable)?;
    found.iter().map(operation_record).collect()
}

fn operation_record(row: &SqliteRow) -> Stores<OperationRecord> {
    Ok(OperationRecord {
        id: rows::text(row, "id")?,
        kind: rows::text(row, "kind")?,
        target: rows::id(row, "target")?,
        principal: rows::text(row, "principal")?,
        status: rows::status(row, "status")?,
        started_at: rows::time(row, "started_at")?,
        ended_at: rows::optional_time(row, "ended_at")?,
        result: rows::optional_json(row, "result")?,
        error: rows::optional_json(row, "error")?,
    })
}

pub async fn audit(pool: &SqlitePool, after: i64, most: u32) -> Stores<Vec<AuditRow>> {
    let found =
        sqlx::query("SELECT number, record, hash FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2");
    let found = found.bind(after).bind(most).fetch_all(pool).await.map_err(unavailable)?;
    let read = |row: &SqliteRow| {
        Ok(AuditRow {
            number: row.try_get("number").map_err(unavailable)?,
            record: rows::text(row, "record")?,
            hash: rows::bytes(row, "hash")?,
        })
    };
    found.iter().map(read).collect()
}
