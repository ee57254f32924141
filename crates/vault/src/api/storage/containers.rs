//! Containers: the same records are made and removed here and by the data plane.

mod act;
mod record;

pub use act::{delete, get, list, patch, put};
pub use record::{ContainerRecord, container_id, etag, fresh, gone};
