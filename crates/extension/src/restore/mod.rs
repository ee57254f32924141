//! `Restore`: observe, decide, act.

pub mod decide;
