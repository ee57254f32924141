//! The life of a cluster: up, status, down.

mod down;
mod status;
mod up;

pub use down::{down, down_everything};
pub use status::{ClusterStatus, status};
pub use up::{UpOptions, up};
