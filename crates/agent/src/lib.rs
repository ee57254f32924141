//! The agent of a cluster: installs, changes, removes and reports extensions from signed packages.
//!
//! What should be there comes from a [`VaultLink`]; what is there stands in the cluster, in one Secret
//! ([`inventory`]), so that an agent that is killed at any line continues from it. [`decide`] is pure; `act` performs
//! one step. Reference: `docs/formats/extension-package.md` and `docs/formats/cluster-link.md`, section "Agent".

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod act;
pub mod decide;
mod egress;
mod error;
mod facts;
mod fault;
mod health;
pub mod inventory;
mod link;
pub mod manifests;
mod objects;
mod record;
mod registry;
mod report;
mod run;
mod start;
mod tunnelled;

pub use egress::Egress;
pub use error::{ActError, Failure, code};
pub use facts::observe as observe_cluster;
pub use fault::FaultPoints;
pub use health::{Health, judge as judge_health};
pub use link::{LinkError, VaultLink};
pub use record::{Record, Release, Work};
pub use registry::{HttpRegistry, Registries, Registry, RegistryError};
pub use run::{Agent, Config, Turn};
pub use start::{NAME, Settings, StartError, start};
pub use tunnelled::{Keeper, Tunnelled, tunnelled};

pub(crate) use act::QUOTA;

/// Field manager of everything that the agent applies.
pub const MANAGER: &str = "cofferdam-agent";
/// Annotation of everything that belongs to an extension; its value is the extension's name.
pub const OWNER: &str = "cofferdam.io/extension";
