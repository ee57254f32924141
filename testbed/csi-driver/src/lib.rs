//! A CSI driver on a btrfs pool, for the testbed's clusters: volumes, snapshots, clones, groups, raw block.

mod btrfs;
pub mod error;
pub mod faults;
pub mod ids;
mod loops;
mod mountinfo;
pub mod pool;
pub mod proto;
pub mod publish;
pub mod server;
pub mod service;
mod tool;
