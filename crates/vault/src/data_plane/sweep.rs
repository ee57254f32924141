//! Removes, once a day, what uploads left behind that nobody will finish.

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
const PAGE: u32 = 100;

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
        let mut after: Option<String> = None;
        loop {
            let page = app.store.resources(ACCOUNT, &subscription.id, after.as_deref(), PAGE).await?;
            let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
            after = page.last().map(|last| last.id.folded().to_owned());
            for stored in page {
                let account: Loaded<AccountRecord> = read(stored)?;
                containers(app, &account).await?;
            }
            if is_last {
                break;
            }
        }
    }
    Ok(())
}

async fn containers(app: &App, account: &Loaded<AccountRecord>) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let page = app.store.resources(CONTAINER, &account.id, after.as_deref(), PAGE).await?;
        let is_last = u32::try_from(page.len()).is_ok_and(|length| length < PAGE);
        after = page.last().map(|last| last.id.folded().to_owned());
        for stored in page {
            one(app, &account.document.store, &stored.id).await?;
        }
        if is_last {
            return Ok(());
        }
    }
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
