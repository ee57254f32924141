//! The management API: who calls, what, whether they may, and the handler that does it.

mod authorize;
mod call;
pub mod clusters;
pub mod extensions;
mod groups;
pub mod guards;
mod handle;
pub mod instances;
pub mod jobs;
pub mod limits;
pub mod operation;
mod operations;
pub mod points;
pub mod policies;
mod providers;
mod resource;
mod role_assignments;
mod role_definitions;
pub mod storage;
mod subscriptions;
mod tracked;
pub mod vaults;
mod versions;

pub use authorize::{Needs, permitted};
pub use call::{Call, Failure};
pub use groups::{DELETE as DELETE_GROUP, Group, KIND as GROUP, READ as READ_GROUP, read as read_group};
pub use handle::{Gate, caller, handle, of_store, refused};
pub use operation::{begin, finished};
pub use operations::{Answered, At, Found, Handler, Operation, Params, find, operations};
pub use resource::{Loaded, load, put, read};
