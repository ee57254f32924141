//! What PostgreSQL's errors mean to the vault. Reference: PostgreSQL documentation, appendix A (error codes).

use crate::store::StoreError;

/// An error of the driver.
pub fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Damaged(error.to_string()),
        sqlx::Error::Database(of_server) => match of_server.code().as_deref() {
            Some(code) if is_damage(code) => StoreError::Damaged(error.to_string()),
            Some(code) if is_race(code) => StoreError::Conflict(error.to_string()),
            _ => StoreError::Unavailable(error.to_string()),
        },
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// Corrupted data or index, and tables or columns that are not there.
fn is_damage(code: &str) -> bool {
    matches!(code, "XX001" | "XX002" | "42P01" | "42703")
}

/// Serialization failures and deadlocks: done again, it may succeed.
pub fn is_race(code: &str) -> bool {
    matches!(code, "40001" | "40P01")
}
