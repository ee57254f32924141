//! Resource groups.

mod act;
mod decide;

pub use act::{delete, exists, get, list, patch, put, result};
pub use decide::{Group, shown};

/// The type of a resource group.
pub const KIND: &str = "Microsoft.Resources/resourceGroups";
/// What a deletion is called among the operations.
pub const DELETE: &str = "Microsoft.Resources/subscriptions/resourceGroups/delete";
