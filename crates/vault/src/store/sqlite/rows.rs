//! Columns and what they mean.

use crate::store::{PrincipalKind, StoreError, Stores};
use arm::{OperationStatus, ResourceId};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Row, sqlite::SqliteRow};

/// Milliseconds since 1970.
pub fn to_column(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub fn text(row: &SqliteRow, column: &'static str) -> Stores<String> {
    row.try_get(column).map_err(|error| damaged(column, &error))
}

pub fn number(row: &SqliteRow, column: &'static str) -> Stores<i64> {
    row.try_get(column).map_err(|error| damaged(column, &error))
}

pub fn bytes(row: &SqliteRow, column: &'static str) -> Stores<Vec<u8>> {
    row.try_get(column).map_err(|error| damaged(column, &error))
}

pub fn time(row: &SqliteRow, column: &'static str) -> Stores<Timestamp> {
    Timestamp::from_millisecond(number(row, column)?).map_err(|error| damaged(column, &error))
}

pub fn optional_time(row: &SqliteRow, column: &'static str) -> Stores<Option<Timestamp>> {
    let at: Option<i64> = row.try_get(column).map_err(|error| damaged(column, &error))?;
    at.map(Timestamp::from_millisecond).transpose().map_err(|error| damaged(column, &error))
}

pub fn id(row: &SqliteRow, column: &'static str) -> Stores<ResourceId> {
    text(row, column)?.parse().map_err(|error| damaged(column, &error))
}

pub fn json(row: &SqliteRow, column: &'static str) -> Stores<Value> {
    serde_json::from_str(&text(row, column)?).map_err(|error| damaged(column, &error))
}

pub fn optional_json(row: &SqliteRow, column: &'static str) -> Stores<Option<Value>> {
    let text: Option<String> = row.try_get(column).map_err(|error| damaged(column, &error))?;
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| damaged(column, &error))
}

pub fn optional_id(row: &SqliteRow, column: &'static str) -> Stores<Option<ResourceId>> {
    let text: Option<String> = row.try_get(column).map_err(|error| damaged(column, &error))?;
    text.map(|text| text.parse()).transpose().map_err(|error: arm::IdError| damaged(column, &error))
}

pub fn principal_kind(row: &SqliteRow, column: &'static str) -> Stores<PrincipalKind> {
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

pub fn status(row: &SqliteRow, column: &'static str) -> Stores<OperationStatus> {
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

fn damaged(column: &str, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("column {column}: {error}"))
}
