//! What a capture reports while it runs.

use std::fmt::Debug;

/// Receives what a capture reports. Calls come from many tasks and must not block.
pub trait Progress: Send + Sync + Debug {
    /// So many resources will be listed; more may follow.
    fn planned(&self, resources: usize) {
        let _: usize = resources;
    }

    /// So many more objects with so many bytes went into the recovery point. A resource that has to be listed
    /// again counts again.
    fn captured(&self, objects: u64, bytes: u64) {
        let _: (u64, u64) = (objects, bytes);
    }

    /// A resource (`<resource>[.<group>]`) is done.
    fn listed(&self, resource: &str, objects: u64) {
        let _: (&str, u64) = (resource, objects);
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
