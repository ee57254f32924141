//! Management locks: a scope under one is not deleted, or not written either, whatever roles the caller has. A lock holds for
//! all that is below its scope. Only the management API asks: what the vault does by itself, and what clusters read and write,
//! goes on.

mod act;
mod decide;

pub use decide::Lock;

use super::{At, Call, Failure, Needs, Operation, operations::row, read};
use crate::api::Each;
use crate::store::{Store, StoreError};
use arm::ResourceId;
use decide::{Does, refusal};
use futures::future::BoxFuture;
use http::Method;

/// The type.
pub const KIND: &str = "Microsoft.Authorization/locks";
const ALL: &str = "/{scope}/providers/Microsoft.Authorization/locks";
const ONE: &str = "/{scope}/providers/Microsoft.Authorization/locks/{name}";
const READ: Needs = Needs::Action("Microsoft.Authorization/locks/read");
const WRITE: Needs = Needs::Action("Microsoft.Authorization/locks/write");
const DELETE: Needs = Needs::Action("Microsoft.Authorization/locks/delete");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row("ManagementLocks_ListByScope", &Method::GET, ALL, READ, At::Scope, |call| Box::pin(act::list(call))),
    row("ManagementLocks_GetByScope", &Method::GET, ONE, READ, At::Path, |call| Box::pin(act::get(call))),
    row("ManagementLocks_CreateOrUpdateByScope", &Method::PUT, ONE, WRITE, At::Path, |call| {
        Box::pin(act::put(call))
    }),
    row("ManagementLocks_DeleteByScope", &Method::DELETE, ONE, DELETE, At::Path, |call| {
        Box::pin(act::delete(call))
    }),
];

/// Refuses a call that a lock forbids. Locks themselves come and go under any lock: else none could be taken away.
///
/// Boxed, for every commit of the calls above asks it.
pub fn check<'a>(call: &'a Call<'_>) -> BoxFuture<'a, Result<(), Failure>> {
    Box::pin(async move {
        let (Some(does), Some(scope), Some(subscription)) =
            (Does::of(call.operation.method), &call.scope, &call.subscription)
        else {
            return Ok(());
        };
        if OPERATIONS.iter().any(|own| own.name == call.operation.name) {
            return Ok(());
        }
        let all = all(call.app.store.as_ref(), &subscription.id).await?;
        refusal(&all, does, scope).map_or(Ok(()), |refusal| Err(refusal.into()))
    })
}

/// Why something may not be deleted now, when that was begun before.
pub async fn keeps(store: &dyn Store, scope: &ResourceId) -> Result<Option<arm::ArmError>, StoreError> {
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let subscription = ResourceId::subscription(scope.subscription_id()).map_err(wrong)?;
    Ok(refusal(&all(store, &subscription).await?, Does::Delete, scope))
}

/// A lock that holds for a scope.
pub async fn holding(store: &dyn Store, scope: &ResourceId) -> Result<Option<Lock>, StoreError> {
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let subscription = ResourceId::subscription(scope.subscription_id()).map_err(wrong)?;
    Ok(all(store, &subscription).await?.into_iter().find(|lock| lock.scope.covers(scope)))
}

/// All locks of a subscription; there are few.
async fn all(store: &dyn Store, subscription: &ResourceId) -> Result<Vec<Lock>, StoreError> {
    let mut all = Vec::new();
    let mut each = Each::of(store, KIND, subscription);
    while let Some(stored) = each.next().await? {
        all.push(read::<Lock>(stored)?.document);
    }
    Ok(all)
}
