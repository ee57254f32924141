//! Work: what was claimed, claims that are renewed, and when to look again.

use super::{Columns, Database, query, rows};
use crate::store::{Stores, Work};
use jiff::Timestamp;

/// What a claim got, the longest due first.
pub fn claimed(found: &[impl Columns]) -> Stores<Vec<Work>> {
    let mut found: Vec<Work> = found.iter().map(work_record).collect::<Stores<_>>()?;
    found.sort_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
    Ok(found)
}

pub async fn work(database: &impl Database, id: &str) -> Stores<Option<Work>> {
    let row = query("SELECT * FROM work WHERE id = ?1").bind(id);
    database.fetch(row).await?.first().map(work_record).transpose()
}

pub async fn hurry(database: &impl Database, now: Timestamp) -> Stores<()> {
    let statement = query("UPDATE work SET due_at = ?1 WHERE due_at > ?1").bind(rows::to_column(now));
    database.execute(statement).await.map(drop)
}

pub async fn renew(database: &impl Database, id: &str, owner: &str, until: Timestamp) -> Stores<bool> {
    let renewed = query("UPDATE work SET claimed_until = ?3 WHERE id = ?1 AND owner = ?2")
        .bind(id)
        .bind(owner)
        .bind(rows::to_column(until));
    Ok(database.execute(renewed).await? > 0)
}

/// Two ends of two indexes, whatever there is to do.
pub async fn next_due(database: &impl Database) -> Stores<Option<Timestamp>> {
    let next = query(
        "SELECT MIN(due) AS due FROM (
           SELECT MIN(due_at) AS due FROM work WHERE claimed_until = 0
           UNION ALL SELECT MIN(claimed_until) FROM work WHERE claimed_until > 0) AS ends",
    );
    let found = database.fetch(next).await?;
    found.first().map_or(Ok(None), |row| rows::optional_time(row, "due"))
}

fn work_record(row: &impl Columns) -> Stores<Work> {
    Ok(Work {
        id: rows::text(row, "id")?,
        kind: rows::text(row, "kind")?,
        target: rows::id(row, "target")?,
        connection: row.text("connection")?,
        due_at: rows::time(row, "due_at")?,
        attempts: u32::try_from(rows::number(row, "attempts")?).unwrap_or(u32::MAX),
        document: rows::json(row, "document")?,
    })
}
