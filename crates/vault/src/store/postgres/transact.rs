//! Transactions: all statements of a call and its audit record, or nothing of it.

use super::{
    bound,
    error::{is_race, store_error},
};
use crate::store::{
    AuditEntry, StoreError, Stores,
    audit::chained,
    sql::{Executed, Statement, judge},
};
use sqlx::{Connection, PgConnection, PgPool, Row, pool::PoolConnection};
use std::time::Duration;

/// Who appends to the audit log holds this advisory lock of the database until its transaction ends.
const AUDIT: i64 = 0x0C0F_FE12_DA3A_0D17;
/// How long one may take: longer than the server gives each of its statements, so that this ends only what is not heard of.
const LONGEST: Duration = Duration::from_secs(45);
/// How often a deadlock is tried again.
const ATTEMPTS: u32 = 3;

pub async fn transact(pool: &PgPool, statements: &[Statement], audit: Option<&AuditEntry>) -> Stores<()> {
    let mut attempt = 1;
    loop {
        match once(pool, statements, audit).await {
            Err(Refusal::Race(error)) if attempt < ATTEMPTS => {
                tracing::debug!(%error, "a transaction is tried again");
                attempt += 1;
            }
            Err(Refusal::Race(error)) => return Err(store_error(error)),
            Err(Refusal::Final(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

enum Refusal {
    /// The server ended it in favour of another transaction.
    Race(sqlx::Error),
    Final(StoreError),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        let race =
            error.as_database_error().is_some_and(|error| error.code().as_deref().is_some_and(is_race));
        if race { Self::Race(error) } else { Self::Final(store_error(error)) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Final(error)
    }
}

async fn once(pool: &PgPool, statements: &[Statement], audit: Option<&AuditEntry>) -> Result<(), Refusal> {
    let mut lent = Lent { connection: pool.acquire().await?, is_sound: false };
    let ended = tokio::time::timeout(LONGEST, one(&mut lent.connection, statements, audit)).await;
    lent.is_sound = ended.is_ok();
    ended.unwrap_or_else(|_| {
        let why = format!("the database did not end a transaction within {} s", LONGEST.as_secs());
        Err(StoreError::Unavailable(why).into())
    })
}

/// A connection on which a transaction was not heard to its end is closed: whoever gets it next would be in the middle of
/// that, or wait for its locks.
struct Lent {
    connection: PoolConnection<sqlx::Postgres>,
    is_sound: bool,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.is_sound {
            self.connection.close_on_drop();
        }
    }
}

async fn one(
    connection: &mut PgConnection,
    statements: &[Statement],
    audit: Option<&AuditEntry>,
) -> Result<(), Refusal> {
    let mut transaction = connection.begin().await?;
    if audit.is_some() {
        // Before the first change: audited transactions of all replicas come one after the other anyway, since each record
        // stands on the one before it, and so they cannot lock each other out.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(AUDIT);
        lock.execute(&mut *transaction).await?;
    }
    for Statement { query, must_meet } in statements {
        let executed = match bound(query.clone()).execute(&mut *transaction).await {
            Ok(done) => Executed::Rows(done.rows_affected()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Executed::Duplicate,
            Err(error) => return Err(error.into()),
        };
        judge(executed, must_meet.clone())?;
    }
    if let Some(audit) = audit {
        append(&mut transaction, audit).await?;
    }
    Ok(transaction.commit().await?)
}

/// In a transaction that nobody else can be beside.
pub async fn append_alone(connection: &mut PgConnection, audit: &AuditEntry) -> Result<(), StoreError> {
    append(connection, audit).await.map_err(|refusal| match refusal {
        Refusal::Race(error) => store_error(error),
        Refusal::Final(error) => error,
    })
}

async fn append(connection: &mut PgConnection, audit: &AuditEntry) -> Result<(), Refusal> {
    let last = sqlx::query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1");
    let (number, before): (i64, Vec<u8>) = match last.fetch_optional(&mut *connection).await? {
        Some(row) => (row.try_get("number")?, row.try_get("hash")?),
        None => (0, Vec::new()),
    };
    let record = serde_json::to_string(audit).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let hash = chained(&before, &record);
    let insert = sqlx::query("INSERT INTO audit (number, record, hash) VALUES ($1, $2, $3)")
        .bind(number + 1)
        .bind(record)
        .bind(hash);
    insert.execute(&mut *connection).await?;
    Ok(())
}
