//! Claims on work. SQLite has one writer, so a claim is one statement that nobody else can interleave with.

use super::{rows, unavailable};
use crate::store::{Claim, Stores, Work};
use jiff::Timestamp;
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

pub async fn claim(pool: &SqlitePool, claim: &Claim) -> Stores<Vec<Work>> {
    let connections = serde_json::json!(claim.connections).to_string();
    let query = sqlx::query(
        "UPDATE work SET owner = ?1, claimed_until = ?2, attempts = attempts + 1 WHERE id IN (
           SELECT id FROM work WHERE due_at <= ?3 AND claimed_until <= ?3
             AND (connection IS NULL OR connection IN (SELECT value FROM json_each(?4)))
           ORDER BY due_at, id LIMIT ?5)
         RETURNING *",
    )
    .bind(&claim.owner)
    .bind(rows::to_column(claim.until))
    .bind(rows::to_column(claim.now))
    .bind(connections)
    .bind(claim.most);
    let mut found: Vec<Work> =
        query.fetch_all(pool).await.map_err(unavailable)?.iter().map(work).collect::<Stores<_>>()?;
    found.sort_by(|a, b| (a.due_at, &a.id).cmp(&(b.due_at, &b.id)));
    Ok(found)
}

pub async fn renew(pool: &SqlitePool, id: &str, owner: &str, until: Timestamp) -> Stores<bool> {
    let renewed = sqlx::query("UPDATE work SET claimed_until = ?3 WHERE id = ?1 AND owner = ?2")
        .bind(id)
        .bind(owner)
        .bind(rows::to_column(until));
    Ok(renewed.execute(pool).await.map_err(unavailable)?.rows_affected() > 0)
}

pub async fn next_due(pool: &SqlitePool) -> Stores<Option<Timestamp>> {
    let row = sqlx::query("SELECT due_at FROM work WHERE claimed_until = 0 ORDER BY due_at LIMIT 1");
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.map(|row| rows::time(&row, "due_at")).transpose()
}

fn work(row: &SqliteRow) -> Stores<Work> {
    Ok(Work {
        id: rows::text(row, "id")?,
        kind: rows::text(row, "kind")?,
        target: rows::id(row, "target")?,
        connection: row.try_get("connection").map_err(unavailable)?,
        due_at: rows::time(row, "due_at")?,
        attempts: u32::try_from(rows::number(row, "attempts")?).unwrap_or(u32::MAX),
        document: rows::json(row, "document")?,
    })
}
