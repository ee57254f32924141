//! Reads and fills whole databases.

use super::{Postgres, bound, error::store_error, transact};
use crate::store::{
    AuditEntry, StoreError, Stores,
    sql::whole,
    whole::{Cells, Filling, Snapshot, TABLES, Table, not_empty},
};
use async_trait::async_trait;
use sqlx::{Executor, Transaction};

#[derive(Debug)]
struct Reading(Transaction<'static, sqlx::Postgres>);

#[derive(Debug)]
struct Writing(Transaction<'static, sqlx::Postgres>);

/// The moment is that of the first page.
pub async fn snapshot(database: &Postgres) -> Stores<Box<dyn Snapshot>> {
    let begun = database.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await;
    Ok(Box::new(Reading(begun.map_err(store_error)?)))
}

/// A replica that starts for the first time meanwhile waits, and then finds what was filled in.
pub async fn fill(database: &Postgres) -> Stores<Box<dyn Filling>> {
    let mut writing = database.workers.begin().await.map_err(store_error)?;
    let all: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let lock = format!("LOCK TABLE {} IN EXCLUSIVE MODE", all.join(", "));
    writing.execute(sqlx::AssertSqlSafe(lock)).await.map_err(store_error)?;
    for (table, occupied) in whole::occupied() {
        let found = bound(occupied).fetch_optional(&mut *writing).await.map_err(store_error)?;
        if found.is_some() {
            return Err(not_empty(table));
        }
    }
    Ok(Box::new(Writing(writing)))
}

#[async_trait]
impl Snapshot for Reading {
    async fn page(&mut self, table: &'static Table, after: Option<&Cells>) -> Stores<Vec<Cells>> {
        let found = bound(whole::page(table, after)).fetch_all(&mut *self.0).await.map_err(store_error)?;
        found.iter().map(|row| whole::cells(table, row)).collect()
    }
}

#[async_trait]
impl Filling for Writing {
    async fn add(&mut self, table: &'static Table, columns: &[&'static str], rows: Vec<Cells>) -> Stores<()> {
        match bound(whole::add(table, columns, rows)).execute(&mut *self.0).await {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                Err(StoreError::Damaged(format!("two rows of {} have one key", table.name)))
            }
            other => other.map(drop).map_err(store_error),
        }
    }

    async fn keep(mut self: Box<Self>, audit: &AuditEntry) -> Stores<()> {
        transact::append_alone(&mut self.0, audit).await?;
        self.0.commit().await.map_err(store_error)
    }
}
