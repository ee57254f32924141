//! Managed clusters, and the Trusted Access that their owners give to Backup vaults.

mod act;
mod bindings;
mod connect;
mod decide;
pub mod enrolment;
mod leave;
mod record;
pub mod roles;
mod shown;
#[cfg(test)]
mod tests;
mod wish;

pub use act::row as graph_row;
pub use enrolment::{ENROLMENT, Enrolment, EnrolmentError, enrolment, find, redeem, split};
pub use leave::{Leaving, keeps_in, leaving};
pub use record::{
    BACKUP_OPERATOR, BINDING, BindingRecord, ClusterIdentity, ClusterRecord, KIND, MOST_BINDINGS, binding_for,
};

use super::{
    At, Needs, Operation,
    operations::{absent, row},
};
use http::Method;

const IN_SUBSCRIPTION: &str =
    "/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters";
const IN_GROUP: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}";
const BINDINGS: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}/trustedAccessRoleBindings";
const ONE_BINDING: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}/trustedAccessRoleBindings/{binding}";

/// The right to see a cluster.
pub const READ: Needs = Needs::Action("Microsoft.ContainerService/managedClusters/read");
const WRITE: Needs = Needs::Action("Microsoft.ContainerService/managedClusters/write");
const DELETE: Needs = Needs::Action("Microsoft.ContainerService/managedClusters/delete");
const READ_BINDING: Needs =
    Needs::Action("Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/read");
const WRITE_BINDING: Needs =
    Needs::Action("Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write");
const DELETE_BINDING: Needs =
    Needs::Action("Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/delete");
const NO_KUBECONFIG: &str = "no kubeconfig is ever kept here; use your own, the vault needs none";

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("ManagedClusters_List", &Method::GET, IN_SUBSCRIPTION, Needs::AnyRole, At::Subscription, |call| {
        Box::pin(act::list(call))
    }),
    row("ManagedClusters_ListByResourceGroup", &Method::GET, IN_GROUP, Needs::AnyRole, At::Group, |call| {
        Box::pin(act::list(call))
    }),
    row("ManagedClusters_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("ManagedClusters_CreateOrUpdate", &Method::PUT, ONE, WRITE, At::Path, |call| {
        Box::pin(act::put(call))
    }),
    row("ManagedClusters_UpdateTags", &Method::PATCH, ONE, WRITE, At::Path, |call| {
        Box::pin(act::patch(call))
    }),
    row("ManagedClusters_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| Box::pin(act::delete(call))),
    absent(
        "ManagedClusters_ListClusterUserCredentials",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}/listClusterUserCredential",
        Needs::Action("Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"),
        At::Above,
        NO_KUBECONFIG,
    ),
    absent(
        "ManagedClusters_ListClusterAdminCredentials",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}/listClusterAdminCredential",
        Needs::Action("Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action"),
        At::Above,
        NO_KUBECONFIG,
    ),
    row(
        "ManagedClusters_Connect",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}/connect",
        WRITE,
        At::Above,
        |call| Box::pin(connect::connect(call)),
    ),
    row(
        "ManagedClusters_Disconnect",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{cluster}/disconnect",
        WRITE,
        At::Above,
        |call| Box::pin(connect::disconnect(call)),
    ),
    row("TrustedAccessRoleBindings_List", &Method::GET, BINDINGS, READ_BINDING, At::Above, |call| {
        Box::pin(bindings::list(call))
    }),
    row("TrustedAccessRoleBindings_Get", &Method::GET, ONE_BINDING, READ_BINDING, At::Path, |call| {
        Box::pin(bindings::get(call))
    }),
    row(
        "TrustedAccessRoleBindings_CreateOrUpdate",
        &Method::PUT,
        ONE_BINDING,
        WRITE_BINDING,
        At::Path,
        |call| Box::pin(bindings::put(call)),
    ),
    row("TrustedAccessRoleBindings_Delete", &Method::DELETE, ONE_BINDING, DELETE_BINDING, At::Path, |call| {
        Box::pin(bindings::delete(call))
    }),
    row(
        "TrustedAccessRoles_List",
        &Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}/trustedAccessRoles",
        Needs::AnyRole,
        At::Subscription,
        |_| Box::pin(async { Ok(roles::list()) }),
    ),
];
