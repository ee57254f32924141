//! What is the same on every SQL database: the statements, and what their rows mean. Each database brings its own driver,
//! schema, transactions, claims and errors, and gets the [`Store`](super::Store) from here.

mod accounts;
mod commit;
mod grants;
mod query;
mod read;
pub mod rows;
mod store;
mod tunnels;
pub mod whole;
mod work;

pub use query::{Query, Value, query};
pub use rows::Columns;

use super::{AuditEntry, Claim, Filling, Snapshot, StoreError, Stores};
use async_trait::async_trait;
use std::fmt;

/// A statement of a transaction, and what it is about when it must meet a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The statement.
    pub query: Query,
    /// When no row is met, this was changed meanwhile.
    pub must_meet: Option<String>,
}

/// How a statement ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executed {
    /// It met so many rows.
    Rows(u64),
    /// A row with the same key is there already.
    Duplicate,
}

/// An SQL database.
#[async_trait]
pub trait Database: Send + Sync + fmt::Debug {
    /// What it answers with.
    type Row: Columns + Send + Sync;

    /// Reads.
    async fn fetch(&self, query: Query) -> Stores<Vec<Self::Row>>;
    /// Writes with one statement; how many rows it met.
    async fn execute(&self, query: Query) -> Stores<u64>;
    /// Claims work; the rows of the table `work`, in any order.
    async fn claim(&self, claim: &Claim) -> Stores<Vec<Self::Row>>;
    /// Executes all, and writes the audit record behind the last one; or nothing of it.
    async fn transact(&self, statements: Vec<Statement>, audit: Option<&AuditEntry>) -> Stores<()>;
    /// One moment of everything.
    async fn snapshot(&self) -> Stores<Box<dyn Snapshot>>;
    /// Fills it, which must be empty.
    async fn fill(&self) -> Stores<Box<dyn Filling>>;
    /// Ends all connections.
    async fn close(&self);
}

/// When a statement that must meet a row met none, or there is one already, someone else was faster.
pub fn judge(executed: Executed, must_meet: Option<String>) -> Stores<()> {
    match (executed, must_meet) {
        (Executed::Rows(0), Some(what)) => Err(StoreError::Conflict(what)),
        (Executed::Rows(_), _) => Ok(()),
        (Executed::Duplicate, what) => {
            Err(StoreError::Conflict(what.unwrap_or_else(|| "the same thing".to_owned())))
        }
    }
}
