//! The management API: who calls, what, whether they may, and the handler that does it.

mod authorize;
mod call;
mod groups;
mod handle;
mod operations;
mod providers;
mod role_assignments;
mod role_definitions;
mod subscriptions;
mod versions;

pub use authorize::{Needs, permitted};
pub use call::{Call, Failure};
pub use groups::{DELETE as DELETE_GROUP, Group, KIND as GROUP};
pub use handle::{Gate, handle, of_store};
pub use operations::{At, Found, OPERATIONS, Op, Operation, Params, find};
