//! Storage accounts and their containers, as the management API shows them. What they hold is served by
//! [`crate::data_plane`].

mod accounts;
mod containers;
mod names;
mod services;

pub use accounts::{AccountRecord, IpRange, NetworkRules, ResourceRule, gone, shown};
pub use containers::{
    ContainerRecord, container_id, etag as container_etag, fresh as fresh_container, gone as gone_container,
};
pub use names::{NameRecord, index, is_account_name};

use super::{
    At, Needs, Operation,
    operations::{absent, row},
};
use http::Method;

/// The namespace.
pub const NAMESPACE: &str = "Microsoft.Storage";
/// The type of an account.
pub const ACCOUNT: &str = "Microsoft.Storage/storageAccounts";
/// The type of a container.
pub const CONTAINER: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";

const IN_SUBSCRIPTION: &str = "/subscriptions/{subscription}/providers/Microsoft.Storage/storageAccounts";
const IN_GROUP: &str =
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}";
const SERVICES: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/blobServices";
const SERVICE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/blobServices/default";
const CONTAINERS: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/blobServices/default/containers";
const ONE_CONTAINER: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/blobServices/default/containers/{container}";

const READ: Needs = Needs::Action("Microsoft.Storage/storageAccounts/read");
const WRITE: Needs = Needs::Action("Microsoft.Storage/storageAccounts/write");
const DELETE: Needs = Needs::Action("Microsoft.Storage/storageAccounts/delete");
const READ_SERVICE: Needs = Needs::Action("Microsoft.Storage/storageAccounts/blobServices/read");
const WRITE_SERVICE: Needs = Needs::Action("Microsoft.Storage/storageAccounts/blobServices/write");
const READ_CONTAINER: Needs = Needs::Action("Microsoft.Storage/storageAccounts/blobServices/containers/read");
const WRITE_CONTAINER: Needs =
    Needs::Action("Microsoft.Storage/storageAccounts/blobServices/containers/write");
const DELETE_CONTAINER: Needs =
    Needs::Action("Microsoft.Storage/storageAccounts/blobServices/containers/delete");

const NO_KEYS: &str = "accounts have no keys and no signatures; sign in and send a token for https://storage.azure.com \
                       (az storage: --auth-mode login), and assign Storage Blob Data Contributor to whoever writes";

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "StorageAccounts_CheckNameAvailability",
        &Method::POST,
        "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability",
        Needs::Action("Microsoft.Storage/checknameavailability/read"),
        At::Subscription,
        |call| Box::pin(names::available(call)),
    ),
    row("StorageAccounts_List", &Method::GET, IN_SUBSCRIPTION, Needs::AnyRole, At::Subscription, |call| {
        Box::pin(accounts::list(call))
    }),
    row("StorageAccounts_ListByResourceGroup", &Method::GET, IN_GROUP, Needs::AnyRole, At::Group, |call| {
        Box::pin(accounts::list(call))
    }),
    row("StorageAccounts_GetProperties", &Method::GET, ONE, READ, At::Path, |call| {
        Box::pin(accounts::get(call))
    }),
    row("StorageAccounts_Create", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(accounts::put(call))),
    row("StorageAccounts_Update", &Method::PATCH, ONE, WRITE, At::Path, |call| {
        Box::pin(accounts::patch(call))
    }),
    row("StorageAccounts_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| {
        Box::pin(accounts::delete(call))
    }),
    absent(
        "StorageAccounts_ListKeys",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/listKeys",
        Needs::Action("Microsoft.Storage/storageAccounts/listKeys/action"),
        At::Above,
        NO_KEYS,
    ),
    absent(
        "StorageAccounts_RegenerateKey",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/regenerateKey",
        Needs::Action("Microsoft.Storage/storageAccounts/regenerateKey/action"),
        At::Above,
        NO_KEYS,
    ),
    absent(
        "StorageAccounts_ListAccountSAS",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/ListAccountSas",
        Needs::Action("Microsoft.Storage/storageAccounts/listAccountSas/action"),
        At::Above,
        NO_KEYS,
    ),
    absent(
        "StorageAccounts_ListServiceSAS",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}/ListServiceSas",
        Needs::Action("Microsoft.Storage/storageAccounts/listServiceSas/action"),
        At::Above,
        NO_KEYS,
    ),
    row("BlobServices_List", &Method::GET, SERVICES, READ_SERVICE, At::Above, |call| {
        Box::pin(services::list(call))
    }),
    row("BlobServices_GetServiceProperties", &Method::GET, SERVICE, READ_SERVICE, At::Path, |call| {
        Box::pin(services::get(call))
    }),
    row("BlobServices_SetServiceProperties", &Method::PUT, SERVICE, WRITE_SERVICE, At::Path, |call| {
        Box::pin(services::put(call))
    }),
    row("BlobContainers_List", &Method::GET, CONTAINERS, READ_CONTAINER, At::Above, |call| {
        Box::pin(containers::list(call))
    }),
    row("BlobContainers_Get", &Method::GET, ONE_CONTAINER, READ_CONTAINER, At::Path, |call| {
        Box::pin(containers::get(call))
    }),
    row("BlobContainers_Create", &Method::PUT, ONE_CONTAINER, WRITE_CONTAINER, At::Path, |call| {
        Box::pin(containers::put(call))
    }),
    row("BlobContainers_Update", &Method::PATCH, ONE_CONTAINER, WRITE_CONTAINER, At::Path, |call| {
        Box::pin(containers::patch(call))
    }),
    row("BlobContainers_Delete", &Method::DELETE, ONE_CONTAINER, DELETE_CONTAINER, At::Path, |call| {
        Box::pin(containers::delete(call))
    }),
];
