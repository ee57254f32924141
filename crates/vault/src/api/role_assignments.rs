//! Role assignments.

mod act;
mod decide;

pub use act::{delete, get, list, put};
