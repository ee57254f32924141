//! Recovery points whose cluster is gone: the vault deletes them from the repository itself, with the key that it keeps,
//! where the repository lies in a storage account of its own. Snapshots in the cluster's storage system it cannot reach; it
//! tells which are left.

mod decide;
mod erase;
mod found;
pub mod left;
mod observe;
pub mod prune;
mod turns;

pub use decide::{Gone, Seen, Standing, Watch, standing};
pub use erase::{Closed, erase, lost, lost_with, open};
pub use found::{Found, LeftSnapshot};
pub use observe::look;
pub use turns::{Turn, Turns};
