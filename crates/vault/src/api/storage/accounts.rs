//! Storage accounts.

mod act;
mod decide;
mod gone;
mod network;
mod record;

pub use act::{delete, get, list, of_path, patch, put};
pub use gone::{changes as gone, removal};
pub use network::{IpRange, NetworkRules, ResourceRule};
pub use record::{AccountRecord, shown};
