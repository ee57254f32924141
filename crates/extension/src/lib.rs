//! The Backup Extension: reconciles the custom resources of `resources` in one cluster.
//!
//! Each kind has a folder of its own in which `observe` reads the world into one value, `decide` (pure) names the
//! next step and `act` takes it. State lives in the custom resource's status, in the repository and in labels of
//! the cluster's objects; killed at any line, a reconciler continues from `observe`.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod api;
mod background;
pub mod backup;
pub mod checks;
pub mod context;
pub mod delete_backup;
pub mod difference;
pub mod driver;
mod events;
pub mod fault;
pub mod grants;
pub mod health;
pub mod leader;
pub mod locations;
pub mod manifests;
pub mod metrics;
pub mod movers;
pub mod restore;
pub mod results;
mod run;
pub mod status;
pub mod step;
pub mod stop;
mod turns;
pub mod validate;
mod work;

pub use ::points;
pub use locations::READY;
pub use run::{RunError, run};
pub use volumes::files::{MoverReport, PASSWORD_FILE, SETTINGS_FILE};
