//! Management locks: a scope under one is not deleted, or not written either, whatever roles the caller has. A lock holds for
//! all that is below its scope. Only the management API asks: what the vault does by itself, and what clusters read and write,
//! goes on.

mod act;
mod decide;

pub use decide::Lock;

use super::{At, Call, Failure, Needs, Operation, operations::row, read};
use crate::api::Each;
use crate::store::{Change, Store, StoreError};
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

/// Refuses a call that a lock forbids. Locks themselves come and go under any lock: else none could be taken away. What comes
/// back belongs to what the call commits: no lock has come by then that was not seen here.
///
/// Boxed, for every commit of the calls above asks it.
pub fn check<'a>(call: &'a Call<'_>) -> BoxFuture<'a, Result<Option<Change>, Failure>> {
    Box::pin(async move {
        let (Some(does), Some(scope), Some(subscription)) =
            (Does::of(call.operation.method), &call.scope, &call.subscription)
        else {
            return Ok(None);
        };
        if OPERATIONS.iter().any(|own| own.name == call.operation.name) {
            return Ok(None);
        }
        let (all, as_seen) = seen(call.app.store.as_ref(), &subscription.id).await?;
        refusal(&all, does, scope).map_or(Ok(Some(as_seen)), |refusal| Err(refusal.into()))
    })
}

/// A conflict when a lock has come by the commit that is not there yet, whatever it is on. For those that ask more than once
/// what must stay: it comes before the first question.
pub async fn no_more(store: &dyn Store, scope: &ResourceId) -> Result<Change, StoreError> {
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let subscription = ResourceId::subscription(scope.subscription_id()).map_err(wrong)?;
    Ok(seen(store, &subscription).await?.1)
}

/// Why something may not be deleted now, when that was begun before.
pub async fn keeps(store: &dyn Store, scope: &ResourceId) -> Result<Option<arm::ArmError>, StoreError> {
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let subscription = ResourceId::subscription(scope.subscription_id()).map_err(wrong)?;
    Ok(refusal(&seen(store, &subscription).await?.0, Does::Delete, scope))
}

/// A lock that holds for a scope.
pub async fn holding(store: &dyn Store, scope: &ResourceId) -> Result<Option<Lock>, StoreError> {
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let subscription = ResourceId::subscription(scope.subscription_id()).map_err(wrong)?;
    Ok(seen(store, &subscription).await?.0.into_iter().find(|lock| lock.scope.covers(scope)))
}

/// All locks of a subscription; there are few. And what is a conflict once there are others.
async fn seen(store: &dyn Store, subscription: &ResourceId) -> Result<(Vec<Lock>, Change), StoreError> {
    let (mut all, mut seen) = (Vec::new(), Vec::new());
    let mut each = Each::of(store, KIND, subscription);
    while let Some(stored) = each.next().await? {
        let lock = read::<Lock>(stored)?;
        all.push(lock.document);
        seen.push((lock.id, lock.version));
    }
    Ok((all, Change::NoneBut { subscription: subscription.clone(), kind: KIND, seen }))
}
