//! What the vault does in the background: each task takes no input, can be repeated at any time, and runs on a timer and
//! on a poke.

use crate::{
    alerts,
    api::{
        Administrators, DELETE_GROUP, administrators_below,
        clusters::{self, Leaving},
        group_keeps, last_administrator, locks, storage, vaults,
    },
    app::App,
    protect::old_jobs,
    store::{
        AuditEntry, AuditOutcome, Change, Ending, Expected, Grants, OperationRecord, StoreError, Stored,
    },
};
use arm::{ArmError, OperationStatus};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const SWEEP: Duration = Duration::from_secs(30);
const HOURLY: Duration = Duration::from_secs(60 * 60);
/// For so long clients may ask how an operation ended.
const OPERATIONS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// At a time; what is left goes an hour later.
const MOST_FORGOTTEN: u32 = 10_000;

/// Runs all tasks until it is told to stop.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let (mut sweep, mut hourly) = (tokio::time::interval(SWEEP), tokio::time::interval(HOURLY));
    let mut jobs = old_jobs::Cursor::default();
    // The keys were looked at when the vault opened.
    hourly.reset();
    forget_operations(&app).await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.poke.notified() => {}
            _ = sweep.tick() => {
                if let Err(error) = old_jobs::sweep(&app, &mut jobs).await {
                    tracing::error!(%error, "could not let old jobs go; trying others in half a minute");
                }
            }
            _ = hourly.tick() => {
                forget_operations(&app).await;
                if let Err(error) = app.issuer.rotate().await {
                    tracing::error!(%error, "could not rotate the signing keys; trying again in an hour");
                }
                if let Err(error) = alerts::sweep(&app).await {
                    tracing::error!(%error, "could not let old alerts go; trying again in an hour");
                }
                continue;
            }
        }
        if let Err(error) = tidy_sign_in(&app).await {
            tracing::error!(%error, "could not write down denials or drop old codes; trying again in half a minute");
        }
        // Keys that another replica made verify here before they sign there.
        if let Err(error) = app.issuer.refresh().await {
            tracing::error!(%error, "could not read the signing keys again; trying again in half a minute");
        }
        if let Err(error) = finish_deletions(&app).await {
            tracing::error!(%error, "could not finish deletions; trying again in half a minute");
        }
    }
}

/// Writes how often calls were denied, and drops codes and refresh tokens that ended.
async fn tidy_sign_in(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    app.denials.flush(app.store.as_ref(), now).await?;
    app.refused_again.flush(app.store.as_ref(), now).await?;
    app.store.commit_unaudited(&[Change::RemoveGrants(Grants::EndedBy(now))]).await
}

/// Drops operations that ended so long ago that nobody asks any more how.
async fn forget_operations(app: &App) {
    let now = app.clock.now();
    let ended_by = now.checked_sub(OPERATIONS_KEPT).unwrap_or(Timestamp::MIN);
    let forget = Change::ForgetOperations { ended_by, most: MOST_FORGOTTEN };
    if let Err(error) = app.store.commit_unaudited(&[forget]).await {
        tracing::error!(%error, "could not drop old operations; trying again in an hour");
    }
}

/// Deletes every resource group whose deletion was asked for.
pub async fn finish_deletions(app: &App) -> Result<(), StoreError> {
    for operation in app.store.operations(OperationStatus::Inprogress).await? {
        if operation.kind == DELETE_GROUP {
            match finish_deletion(app, &operation).await {
                // Someone else was faster, or the group was written meanwhile; the next sweep looks again.
                Err(StoreError::Conflict(what)) => tracing::info!(what, "deletion waits for the next sweep"),
                other => other?,
            }
        }
    }
    Ok(())
}

async fn finish_deletion(app: &App, operation: &OperationRecord) -> Result<(), StoreError> {
    let now = app.clock.now();
    let ended = Ending { status: OperationStatus::Succeeded, result: None, error: None };
    let (mut changes, mut guard) = (vec![Change::End(operation.id.clone(), ended, now)], None);
    let mut cut = Vec::new();
    if let Some(stored) = app.store.resource(&operation.target).await? {
        let (store, group) = (app.store.as_ref(), &stored.id);
        changes.push(locks::no_more(store, group).await?);
        // What was recorded there since the deletion was asked for counts, too.
        let leaving = clusters::leaving(store, group).await?;
        let refusal = match group_keeps(store, group).await? {
            None => clusters::keeps_in(store, group).await?,
            refusal => refusal,
        };
        if let Some(refusal) = refusal {
            return refuse_deletion(app, operation, &stored, &refusal).await;
        }
        if let Some(told) = leaving.told() {
            tracing::warn!(%group, "{told}");
        }
        let Leaving { connections, changes: more, groups, removals, mut scopes, .. } = leaving;
        let going = [vec![group.clone()], groups].concat();
        scopes.push(group.clone());
        cut = connections;
        changes.extend(more);
        changes.extend(storage::gone(app, &going, "whoever deleted the resource group", now).await?);
        changes.extend(vaults::leaving(store, group).await?);
        changes.extend(removals);
        match administrators_below(app, &scopes).await? {
            Administrators::Elsewhere => {}
            Administrators::Both(keep) => guard = Some(keep),
            Administrators::Below => {
                return refuse_deletion(app, operation, &stored, &last_administrator()).await;
            }
        }
        changes.push(Change::Remove(stored.id, Expected::Version(stored.version)));
    }
    changes.extend(guard);
    app.store.commit(&changes, &audit(operation, now)).await?;
    app.poke_work.notify_one();
    for connection in &cut {
        app.clusters.disconnected(connection);
    }
    Ok(())
}

async fn refuse_deletion(
    app: &App,
    operation: &OperationRecord,
    stored: &Stored,
    refusal: &ArmError,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let error = serde_json::to_value(refusal).ok();
    let ending = Ending { status: OperationStatus::Failed, result: None, error };
    let mut document = stored.document.clone();
    if let Some(object) = document.as_object_mut() {
        object.remove("deleting");
    }
    let expected = Expected::Version(stored.version);
    let changes = [
        Change::End(operation.id.clone(), ending, now),
        Change::Put { id: stored.id.clone(), document, expected },
    ];
    app.store.commit(&changes, &audit(operation, now)).await
}

fn audit(operation: &OperationRecord, now: Timestamp) -> AuditEntry {
    AuditEntry {
        at: now,
        principal: "vault".to_owned(),
        action: operation.kind.clone(),
        scope: operation.target.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: operation.id.clone(),
    }
}
