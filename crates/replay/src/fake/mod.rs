//! A cluster in memory that behaves like an API server in everything that a restore depends on, and volumes to
//! go with it. For tests.

mod cluster;
mod rules;
mod volumes;

pub use cluster::FakeCluster;
pub use volumes::FakeVolumes;
