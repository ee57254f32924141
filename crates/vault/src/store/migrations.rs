//! Migrations are forward only: what was released is never changed, and no column changes its type or goes: replicas of the
//! version before keep their statements prepared. Embedded as text, not with the macro, which would
//! build the driver once more for the compiler.

use super::StoreError;
use sqlx::{
    SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

/// A version, its name and its statements.
pub type Step = (i64, &'static str, &'static str);

/// Those steps as the library runs them.
pub fn migrator(steps: &[Step]) -> Migrator {
    let migration = |(version, name, sql): &Step| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

/// What a database does not know of was done by a newer program.
pub fn failed(error: MigrateError, of_driver: impl FnOnce(sqlx::Error) -> StoreError) -> StoreError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
            StoreError::Newer(error.to_string())
        }
        MigrateError::VersionMismatch(_) | MigrateError::Dirty(_) => StoreError::Damaged(error.to_string()),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => of_driver(error),
        error => StoreError::Unavailable(error.to_string()),
    }
}
