//! Single statements on a connection of a pool, and what becomes of it when the server falls silent.

use super::error::store_error;
use crate::store::{StoreError, Stores};
use sqlx::{
    PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgQueryResult, PgRow},
    query::Query,
};
use std::time::Duration;
use tokio::time::{error::Elapsed, timeout};

/// How long one may take: longer than the server gives a statement, so that this ends only what is not heard of.
const LONGEST: Duration = Duration::from_secs(35);

/// The rows that a statement returns.
pub async fn rows(pool: &PgPool, statement: Query<'_, Postgres, PgArguments>) -> Stores<Vec<PgRow>> {
    let mut lent = pool.acquire().await.map_err(store_error)?;
    let ended = timeout(LONGEST, statement.fetch_all(&mut *lent)).await;
    judge(ended, &mut lent)
}

/// What a statement did.
pub async fn done(pool: &PgPool, statement: Query<'_, Postgres, PgArguments>) -> Stores<PgQueryResult> {
    let mut lent = pool.acquire().await.map_err(store_error)?;
    let ended = timeout(LONGEST, statement.execute(&mut *lent)).await;
    judge(ended, &mut lent)
}

/// A host that vanished closes no connection. One that nothing was heard on is closed, not handed out again.
fn judge<T>(
    ended: Result<Result<T, sqlx::Error>, Elapsed>,
    lent: &mut PoolConnection<Postgres>,
) -> Stores<T> {
    ended.map_or_else(
        |_| {
            lent.close_on_drop();
            let why = format!("the database did not answer within {} s", LONGEST.as_secs());
            Err(StoreError::Unavailable(why))
        },
        |ended| ended.map_err(store_error),
    )
}
