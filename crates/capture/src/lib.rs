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
