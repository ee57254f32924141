//! The gRPC services: they translate between CSI's messages and the pool, and decide nothing else.

pub mod controller;
mod convert;
pub mod group;
pub mod identity;
pub mod node;
pub mod registration;
mod snapshot;

use crate::error::Error;
use tonic::{Response, Status};

/// The answer to one call.
type Answer<T> = Result<Response<T>, Status>;

/// Runs `work` to its end on a thread for blocking work, also when the caller hangs up meanwhile.
async fn to_the_end<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::warn!(%error, "request refused");
            Err(error.into())
        }
        Err(died) => Err(Error::Died(died.to_string()).into()),
    }
}
