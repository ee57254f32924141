//! Transactions: all statements of a call and its audit record, or nothing of it.

use super::{bound, unavailable};
use crate::store::{
    AuditEntry, StoreError, Stores,
    audit::chained,
    sql::{Executed, Statement, judge},
};
use sqlx::{Connection, Row, SqliteConnection, SqlitePool};

pub async fn transact(
    pool: &SqlitePool,
    statements: Vec<Statement>,
    audit: Option<&AuditEntry>,
) -> Stores<()> {
    let mut connection = pool.acquire().await.map_err(unavailable)?;
    let ended = on(&mut connection, statements, audit).await;
    if matches!(ended, Err(StoreError::Unavailable(_) | StoreError::Damaged(_))) {
        // A full disk may have ended the transaction without the driver's knowledge: a new connection knows where it is.
        connection.close_on_drop();
    }
    ended
}

async fn on(
    connection: &mut SqliteConnection,
    statements: Vec<Statement>,
    audit: Option<&AuditEntry>,
) -> Stores<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    for Statement { query, must_meet } in statements {
        let executed = match bound(query).execute(&mut *transaction).await {
            Ok(done) => Executed::Rows(done.rows_affected()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Executed::Duplicate,
            Err(error) => return Err(unavailable(error)),
        };
        judge(executed, must_meet)?;
    }
    if let Some(audit) = audit {
        append(&mut transaction, audit).await?;
    }
    transaction.commit().await.map_err(unavailable)
}

pub async fn append(connection: &mut SqliteConnection, audit: &AuditEntry) -> Stores<()> {
    let last = sqlx::query("SELECT hash FROM audit ORDER BY number DESC LIMIT 1");
    let last = last.fetch_optional(&mut *connection).await.map_err(unavailable)?;
    let before: Vec<u8> =
        last.map(|row| row.try_get("hash")).transpose().map_err(unavailable)?.unwrap_or_default();
    let record = serde_json::to_string(audit).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let hash = chained(&before, &record);
    let insert = sqlx::query("INSERT INTO audit (record, hash) VALUES (?1, ?2)").bind(record).bind(hash);
    insert.execute(&mut *connection).await.map(drop).map_err(unavailable)
}
