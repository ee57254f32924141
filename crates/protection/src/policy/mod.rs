//! Backup policies: when backups are due, which retention tag each one gets, and when it has lived long enough.

pub mod interval;
pub mod retention;
pub mod schedule;
pub mod tags;
pub mod zones;

pub use interval::{IntervalError, Period, RepeatingInterval};
pub use retention::{Held, Lifetime, LifetimeError, expired};
pub use schedule::Schedule;
pub use tags::{Marker, TagRule, combinations, tag_for, tag_when};
pub use zones::zone;
