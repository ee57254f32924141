//! A bounded number of requests under way at the same time, in futures that can move between threads.

use futures::{StreamExt, future::BoxFuture};

/// Runs all, at most `limit` at a time; answers in their order.
pub(crate) async fn in_parallel<T: Send>(limit: usize, work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    futures::stream::iter(work).buffered(limit.max(1)).collect().await
}
