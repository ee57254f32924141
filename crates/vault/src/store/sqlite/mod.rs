//! The store on SQLite: one writer, several readers, write-ahead log.

mod accounts;
mod commit;
mod read;
mod rows;
mod work;

use super::{
    AssignmentRecord, AuditEntry, AuditRow, Change, Claim, ClientSecret, FailedSignIns, OperationRecord,
    Principal, SealedKey, Store, StoreError, Stored, Stores, Subscription, Work,
};
use arm::{OperationStatus, ResourceId};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{
    SqlSafeStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{collections::BTreeSet, fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

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
        migrations().run(&writer).await.map_err(migration)?;
        let readers = pool(READERS)
            .connect_with(options.create_if_missing(false).read_only(true))
            .await
            .map_err(unavailable)?;
        Ok(Self { writer, readers })
    }

    /// Ends all connections, which folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Forward only: a file in `migrations/` is never changed once it was released.
fn migrations() -> Migrator {
    let all = [
        (1, "first", include_str!("../migrations/0001_first.sql")),
        (2, "work", include_str!("../migrations/0002_work.sql")),
    ];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(all.map(migration).to_vec())
}

fn migration(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
            StoreError::Newer(error.to_string())
        }
        error => StoreError::Unavailable(error.to_string()),
    }
}

fn unavailable(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Damaged(error.to_string()),
        error => StoreError::Unavailable(error.to_string()),
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn ready(&self) -> Stores<()> {
        sqlx::query("SELECT 1").execute(&self.readers).await.map(drop).map_err(unavailable)
    }

    async fn setting(&self, name: &str) -> Stores<Option<String>> {
        read::setting(&self.readers, name).await
    }

    async fn subscriptions(&self) -> Stores<Vec<Subscription>> {
        read::subscriptions(&self.readers).await
    }

    async fn registrations(&self, subscription: &ResourceId) -> Stores<BTreeSet<String>> {
        read::registrations(&self.readers, subscription).await
    }

    async fn resource(&self, id: &ResourceId) -> Stores<Option<Stored>> {
        read::resource(&self.readers, id).await
    }

    async fn resources(
        &self,
        kind: &str,
        under: &ResourceId,
        after: Option<&str>,
        most: u32,
    ) -> Stores<Vec<Stored>> {
        read::resources(&self.readers, kind, under, after, most).await
    }

    async fn assignment(&self, name: &str) -> Stores<Option<AssignmentRecord>> {
        accounts::assignment(&self.readers, name).await
    }

    async fn assignments_of(&self, principal: &str) -> Stores<Vec<AssignmentRecord>> {
        accounts::assignments_of(&self.readers, principal).await
    }

    async fn assignments_in(&self, subscription: &ResourceId) -> Stores<Vec<AssignmentRecord>> {
        accounts::assignments_in(&self.readers, subscription).await
    }

    async fn principal(&self, object_id: &str) -> Stores<Option<Principal>> {
        accounts::principal(&self.readers, object_id).await
    }

    async fn principal_of_client(&self, client_id: &str) -> Stores<Option<Principal>> {
        accounts::principal_of_client(&self.readers, client_id).await
    }

    async fn client_secrets(&self, client_id: &str) -> Stores<Vec<ClientSecret>> {
        accounts::client_secrets(&self.readers, client_id).await
    }

    async fn failed_sign_ins(&self, client_id: &str) -> Stores<FailedSignIns> {
        accounts::failed_sign_ins(&self.readers, client_id).await
    }

    async fn note_sign_in(&self, client_id: &str, failed_at: Option<Timestamp>) -> Stores<()> {
        accounts::note_sign_in(&self.writer, client_id, failed_at).await
    }

    async fn signing_keys(&self) -> Stores<Vec<SealedKey>> {
        accounts::signing_keys(&self.readers).await
    }

    async fn operation(&self, id: &str) -> Stores<Option<OperationRecord>> {
        read::operation(&self.readers, id).await
    }

    async fn operations(&self, status: OperationStatus) -> Stores<Vec<OperationRecord>> {
        read::operations(&self.readers, status).await
    }

    async fn claim(&self, claim: &Claim) -> Stores<Vec<Work>> {
        work::claim(&self.writer, claim).await
    }

    async fn renew(&self, id: &str, owner: &str, until: Timestamp) -> Stores<bool> {
        work::renew(&self.writer, id, owner, until).await
    }

    async fn next_due(&self) -> Stores<Option<Timestamp>> {
        work::next_due(&self.readers).await
    }

    async fn commit(&self, changes: &[Change], audit: &AuditEntry) -> Stores<()> {
        commit::commit(&self.writer, changes, Some(audit)).await
    }

    async fn commit_unaudited(&self, changes: &[Change]) -> Stores<()> {
        commit::commit(&self.writer, changes, None).await
    }

    async fn note(&self, audit: &AuditEntry) -> Stores<()> {
        commit::commit(&self.writer, &[], Some(audit)).await
    }

    async fn audit(&self, after: i64, most: u32) -> Stores<Vec<AuditRow>> {
        read::audit(&self.readers, after, most).await
    }
}
