//! Reads of subscriptions, resources, operations and the audit log.

use super::{Columns, Database, query, rows};
use crate::store::{AuditRow, OperationRecord, Stored, Stores, Subscription};
use arm::{OperationStatus, ResourceId};
use std::collections::BTreeSet;

pub async fn setting(database: &impl Database, name: &str) -> Stores<Option<String>> {
    let row = query("SELECT value FROM settings WHERE name = ?1").bind(name);
    database.fetch(row).await?.first().map(|row| rows::text(row, "value")).transpose()
}

pub async fn subscriptions(database: &impl Database) -> Stores<Vec<Subscription>> {
    let found = query("SELECT id, name, created_at FROM subscriptions ORDER BY created_at, key");
    let found = database.fetch(found).await?;
    found.iter().map(subscription).collect()
}

fn subscription(row: &impl Columns) -> Stores<Subscription> {
    Ok(Subscription {
        id: rows::id(row, "id")?,
        name: rows::text(row, "name")?,
        created_at: rows::time(row, "created_at")?,
    })
}

pub async fn registrations(database: &impl Database, subscription: &ResourceId) -> Stores<BTreeSet<String>> {
    let found =
        query("SELECT namespace FROM registrations WHERE subscription = ?1").bind(subscription.folded());
    let found = database.fetch(found).await?;
    found.iter().map(|row| rows::text(row, "namespace")).collect()
}

pub async fn resource(database: &impl Database, id: &ResourceId) -> Stores<Option<Stored>> {
    let row = query("SELECT id, document, version FROM resources WHERE key = ?1").bind(id.folded());
    database.fetch(row).await?.first().map(stored).transpose()
}

pub async fn resources(
    database: &impl Database,
    kind: &str,
    under: &ResourceId,
    after: Option<&str>,
    most: u32,
) -> Stores<Vec<Stored>> {
    // Keys below an id lie between `id/` and `id0`: 0 follows the slash.
    let from = format!("{}/", under.folded());
    let to = format!("{}0", under.folded());
    let after = after.filter(|after| *after > from.as_str()).unwrap_or(&from);
    let found = query(
        "SELECT id, document, version FROM resources WHERE kind = ?1 AND key > ?2 AND key < ?3 ORDER BY key LIMIT ?4",
    );
    let found = found.bind(kind.to_lowercase()).bind(after).bind(&to).bind(most);
    database.fetch(found).await?.iter().map(stored).collect()
}

pub async fn count(database: &impl Database, kind: &str, under: &ResourceId) -> Stores<usize> {
    let (from, to) = (format!("{}/", under.folded()), format!("{}0", under.folded()));
    let counted = query("SELECT COUNT(*) AS number FROM resources WHERE kind = ?1 AND key > ?2 AND key < ?3");
    let rows = database.fetch(counted.bind(kind.to_lowercase()).bind(from).bind(to)).await?;
    let number = rows.first().map(|row| rows::number(row, "number")).transpose()?.unwrap_or_default();
    Ok(usize::try_from(number).unwrap_or_default())
}

pub async fn resources_about(database: &impl Database, kind: &str, about: &str) -> Stores<Vec<Stored>> {
    let found =
        query("SELECT id, document, version FROM resources WHERE kind = ?1 AND about = ?2 ORDER BY key");
    let found = found.bind(kind.to_lowercase()).bind(about.to_ascii_lowercase());
    database.fetch(found).await?.iter().map(stored).collect()
}

fn stored(row: &impl Columns) -> Stores<Stored> {
    Ok(Stored {
        id: rows::id(row, "id")?,
        document: rows::json(row, "document")?,
        version: rows::number(row, "version")?,
    })
}

pub async fn operation(database: &impl Database, id: &str) -> Stores<Option<OperationRecord>> {
    let row = query("SELECT * FROM operations WHERE id = ?1").bind(id);
    database.fetch(row).await?.first().map(operation_record).transpose()
}

pub async fn operations(database: &impl Database, status: OperationStatus) -> Stores<Vec<OperationRecord>> {
    let found = query("SELECT * FROM operations WHERE status = ?1 ORDER BY started_at, id");
    let found = database.fetch(found.bind(rows::of_status(status))).await?;
    found.iter().map(operation_record).collect()
}

fn operation_record(row: &impl Columns) -> Stores<OperationRecord> {
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

pub async fn audit(database: &impl Database, after: i64, most: u32) -> Stores<Vec<AuditRow>> {
    let found = query("SELECT number, record, hash FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2");
    let found = database.fetch(found.bind(after).bind(most)).await?;
    found.iter().map(audit_row).collect()
}

fn audit_row(row: &impl Columns) -> Stores<AuditRow> {
    Ok(AuditRow {
        number: rows::number(row, "number")?,
        record: rows::text(row, "record")?,
        hash: rows::bytes(row, "hash")?,
    })
}
