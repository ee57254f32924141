//! Captures the API objects of a cluster into a recovery point: discover, select, list, stream.
//!
//! [`claims()`] says which volumes a backup concerns, [`capture()`] streams the objects into the repository while
//! they arrive, [`assemble()`] makes a recovery point of both. Memory does not grow with the number of objects.
//! Which objects, and how they are laid out: `docs/formats/recovery-point.md`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod api;
mod assemble;
mod budget;
mod capture;
mod claims;
mod discovery;
mod error;
mod facts;
mod fetch;
mod filter;
mod items;
mod list;
mod object;
mod page;
mod plan;
mod problems;
mod progress;
mod record;
mod survey;
mod tree;

pub use assemble::{Assembled, PointIdentity, VolumeContent, VolumeData, assemble};
pub use budget::Budget;
pub use capture::{Captured, capture};
pub use claims::{Claims, claims};
pub use error::CaptureError;
pub use items::{Envelope, SplitError, Splitter};
pub use progress::{Progress, Silent};

#[cfg(test)]
mod tests {
    //! The public calls can be spawned on any runtime.

    use super::*;
    use protection::Selection;
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    fn sendable<T: Send>(work: T) -> T {
        work
    }

    /// Compiling this is the test: a caller may spawn these calls.
    #[allow(dead_code)]
    async fn every_public_call_can_be_spawned(
        client: kube::Client,
        selection: Selection,
        writer: engine::Writer,
        identity: PointIdentity,
        cancel: CancellationToken,
    ) -> Result<Assembled, CaptureError> {
        let budget = Budget::default();
        sendable(claims(&client, &selection, &budget, &cancel)).await?;
        let captured = sendable(capture(&client, &selection, &writer, &budget, Arc::new(Silent))).await?;
        sendable(assemble(&writer, identity, captured, Vec::new(), Vec::new(), Vec::new())).await
    }
}
