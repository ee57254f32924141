//! Who may do what: principals, roles, assignments and the decision about a call.

pub mod action;
pub mod builtin;
pub mod decide;
pub mod required;
pub mod role;
pub mod stores;

pub use action::{Action, ActionPattern};
pub use decide::{Assignment, Decision, decide};
pub use role::{Permission, RoleDefinition, RoleId};
