//! The management API: who calls, what, whether they may, and the handler that does it.

mod advice;
pub mod alerts;
mod authorize;
mod call;
pub mod clusters;
mod each;
pub mod extensions;
mod graph;
mod groups;
pub mod guards;
mod handle;
pub mod identities;
pub mod instances;
mod inventory;
pub mod jobs;
pub mod limits;
pub mod locks;
mod not_offered;
pub mod openapi;
pub mod operation;
mod operation_lists;
mod operations;
mod permissions;
pub mod points;
pub mod policies;
mod providers;
pub(crate) mod resource;
mod role_assignments;
mod role_definitions;
pub mod storage;
mod subscriptions;
mod tracked;
pub mod vaults;
mod versions;

pub use authorize::{Needs, permitted};
pub use call::{Call, Failure};
pub use each::Each;
pub use groups::{
    BLOCKED as BLOCKED_GROUP, DELETE as DELETE_GROUP, Group, KIND as GROUP, READ as READ_GROUP,
    keeps as group_keeps, read as read_group,
};
pub use handle::{Gate, authenticate, handle, of_store, refused};
pub use inventory::kinds_in_groups;
pub use operation::{begin, finished};
pub use operations::{Answered, At, Found, Handler, Operation, Params, find, operations};
pub use resource::{Loaded, TRIES, load, put, read};
pub use role_assignments::{Administrators, administrators_below, keep_administrator, last_administrator};
