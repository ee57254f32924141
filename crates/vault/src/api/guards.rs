//! Resource Guards, and multi-user authorization: what a guard guards needs the consent of someone with a role on it.

mod act;
mod check;
mod critical;
mod decide;
mod proxy;
mod requests;
mod unlock;

pub use check::{check, check_delete};
pub use critical::Critical;
pub use decide::{GuardRecord, shown};
pub use proxy::keeps_in;

use super::{At, Needs, Operation, operations::row};
use http::Method;

const IN_SUBSCRIPTION: &str =
    "/subscriptions/{subscription}/providers/Microsoft.DataProtection/resourceGuards";
const IN_GROUP: &str =
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/resourceGuards";
const ONE: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/resourceGuards/{guard}";
const PROXIES: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupResourceGuardProxies";
const PROXY: &str = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupResourceGuardProxies/{proxy}";

/// The right to see a guard.
pub const READ: Needs = Needs::Action("Microsoft.DataProtection/resourceGuards/read");
const WRITE: Needs = Needs::Action("Microsoft.DataProtection/resourceGuards/write");
const DELETE: Needs = Needs::Action("Microsoft.DataProtection/resourceGuards/delete");
const READ_PROXY: Needs =
    Needs::Action("Microsoft.DataProtection/backupVaults/backupResourceGuardProxies/read");
const WRITE_PROXY: Needs =
    Needs::Action("Microsoft.DataProtection/backupVaults/backupResourceGuardProxies/write");
const DELETE_PROXY: Needs =
    Needs::Action("Microsoft.DataProtection/backupVaults/backupResourceGuardProxies/delete");
const UNLOCK: Needs =
    Needs::Action("Microsoft.DataProtection/backupVaults/backupResourceGuardProxies/unlockDelete/action");

/// The type of a guard.
pub const KIND: &str = "Microsoft.DataProtection/resourceGuards";
/// The type of the mapping of a vault to its guard.
pub const PROXY_KIND: &str = "Microsoft.DataProtection/backupVaults/backupResourceGuardProxies";

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "ResourceGuards_GetResourcesInSubscription",
        &Method::GET,
        IN_SUBSCRIPTION,
        Needs::AnyRole,
        At::Subscription,
        |call| Box::pin(act::list(call)),
    ),
    row(
        "ResourceGuards_GetResourcesInResourceGroup",
        &Method::GET,
        IN_GROUP,
        Needs::AnyRole,
        At::Group,
        |call| Box::pin(act::list(call)),
    ),
    row("ResourceGuards_Get", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("ResourceGuards_Put", &Method::PUT, ONE, WRITE, At::Path, |call| Box::pin(act::put(call))),
    row("ResourceGuards_Patch", &Method::PATCH, ONE, WRITE, At::Path, |call| Box::pin(act::patch(call))),
    row("ResourceGuards_Delete", &Method::DELETE, ONE, DELETE, At::Path, |call| Box::pin(act::delete(call))),
    row("DppResourceGuardProxy_List", &Method::GET, PROXIES, READ_PROXY, At::Above, |call| {
        Box::pin(proxy::list(call))
    }),
    row("DppResourceGuardProxy_Get", &Method::GET, PROXY, READ_PROXY, At::Path, |call| {
        Box::pin(proxy::get(call))
    }),
    row("DppResourceGuardProxy_CreateOrUpdate", &Method::PUT, PROXY, WRITE_PROXY, At::Path, |call| {
        Box::pin(proxy::put(call))
    }),
    row("DppResourceGuardProxy_Delete", &Method::DELETE, PROXY, DELETE_PROXY, At::Path, |call| {
        Box::pin(proxy::delete(call))
    }),
    row(
        "DppResourceGuardProxy_UnlockDelete",
        &Method::POST,
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataProtection/backupVaults/{vault}/backupResourceGuardProxies/{proxy}/unlockDelete",
        UNLOCK,
        At::Above,
        |call| Box::pin(unlock::unlock(call)),
    ),
    requests::lists("ResourceGuards_GetDeleteProtectedItemRequestsObjects", requests::DELETE_PROTECTED_ITEM),
    requests::gets(
        "ResourceGuards_GetDefaultDeleteProtectedItemRequestsObject",
        requests::DELETE_PROTECTED_ITEM,
    ),
    requests::lists("ResourceGuards_GetDeleteResourceGuardProxyRequestsObjects", requests::DELETE_PROXY),
    requests::gets("ResourceGuards_GetDefaultDeleteResourceGuardProxyRequestsObject", requests::DELETE_PROXY),
    requests::lists("ResourceGuards_GetDisableSoftDeleteRequestsObjects", requests::DISABLE_SOFT_DELETE),
    requests::gets("ResourceGuards_GetDefaultDisableSoftDeleteRequestsObject", requests::DISABLE_SOFT_DELETE),
    requests::lists("ResourceGuards_GetBackupSecurityPINRequestsObjects", requests::SECURITY_PIN),
    requests::gets("ResourceGuards_GetDefaultBackupSecurityPINRequestsObject", requests::SECURITY_PIN),
    requests::lists("ResourceGuards_GetUpdateProtectedItemRequestsObjects", requests::UPDATE_PROTECTED_ITEM),
    requests::gets(
        "ResourceGuards_GetDefaultUpdateProtectedItemRequestsObject",
        requests::UPDATE_PROTECTED_ITEM,
    ),
    requests::lists(
        "ResourceGuards_GetUpdateProtectionPolicyRequestsObjects",
        requests::UPDATE_PROTECTION_POLICY,
    ),
    requests::gets(
        "ResourceGuards_GetDefaultUpdateProtectionPolicyRequestsObject",
        requests::UPDATE_PROTECTION_POLICY,
    ),
    requests::lists("ResourceGuards_GetRequestsObjects", requests::ANY),
    requests::gets("ResourceGuards_GetDefaultRequestsObject", requests::ANY),
];
