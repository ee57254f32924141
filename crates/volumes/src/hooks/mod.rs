//! Commands in the application's containers around snapshots and after restores: which entries match which
//! pods (pure), and how one command is run (without a shell, with a timeout).

mod duration;
mod exec;
mod pods;
mod ready;
mod targets;

pub use duration::{InvalidDuration, parse_duration};
pub use exec::{HookFailure, run};
pub use pods::{PodFacts, observe_pod, observe_pods};
pub use ready::wait_for_container;
pub use targets::{
    BackupRun, Command, HookRef, RestoreRun, backup_targets, frozen_targets, look_into, restore_targets,
};
