//! The store on PostgreSQL, which several replicas share.

mod error;
mod heard;
mod log;
mod transact;
mod url;
mod whole;

pub use url::{DatabaseUrl, DatabaseUrlError};

use super::{
    AuditEntry, Claim, Filling, Snapshot, Stores,
    migrations::{self, Step},
    sql::{Columns, Database, Query, Statement, Value, rows},
};
use async_trait::async_trait;
use error::store_error;
use log::Log;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgPool, Row,
    postgres::{PgArguments, PgConnectOptions, PgConnection, PgPoolOptions, PgRow},
};
use std::time::Duration;

const SCHEMA: &[Step] = &[
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "tunnels", include_str!("migrations/0002_tunnels.sql")),
    (3, "about", include_str!("migrations/0003_about.sql")),
    (4, "ended", include_str!("migrations/0004_ended.sql")),
    (5, "principal", include_str!("migrations/0005_principal.sql")),
    (6, "room", include_str!("migrations/0006_room.sql")),
];
/// Connections for questions, and how long one waits for its turn.
const READERS: Share = (12, Duration::from_secs(10));
/// Those for what goes on in the background: claims, and steps that only wait.
const WORKERS: Share = (3, Duration::from_secs(10));
/// That for audited changes: they queue for it without a connection that others could use.
const LOG: Share = (1, Duration::from_secs(15));
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// One that was used so lately is handed out as it is: it was tried when it was put back, and to try it again costs each
/// question a round to the server.
const FRESH: Duration = Duration::from_secs(1);
/// Nothing waits for ever: not for a statement, not for a lock, not for a client that went away in a transaction. What was
/// answered has reached the disk, whatever the server's default is. And a prepared statement is planned for the values of each
/// call: a page below one vault and one below a subscription are not read alike. Every statement has its index, and what the
/// server's statistics say of times is minutes old: by them it would now and then read all work to find what is due, or compile
/// what takes a millisecond.
const SESSION: &str = "SET statement_timeout = '30s'; SET lock_timeout = '15s';
    SET idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = on;
    SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; SET jit = off;";
/// Another replica may be migrating: long enough for that.
const MIGRATION: &str = "SET statement_timeout = '10min'; SET synchronous_commit = on;";

type Share = (u32, Duration);

/// A database on a server. Who asks, who works and who changes do not wait for each other's connections.
#[derive(Debug, Clone)]
pub struct Postgres {
    readers: PgPool,
    workers: PgPool,
    log: Log,
}

impl Postgres {
    /// Connects, and brings the database to the newest schema; of several replicas one does it, the others wait.
    pub async fn open(url: &DatabaseUrl) -> Stores<Self> {
        let options = url.options()?;
        migrate(&options).await?;
        let (readers, workers, log) =
            tokio::try_join!(pool(&options, READERS), pool(&options, WORKERS), pool(&options, LOG))?;
        Ok(Self { readers, workers, log: Log::over(log) })
    }
}

async fn pool(options: &PgConnectOptions, (most, wait): Share) -> Stores<PgPool> {
    let pool = PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(wait)
        .max_lifetime(LIFETIME)
        // A connection that broke while nobody used it is replaced, not handed out.
        .test_before_acquire(false)
        .before_acquire(|connection, seen| {
            Box::pin(async move { Ok(seen.idle_for < FRESH || connection.ping().await.is_ok()) })
        })
        .after_connect(|connection, _| Box::pin(async move { connection.execute(SESSION).await.map(drop) }));
    pool.connect_with(options.clone()).await.map_err(store_error)
}

async fn migrate(options: &PgConnectOptions) -> Stores<()> {
    let mut connection: PgConnection = options.connect().await.map_err(store_error)?;
    connection.execute(MIGRATION).await.map_err(store_error)?;
    let migrated = migrations::migrator(SCHEMA).run_direct(None, &mut connection, false).await;
    // The lock that keeps other replicas waiting goes with the connection.
    let closed = connection.close().await;
    migrated.map_err(|error| migrations::failed(error, store_error))?;
    closed.map_err(store_error)
}

type Bound = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// The statement as PostgreSQL writes it: `$1` for `?1`. Kept prepared, which saves it a round to the server, where it names the
/// columns that it returns: a newer replica may add one to a table meanwhile.
fn bound(query: Query) -> Bound {
    let names_columns = !query.sql.contains('*');
    let statement = sqlx::query(AssertSqlSafe(query.sql.replace('?', "$"))).persistent(names_columns);
    query.values.into_iter().fold(statement, |bound, value| match value {
        // PostgreSQL keeps no NUL in text; what a client sends must not become a failure of the database.
        Value::Text(text) => bound.bind(text.map(|text| text.replace('\0', "\u{fffd}"))),
        Value::Number(number) => bound.bind(number),
        Value::Bytes(bytes) => bound.bind(bytes),
        Value::Bool(yes) => bound.bind(yes),
    })
}

#[async_trait]
impl Database for Postgres {
    type Row = PgRow;

    async fn fetch(&self, query: Query) -> Stores<Vec<PgRow>> {
        heard::rows(&self.readers, bound(query)).await
    }

    async fn execute(&self, query: Query) -> Stores<u64> {
        Ok(heard::done(&self.workers, bound(query)).await?.rows_affected())
    }

    /// What another replica is claiming at this moment is passed over, not waited for. Materialized: else the planner may
    /// run the inner query more than once, and claim more than was asked for. The holder of a tunnel is looked up for each
    /// row: where the planner may choose, it reads all tunnels for a handful of rows.
    async fn claim(&self, claim: &Claim) -> Stores<Vec<PgRow>> {
        let query = sqlx::query(
            "WITH due AS MATERIALIZED (
               SELECT id FROM work WHERE due_at <= $3 AND claimed_until <= $3
                 AND (connection IS NULL OR due_at <= $6
                   OR (SELECT TRUE FROM tunnels WHERE tunnels.connection = work.connection
                     AND tunnels.held_until > $3 AND tunnels.replica <> $4) IS NULL)
               ORDER BY due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
             UPDATE work SET owner = $1, claimed_until = $2, attempts = attempts + 1
             FROM due WHERE work.id = due.id
             RETURNING work.id, kind, target, connection, due_at, attempts, document",
        )
        .bind(&claim.owner)
        .bind(rows::to_column(claim.until))
        .bind(rows::to_column(claim.now))
        .bind(&claim.replica)
        .bind(i64::from(claim.most))
        .bind(rows::to_column(claim.overdue));
        heard::rows(&self.workers, query).await
    }

    async fn transact(&self, statements: Vec<Statement>, audit: Option<&AuditEntry>) -> Stores<()> {
        match audit {
            Some(audit) => self.log.append(statements, audit).await,
            None => transact::transact(&self.workers, &statements, None).await,
        }
    }

    async fn snapshot(&self) -> Stores<Box<dyn Snapshot>> {
        whole::snapshot(self).await
    }

    async fn fill(&self) -> Stores<Box<dyn Filling>> {
        whole::fill(self).await
    }

    async fn close(&self) {
        tokio::join!(self.readers.close(), self.workers.close(), self.log.close());
    }
}

impl Columns for PgRow {
    fn text(&self, column: &'static str) -> Stores<Option<String>> {
        self.try_get(column).map_err(|error| rows::damaged(column, &error))
    }

    fn number(&self, column: &'static str) -> Stores<Option<i64>> {
        self.try_get(column).map_err(|error| rows::damaged(column, &error))
    }

    fn bytes(&self, column: &'static str) -> Stores<Option<Vec<u8>>> {
        self.try_get(column).map_err(|error| rows::damaged(column, &error))
    }
}
