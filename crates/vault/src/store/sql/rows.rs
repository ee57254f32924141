//! Columns and what they mean.

use crate::store::{PrincipalKind, StoreError, Stores};
use arm::{OperationStatus, ResourceId};
use jiff::Timestamp;
use serde_json::Value;

/// The columns of a row, by name. A column that is not there, or of another type, is damage.
pub trait Columns {
    /// Text.
    fn text(&self, column: &'static str) -> Stores<Option<String>>;
    /// A number.
    fn number(&self, column: &'static str) -> Stores<Option<i64>>;
    /// Bytes.
    fn bytes(&self, column: &'static str) -> Stores<Option<Vec<u8>>>;
}

/// Milliseconds since 1970.
pub fn to_column(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub fn text(row: &impl Columns, column: &'static str) -> Stores<String> {
    row.text(column)?.ok_or_else(|| empty(column))
}

pub fn number(row: &impl Columns, column: &'static str) -> Stores<i64> {
    row.number(column)?.ok_or_else(|| empty(column))
}

pub fn bytes(row: &impl Columns, column: &'static str) -> Stores<Vec<u8>> {
    row.bytes(column)?.ok_or_else(|| empty(column))
}

pub fn time(row: &impl Columns, column: &'static str) -> Stores<Timestamp> {
    Timestamp::from_millisecond(number(row, column)?).map_err(|error| damaged(column, &error))
}

pub fn optional_time(row: &impl Columns, column: &'static str) -> Stores<Option<Timestamp>> {
    let at = row.number(column)?;
    at.map(Timestamp::from_millisecond).transpose().map_err(|error| damaged(column, &error))
}

pub fn id(row: &impl Columns, column: &'static str) -> Stores<ResourceId> {
    text(row, column)?.parse().map_err(|error| damaged(column, &error))
}

pub fn json(row: &impl Columns, column: &'static str) -> Stores<Value> {
    serde_json::from_str(&text(row, column)?).map_err(|error| damaged(column, &error))
}

pub fn optional_json(row: &impl Columns, column: &'static str) -> Stores<Option<Value>> {
    let text = row.text(column)?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| damaged(column, &error))
}

pub fn optional_id(row: &impl Columns, column: &'static str) -> Stores<Option<ResourceId>> {
    let text = row.text(column)?;
    text.map(|text| text.parse()).transpose().map_err(|error: arm::IdError| damaged(column, &error))
}

pub fn principal_kind(row: &impl Columns, column: &'static str) -> Stores<PrincipalKind> {
    match text(row, column)?.as_str() {
        "Application" => Ok(PrincipalKind::Application),
        "ManagedIdentity" => Ok(PrincipalKind::ManagedIdentity),
        "User" => Ok(PrincipalKind::User),
        other => Err(damaged(column, &format!("{other:?} is no kind of principal"))),
    }
}

pub fn of_principal_kind(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Application => "Application",
        PrincipalKind::ManagedIdentity => "ManagedIdentity",
        PrincipalKind::User => "User",
    }
}

pub fn status(row: &impl Columns, column: &'static str) -> Stores<OperationStatus> {
    serde_json::from_value(Value::String(text(row, column)?)).map_err(|error| damaged(column, &error))
}

pub fn of_status(status: OperationStatus) -> &'static str {
    match status {
        OperationStatus::Inprogress => "Inprogress",
        OperationStatus::Succeeded => "Succeeded",
        OperationStatus::Failed => "Failed",
        OperationStatus::Canceled => "Canceled",
    }
}

fn empty(column: &str) -> StoreError {
    StoreError::Damaged(format!("column {column} holds nothing"))
}

/// A column that does not hold what it should.
pub fn damaged(column: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("column {column}: {error}"))
}
