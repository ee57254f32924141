//! Volume data: which claims are protected how, CSI snapshots cut all at once and kept beyond the
//! application's namespace, claims filled from them, hooks around them, and file copies where a driver cannot
//! snapshot. Decisions are pure; acts are thin. Reference: `docs/volumes.md`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod anchor;
pub mod api;
mod classes;
mod contents;
mod cut;
pub mod decide;
mod detach;
mod error;
pub mod files;
pub mod hooks;
pub mod labels;
mod leftovers;
mod orphans;
mod parallel;
mod ready;
mod remind;
mod remove;
pub mod restore;
mod storage;

pub use anchor::{Anchored, anchor};
pub use classes::{own_class, own_group_class, remove_stale as remove_stale_classes};
pub use contents::ContentFacts;
pub use cut::{
    ClaimKey, CutOptions, CutOutcome, CutPlan, CutReport, CutSnapshot, Patience, SnapshotRequest, Verdict,
    cut, requests,
};
pub use detach::detach;
pub use error::VolumesError;
pub use leftovers::{LeftGroup, LeftSnapshot, Leftovers, observe_leftovers};
pub use orphans::{Orphan, orphans, remove_orphan};
pub use ready::await_ready;
pub use remove::{Fate, Kept, RecordedSnapshot, Removal, fate, remove_point, unanchored};
pub use storage::{observe_neighbours, observe_storage};
