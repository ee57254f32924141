//! The store on SQLite: one writer, several readers, write-ahead log.

mod transact;
mod whole;

use super::{
    AuditEntry, Claim, Filling, Snapshot, StoreError, Stores,
    migrations::{self, Step},
    sql::{Columns, Database, Query, Statement, Value, rows},
};
use async_trait::async_trait;
use sqlx::{
    AssertSqlSafe, Row, SqlitePool,
    sqlite::{
        SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow,
        SqliteSynchronous,
    },
};
use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

const SCHEMA: &[Step] = &[
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "work", include_str!("migrations/0002_work.sql")),
    (3, "identity", include_str!("migrations/0003_identity.sql")),
    (4, "sealed", include_str!("migrations/0004_sealed.sql")),
    (5, "tunnels", include_str!("migrations/0005_tunnels.sql")),
    (6, "about", include_str!("migrations/0006_about.sql")),
    (7, "ended", include_str!("migrations/0007_ended.sql")),
    (8, "principal", include_str!("migrations/0008_principal.sql")),
];
const READERS: u32 = 4;
const BUSY: Duration = Duration::from_secs(5);
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(10);

/// A database in one file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens the database, made if it is not there, and brings it to the newest schema.
    pub async fn open(path: &Path) -> Stores<Self> {
        // The files of the write-ahead log take its mode over.
        let made = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
        made.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was answered must survive a power failure.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool =
            |most| SqlitePoolOptions::new().max_connections(most).acquire_timeout(WAIT_FOR_A_CONNECTION);
        let writer = pool(1).connect_with(options.clone()).await.map_err(unavailable)?;
        let migrated = migrations::migrator(SCHEMA).run(&writer).await;
        migrated.map_err(|error| migrations::failed(error, unavailable))?;
        let readers = pool(READERS)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await
            .map_err(unavailable)?;
        Ok(Self { writer, readers })
    }
}

type Bound = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

fn bound(query: Query) -> Bound {
    query.values.into_iter().fold(sqlx::query(AssertSqlSafe(query.sql.into_owned())), |bound, value| {
        match value {
            Value::Text(text) => bound.bind(text),
            Value::Number(number) => bound.bind(number),
            Value::Bytes(bytes) => bound.bind(bytes),
            Value::Bool(yes) => bound.bind(yes),
        }
    })
}

fn unavailable(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Damaged(error.to_string()),
        sqlx::Error::Database(error) if is_damage(error.code().as_deref()) => {
            StoreError::Damaged(error.to_string())
        }
        error => StoreError::Unavailable(error.to_string()),
    }
}

/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`, whose extended codes have the plain one in their lowest byte.
fn is_damage(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

#[async_trait]
impl Database for Sqlite {
    type Row = SqliteRow;

    async fn fetch(&self, query: Query) -> Stores<Vec<SqliteRow>> {
        bound(query).fetch_all(&self.readers).await.map_err(unavailable)
    }

    async fn execute(&self, query: Query) -> Stores<u64> {
        let done = bound(query).execute(&self.writer).await.map_err(unavailable)?;
        Ok(done.rows_affected())
    }

    /// There is one writer, so this is one statement that nobody else can interleave with.
    async fn claim(&self, claim: &Claim) -> Stores<Vec<SqliteRow>> {
        let query = sqlx::query(
            "UPDATE work SET owner = ?1, claimed_until = ?2, attempts = attempts + 1 WHERE id IN (
               SELECT id FROM work WHERE due_at <= ?3 AND claimed_until <= ?3
                 AND (connection IS NULL OR due_at <= ?6
                   OR NOT EXISTS (SELECT 1 FROM tunnels WHERE tunnels.connection = work.connection
                     AND tunnels.held_until > ?3 AND tunnels.replica <> ?4))
               ORDER BY due_at, id LIMIT ?5)
             RETURNING *",
        )
        .bind(&claim.owner)
        .bind(rows::to_column(claim.until))
        .bind(rows::to_column(claim.now))
        .bind(&claim.replica)
        .bind(claim.most)
        .bind(rows::to_column(claim.overdue));
        query.fetch_all(&self.writer).await.map_err(unavailable)
    }

    async fn transact(&self, statements: Vec<Statement>, audit: Option<&AuditEntry>) -> Stores<()> {
        transact::transact(&self.writer, statements, audit).await
    }

    async fn snapshot(&self) -> Stores<Box<dyn Snapshot>> {
        whole::snapshot(self).await
    }

    async fn fill(&self) -> Stores<Box<dyn Filling>> {
        whole::fill(self).await
    }

    /// Folds the write-ahead log into the file.
    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Columns for SqliteRow {
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
