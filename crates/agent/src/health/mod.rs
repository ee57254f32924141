//! Whether what was installed runs, and what its pods say if it does not.

mod judge;
mod look;

pub use judge::{Health, Workload, judge};
pub(crate) use look::look;
