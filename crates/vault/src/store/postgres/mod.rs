//! The store on PostgreSQL, which several replicas share.

mod error;
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
];
const CONNECTIONS: u32 = 16;
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(10);
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Nothing waits for ever: not for a statement, not for a lock, not for a client that went away in a transaction. And what
/// was answered has reached the disk, whatever the server's default is.
const SESSION: &str = "SET statement_timeout = '30s'; SET lock_timeout = '15s';
    SET idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = on;";
/// Another replica may be migrating: long enough for that.
const MIGRATION: &str = "SET statement_timeout = '10min'; SET synchronous_commit = on;";

/// A database on a server.
#[derive(Debug, Clone)]
pub struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Connects, and brings the database to the newest schema; of several replicas one does it, the others wait.
    pub async fn open(url: &DatabaseUrl) -> Stores<Self> {
        let options = url.options()?;
        migrate(&options).await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(WAIT_FOR_A_CONNECTION)
            .max_lifetime(LIFETIME)
            // A connection that broke while nobody used it is replaced, not handed out.
            .test_before_acquire(true)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SESSION).await.map(drop) })
            })
            .connect_with(options)
            .await
            .map_err(store_error)?;
        Ok(Self { pool })
    }
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

/// The statement as PostgreSQL writes it: `$1` for `?1`. Not kept prepared: a newer replica may change a table meanwhile,
/// and a pooler may stand between.
fn bound(query: Query) -> Bound {
    let statement = sqlx::query(AssertSqlSafe(query.sql.replace('?', "$"))).persistent(false);
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
        bound(query).fetch_all(&self.pool).await.map_err(store_error)
    }

    async fn execute(&self, query: Query) -> Stores<u64> {
        let done = bound(query).execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected())
    }

    /// What another replica is claiming at this moment is passed over, not waited for. Materialized: else the planner may
    /// run the inner query more than once, and claim more than was asked for.
    async fn claim(&self, claim: &Claim) -> Stores<Vec<PgRow>> {
        let query = sqlx::query(
            "WITH due AS MATERIALIZED (
               SELECT id FROM work WHERE due_at <= $3 AND claimed_until <= $3
                 AND (connection IS NULL OR due_at <= $6
                   OR NOT EXISTS (SELECT 1 FROM tunnels WHERE tunnels.connection = work.connection
                     AND tunnels.held_until > $3 AND tunnels.replica <> $4))
               ORDER BY due_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
             UPDATE work SET owner = $1, claimed_until = $2, attempts = attempts + 1
             FROM due WHERE work.id = due.id
             RETURNING work.id, kind, target, connection, due_at, attempts, document",
        )
        .persistent(false)
        .bind(&claim.owner)
        .bind(rows::to_column(claim.until))
        .bind(rows::to_column(claim.now))
        .bind(&claim.replica)
        .bind(i64::from(claim.most))
        .bind(rows::to_column(claim.overdue));
        query.fetch_all(&self.pool).await.map_err(store_error)
    }

    async fn transact(&self, statements: Vec<Statement>, audit: Option<&AuditEntry>) -> Stores<()> {
        transact::transact(&self.pool, &statements, audit).await
    }

    async fn snapshot(&self) -> Stores<Box<dyn Snapshot>> {
        whole::snapshot(self).await
    }

    async fn fill(&self) -> Stores<Box<dyn Filling>> {
        whole::fill(self).await
    }

    async fn close(&self) {
        self.pool.close().await;
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
