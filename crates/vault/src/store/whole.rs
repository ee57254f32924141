//! The whole of a database, table by table: as one moment of it is read, and as an empty one is filled. The same for every
//! database, so that what one held can be put into another.

use super::{AuditEntry, StoreError, Stores};
use async_trait::async_trait;
use std::fmt;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// Bytes.
    Bytes,
}

/// A column.
pub type Column = (&'static str, ColumnKind);

/// A table that is copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns; the first [`Table::key`] of them are its key.
    pub columns: &'static [Column],
    /// How many columns its key has.
    pub key: usize,
    /// How many rows are read at a time: few where one may hold megabytes.
    pub page: u32,
}

/// Rows that are small.
const MANY: u32 = 500;
/// Rows with documents that clients or clusters wrote.
const FEW: u32 = 25;

use ColumnKind::{Bytes, Number, Text};

const fn table(name: &'static str, page: u32, key: usize, columns: &'static [Column]) -> Table {
    Table { name, columns, key, page }
}

/// The tables that are copied, each behind those that it refers to.
pub const TABLES: &[Table] = &[
    table("settings", MANY, 1, &[("name", Text), ("value", Text)]),
    table("subscriptions", MANY, 1, &[("key", Text), ("id", Text), ("name", Text), ("created_at", Number)]),
    table("registrations", MANY, 2, &[("subscription", Text), ("namespace", Text)]),
    table(
        "resources",
        FEW,
        1,
        &[("key", Text), ("id", Text), ("kind", Text), ("document", Text), ("version", Number)],
    ),
    table(
        "role_assignments",
        MANY,
        1,
        &[
            ("name", Text),
            ("scope_key", Text),
            ("scope", Text),
            ("principal", Text),
            ("role", Text),
            ("document", Text),
        ],
    ),
    table(
        "principals",
        MANY,
        1,
        &[
            ("object_id", Text),
            ("client_id", Text),
            ("name", Text),
            ("kind", Text),
            ("resource", Text),
            ("resource_key", Text),
            ("created_at", Number),
        ],
    ),
    table(
        "client_secrets",
        MANY,
        1,
        &[("id", Text), ("client_id", Text), ("hash", Text), ("created_at", Number)],
    ),
    table("signing_keys", MANY, 1, &[("id", Text), ("sealed", Bytes), ("created_at", Number)]),
    table("sealed_secrets", MANY, 1, &[("name", Text), ("sealed", Bytes)]),
    table(
        "operations",
        FEW,
        1,
        &[
            ("id", Text),
            ("kind", Text),
            ("target", Text),
            ("principal", Text),
            ("status", Text),
            ("started_at", Number),
            ("ended_at", Number),
            ("result", Text),
            ("error", Text),
        ],
    ),
    table(
        "work",
        FEW,
        1,
        &[
            ("id", Text),
            ("kind", Text),
            ("target", Text),
            ("connection", Text),
            ("due_at", Number),
            ("attempts", Number),
            ("document", Text),
        ],
    ),
    table("audit", MANY, 1, &[("number", Number), ("record", Text), ("hash", Bytes)]),
];

/// What is not copied, as table or `table.column`: claims and tunnels are of processes that are gone, failures to sign in
/// count for a day, and a refresh token that was used up since must not count again. What a resource is about the database
/// finds in its document.
pub const LEFT_OUT: &[&str] =
    &["resources.about", "work.owner", "work.claimed_until", "tunnels", "failed_sign_ins", "oauth_grants"];

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The values of a row, in the order of its table's columns.
pub type Cells = Vec<Cell>;

/// One moment of a database, as it is read.
#[async_trait]
pub trait Snapshot: Send + fmt::Debug {
    /// The rows of a table behind the last one of the page before, by key; none when there are no more.
    async fn page(&mut self, table: &'static Table, after: Option<&Cells>) -> Stores<Vec<Cells>>;
}

/// An empty database that is filled: all of it, or nothing.
#[async_trait]
pub trait Filling: Send + fmt::Debug {
    /// Adds rows, whose values are in the order of these columns.
    async fn add(&mut self, table: &'static Table, columns: &[&'static str], rows: Vec<Cells>) -> Stores<()>;
    /// Keeps what was added, and writes the audit record behind it.
    async fn keep(self: Box<Self>, audit: &AuditEntry) -> Stores<()>;
}

/// A database that holds something is not filled.
pub fn not_empty(table: &str) -> StoreError {
    StoreError::NotEmpty(table.to_owned())
}
