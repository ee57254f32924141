//! User-assigned managed identities, and the tokens of others that are exchanged for theirs.

mod act;
mod decide;
mod extension;
mod federated;
mod node_group;
mod record;

pub use extension::{ensure_extension_identity, has_extension_identity, new, remove_extension_identity};
pub use node_group::{ensure_node_group, going_with, node_group};
pub use record::{EXCHANGE_AUDIENCE, FEDERATED, FederatedRecord, IdentityRecord, KIND, MOST_CREDENTIALS};

use super::{At, Needs, Operation, operations::row};
use http::Method;

const IN_SUBSCRIPTION: &str =
    "/subscriptions/{subscription}/providers/Microsoft.ManagedIdentity/userAssignedIdentities";
const IN_GROUP: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}";
const CREDENTIALS: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}/federatedIdentityCredentials";
const CREDENTIAL: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}/federatedIdentityCredentials/{credential}";

/// The right to see an identity.
const READ: Needs = Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/read");
const WRITE: Needs = Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/write");
const DELETE: Needs = Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/delete");
const READ_CREDENTIAL: Needs =
    Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/read");
const WRITE_CREDENTIAL: Needs =
    Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write");
const DELETE_CREDENTIAL: Needs =
    Needs::Action("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/delete");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "UserAssignedIdentities_ListBySubscription",
        &Method::GET,
        IN_SUBSCRIPTION,
        Needs::AnyRole,
        At::Subscription,
        |call| Box::pin(act::list(call)),
    ),
    row(
        "UserAssignedIdentities_ListByResourceGroup",
        &Method::GET,
        IN_GROUP,
        Needs::AnyRole,
        At::Group,
        |call| Box::pin(act::list(call)),
    ),
    row("UserAssignedIdentities_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("UserAssignedIdentities_CreateOrUpdate", &Method::PUT, ONE, WRITE, At::Path, |call| {
        Box::pin(act::put(call))
    }),
    row("UserAssignedIdentities_Update", &Method::PATCH, ONE, WRITE, At::Path, |call| {
        Box::pin(act::patch(call))
    }),
    row("UserAssignedIdentities_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| {
        Box::pin(act::delete(call))
    }),
    row("FederatedIdentityCredentials_List", &Method::GET, CREDENTIALS, READ_CREDENTIAL, At::Above, |call| {
        Box::pin(federated::list(call))
    }),
    row("FederatedIdentityCredentials_Get", &Method::GET, CREDENTIAL, READ_CREDENTIAL, At::Path, |call| {
        Box::pin(federated::get(call))
    }),
    row(
        "FederatedIdentityCredentials_CreateOrUpdate",
        &Method::PUT,
        CREDENTIAL,
        WRITE_CREDENTIAL,
        At::Path,
        |call| Box::pin(federated::put(call)),
    ),
    row(
        "FederatedIdentityCredentials_Delete",
        &Method::DELETE,
        CREDENTIAL,
        DELETE_CREDENTIAL,
        At::Path,
        |call| Box::pin(federated::delete(call)),
    ),
];
