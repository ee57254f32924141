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
pub const LONGEST: Duration = Duration::from_secs(45);
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

/// Why a transaction was not kept.
pub enum Refusal {
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
    let mut lent = Lent::of(pool).await?;
    let ended = tokio::time::timeout(LONGEST, one(&mut lent.connection, statements, audit)).await;
    lent.is_sound = ended.is_ok();
    ended.unwrap_or_else(|_| Err(unheard().into()))
}

/// What is told of a transaction that was not heard to its end.
pub fn unheard() -> StoreError {
    StoreError::Unavailable(format!("the database did not end a transaction within {} s", LONGEST.as_secs()))
}

/// A connection on which a transaction was not heard to its end is closed: whoever gets it next would be in the middle of
/// that, or wait for its locks.
pub struct Lent {
    pub connection: PoolConnection<sqlx::Postgres>,
    pub is_sound: bool,
}

impl Lent {
    /// One of these, not yet sound.
    pub async fn of(pool: &PgPool) -> Stores<Self> {
        Ok(Self { connection: pool.acquire().await.map_err(store_error)?, is_sound: false })
    }
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
        wait_for_turn(&mut transaction).await?;
    }
    apply(&mut transaction, statements).await?;
    append(&mut transaction, audit).await?;
    Ok(transaction.commit().await?)
}

/// Before the first change: audited transactions of all replicas come one after the other anyway, since each record stands on
/// the one before it, and so they cannot lock each other out.
pub async fn wait_for_turn(connection: &mut PgConnection) -> Result<(), Refusal> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(AUDIT).execute(connection).await?;
    Ok(())
}

/// The statements, in a transaction that has begun.
pub async fn apply(connection: &mut PgConnection, statements: &[Statement]) -> Result<(), Refusal> {
    for Statement { query, must_meet } in statements {
        let executed = match bound(query.clone()).execute(&mut *connection).await {
            Ok(done) => Executed::Rows(done.rows_affected()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Executed::Duplicate,
            Err(error) => return Err(error.into()),
        };
        judge(executed, must_meet.clone())?;
    }
    Ok(())
}

/// In a transaction that nobody else can be beside.
pub async fn append_alone(connection: &mut PgConnection, audit: &AuditEntry) -> Result<(), StoreError> {
    append(connection, [audit]).await.map_err(|refusal| match refusal {
        Refusal::Race(error) => store_error(error),
        Refusal::Final(error) => error,
    })
}

/// Puts records behind the last one.
pub async fn append<'a>(
    connection: &mut PgConnection,
    records: impl IntoIterator<Item = &'a AuditEntry>,
) -> Result<(), Refusal> {
    let mut new = Vec::new();
    for audit in records {
        new.push(serde_json::to_string(audit).map_err(|error| StoreError::Damaged(error.to_string()))?);
    }
    if new.is_empty() {
        return Ok(());
    }
    let last = sqlx::query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1");
    let (last, mut hash): (i64, Vec<u8>) = match last.fetch_optional(&mut *connection).await? {
        Some(row) => (row.try_get("number")?, row.try_get("hash")?),
        None => (0, Vec::new()),
    };
    let mut hashes = Vec::new();
    for record in &new {
        hash = chained(&hash, record);
        hashes.push(hash.clone());
    }
    let numbers: Vec<i64> = (last + 1..).take(new.len()).collect();
    let insert = sqlx::query(
        "INSERT INTO audit (number, record, hash) SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::bytea[])",
    );
    insert.bind(numbers).bind(new).bind(hashes).execute(&mut *connection).await?;
    Ok(())
}
