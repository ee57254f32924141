//! Resource groups.

mod act;
mod decide;
mod keeps;

pub use act::read;
pub use decide::{Group, location, shown, tags};
pub use keeps::keeps;

use super::{At, Needs, Operation, operations::row};
use http::Method;

const ALL: &str = "/subscriptions/{subscription}/resourcegroups";
const ONE: &str = "/subscriptions/{subscription}/resourcegroups/{group}";
/// The right to see a group.
pub const READ: Needs = Needs::Action("Microsoft.Resources/subscriptions/resourceGroups/read");
const WRITE: Needs = Needs::Action("Microsoft.Resources/subscriptions/resourceGroups/write");
/// The code of a group that cannot be deleted for what is in it.
pub const BLOCKED: &str = "ResourceGroupDeletionBlocked";
const MAY_DELETE: Needs = Needs::Action(DELETE);

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("ResourceGroups_List", &Method::GET, ALL, Needs::AnyRole, At::Subscription, |call| {
        Box::pin(act::list(call))
    }),
    row("ResourceGroups_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("ResourceGroups_CheckExistence", &Method::HEAD, ONE, READ, At::Path, |call| {
        Box::pin(act::exists(call))
    }),
    row("ResourceGroups_CreateOrUpdate", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(act::put(call))),
    row("ResourceGroups_Update", &Method::PATCH, ONE, WRITE, At::Path, |call| Box::pin(act::patch(call))),
    row("ResourceGroups_Delete", &Method::DELETE, ONE, MAY_DELETE, At::Path, |call| {
        Box::pin(act::delete(call))
    }),
    row(
        "Subscriptions_OperationResult",
        &Method::GET,
        "/subscriptions/{subscription}/operationresults/{operation}",
        Needs::SignIn,
        At::Subscription,
        |call| Box::pin(act::result(call)),
    ),
];

/// The type of a resource group.
pub const KIND: &str = "Microsoft.Resources/resourceGroups";
/// What a deletion is called among the operations.
pub const DELETE: &str = "Microsoft.Resources/subscriptions/resourceGroups/delete";
