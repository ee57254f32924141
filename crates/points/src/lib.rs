//! Recovery points in a repository: found, opened for reading, forgotten. Knows no cluster and no vault, so that both do it
//! alike.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod forget;
mod point;

pub use forget::{Forgotten, forget};
pub use point::{
    OpenPoint, Point, PointError, TAG_BACKUP, TAG_CLUSTER, TAG_INSTANCE, TAG_POINT, find, list, of_backup,
};
