//! Removes, once a day, what uploads left behind that nobody will finish.

use crate::api::Each;
use crate::{
    api::{
        Loaded, load, read,
        storage::{ACCOUNT, AccountRecord, CONTAINER, ContainerRecord},
    },
    app::App,
    store::StoreError,
};
use arm::ResourceId;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// The first time: not while everything starts.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// Sweeps until it is told to stop. Of several replicas each does it: what is gone is gone.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut rest = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        rest = EVERY;
        tokio::select! {
            () = stop.cancelled() => return,
            swept = all(&app) => if let Err(error) = swept {
                tracing::error!(%error, "could not look for what uploads left behind; trying again in a day");
            }
        }
    }
}

/// Sweeps every container once.
pub async fn all(app: &App) -> Result<(), StoreError> {
    for subscription in app.store.subscriptions().await? {
        let mut each = Each::of(app.store.as_ref(), ACCOUNT, &subscription.id);
        while let Some(stored) = each.next().await? {
            let account: Loaded<AccountRecord> = read(stored)?;
            containers(app, &account).await?;
        }
    }
    Ok(())
}

async fn containers(app: &App, account: &Loaded<AccountRecord>) -> Result<(), StoreError> {
    let mut each = Each::of(app.store.as_ref(), CONTAINER, &account.id);
    while let Some(stored) = each.next().await? {
        one(app, &account.document.store, &stored.id).await?;
    }
    Ok(())
}

async fn one(app: &App, store: &str, id: &ResourceId) -> Result<(), StoreError> {
    let found: Option<Loaded<ContainerRecord>> = load(app.store.as_ref(), id).await?;
    let Some(found) = found else { return Ok(()) };
    let swept = match app.stored.stores.backing(store, &found.document.folder) {
        Ok(backing) => blobs::sweep(backing.as_ref(), app.clock.now()).await,
        Err(error) => Err(error),
    };
    match swept {
        Ok(swept) if swept.removed > 0 => {
            tracing::info!(container = %id, removed = swept.removed, bytes = swept.bytes, "removed what uploads left behind");
        }
        Ok(_) => {}
        // One store that does not answer is no reason to leave the others alone.
        Err(error) => tracing::warn!(container = %id, %error, "could not look for what uploads left behind"),
    }
    Ok(())
}
