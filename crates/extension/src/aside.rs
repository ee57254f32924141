//! Runs work whose future the compiler cannot prove to be `Send` on a thread that may block.

use crate::step::StepError;
use protection::{Problem, code};

/// Runs the future that `work` makes; it keeps running when the caller goes away.
pub async fn aside<T, F, Fut>(work: F) -> Result<T, StepError>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T>,
{
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work())).await.map_err(|error| {
        StepError::Permanent(Problem::error(
            code::GENERIC_WARNING,
            format!("work ended unexpectedly: {error}"),
        ))
    })
}
