//! Resource Graph: not a query engine, but the queries that the official clients send, answered from what is kept.

mod act;
mod query;

use super::{At, Needs, Operation, operations::row};
use http::Method;

/// The call.
pub const OPERATIONS: &[Operation] = &[row(
    "ResourceGraph_Resources",
    &Method::POST,
    "/providers/Microsoft.ResourceGraph/resources",
    Needs::SignIn,
    At::Tenant,
    |call| Box::pin(act::resources(call)),
)];
