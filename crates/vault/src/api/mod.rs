//! The management API: who calls, what, whether they may, and the handler that does it.

mod authorize;
mod call;
pub mod clusters;
pub mod extensions;
mod groups;
mod handle;
pub mod identities;
mod operation;
mod operations;
mod permissions;
mod providers;
pub(crate) mod resource;
mod role_assignments;
mod role_definitions;
mod subscriptions;
mod versions;

pub use authorize::{Needs, permitted};
pub use call::{Call, Failure};
pub use groups::{DELETE as DELETE_GROUP, Group, KIND as GROUP, READ as READ_GROUP, read as read_group};
pub use handle::{Gate, authenticate, handle, of_store};
pub use operation::{begin, finished};
pub use operations::{Answered, At, Found, Handler, Operation, Params, find, operations};
pub use resource::Loaded;
pub use role_assignments::{administrators, keep_administrator, last_administrator};
