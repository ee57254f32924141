//! Reads and fills whole databases.

use super::{Sqlite, bound, transact::append, unavailable};
use crate::store::{
    AuditEntry, StoreError, Stores,
    sql::whole,
    whole::{Cells, Filling, Snapshot, Table, not_empty},
};
use async_trait::async_trait;
use sqlx::Transaction;

#[derive(Debug)]
struct Reading(Transaction<'static, sqlx::Sqlite>);

#[derive(Debug)]
struct Writing(Transaction<'static, sqlx::Sqlite>);

/// The moment is that of the first page: the write-ahead log keeps it for as long as it is read.
pub async fn snapshot(database: &Sqlite) -> Stores<Box<dyn Snapshot>> {
    Ok(Box::new(Reading(database.readers.begin().await.map_err(unavailable)?)))
}

pub async fn fill(database: &Sqlite) -> Stores<Box<dyn Filling>> {
    let mut writing = database.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    for (table, occupied) in whole::occupied() {
        let found = bound(occupied).fetch_optional(&mut *writing).await.map_err(unavailable)?;
        if found.is_some() {
            return Err(not_empty(table));
        }
    }
    Ok(Box::new(Writing(writing)))
}

#[async_trait]
impl Snapshot for Reading {
    async fn page(&mut self, table: &'static Table, after: Option<&Cells>) -> Stores<Vec<Cells>> {
        let found = bound(whole::page(table, after)).fetch_all(&mut *self.0).await.map_err(unavailable)?;
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
            other => other.map(drop).map_err(unavailable),
        }
    }

    async fn keep(mut self: Box<Self>, audit: &AuditEntry) -> Stores<()> {
        append(&mut self.0, audit).await?;
        self.0.commit().await.map_err(unavailable)
    }
}
