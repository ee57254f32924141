//! Plans and applies a recovery point onto a target cluster: select, order, transform, decide, write.
//! The rules stand in `docs/restore-rules.md`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod api;
mod apply;
pub mod codes;
pub mod decide;
pub mod diff;
mod error;
mod export;
#[cfg(test)]
mod fake;
pub mod item;
mod json;
mod mapping;
pub mod modifiers;
pub mod never;
mod options;
pub mod order;
mod outcome;
mod plan;
mod row;
mod select;
mod source;
mod stop;
mod target;
pub mod transform;
mod volumes;
mod walk;

pub use apply::execute;
pub use error::{ReplayError, SourceError};
pub use export::{Export, Exported, NotExported};
#[cfg(test)]
pub(crate) use fake::{FakeCluster, FakeVolumes};
pub use mapping::Mapping;
pub use modifiers::Modifiers;
pub use options::{Budget, Patience, RestoreOptions};
pub use order::Stage;
pub use outcome::{Counts, End, JsonLines, Outcomes, Progress, Unwatched};
pub use plan::{Plan, plan};
pub use row::{Action, Checked, Ending, Row};
pub use source::{MemorySource, PointSource, RecoveryPointSource};
pub use target::Target;
pub use volumes::{ClaimToRestore, NoVolumes, Reach, VolumeRestorer};

#[cfg(test)]
mod tests;
