//! Takes newer versions of extensions whose owners want them taken. Each extension has its own moment after a version
//! appeared, so that not all clusters take it at once.

use super::{
    act::next_generation,
    catalogue::Offer,
    record::{ExtensionRecord, KIND},
};
use crate::api::Each;
use crate::{
    api::{Loaded, clusters::ClusterRecord, load, read},
    app::App,
    protect::schedule::shift,
    store::{AuditEntry, AuditOutcome, StoreError},
};
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Looks in the time within which a version is taken.
const LOOKS: u32 = 4;
/// Between two looks at least.
const SHORTEST: Duration = Duration::from_millis(500);
/// A cluster that was not heard of for so long is left alone: nobody would see how its upgrade goes.
const SILENT: SignedDuration = SignedDuration::from_mins(15);

/// Looks again and again until it is told to stop.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let within = Duration::try_from(app.upgrade_within).unwrap_or_default();
    let between = (within / LOOKS).max(SHORTEST);
    loop {
        // Replicas that were started together do not stay together.
        let jitter = between.mul_f64(f64::from(rand::random::<u8>()) / 2_560.0);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(between.saturating_sub(jitter)) => {}
        }
        let looking = app.clone();
        let looked = tokio::task::spawn_blocking(move || looking.packages.look(looking.clock.now())).await;
        match looked {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(
                    error,
                    "could not read the packages again; those that were read stay offered"
                );
            }
            Err(error) => tracing::error!(%error, "looking at the packages ended badly"),
        }
        if let Err(error) = upgrade_all(&app).await {
            tracing::error!(%error, "could not take newer versions of extensions; trying again at the next look");
        }
    }
}

/// Begins every upgrade whose moment has come.
async fn upgrade_all(app: &App) -> Result<(), StoreError> {
    let mut begun = 0_u32;
    for subscription in app.store.subscriptions().await? {
        let mut each = Each::of(app.store.as_ref(), KIND, &subscription.id);
        while let Some(stored) = each.next().await? {
            begun += u32::from(upgrade(app, read(stored)?).await?);
        }
    }
    if begun > 0 {
        app.links.look_again();
        tracing::info!(begun, "extensions take a newer version");
    }
    Ok(())
}

async fn upgrade(app: &App, mut extension: Loaded<ExtensionRecord>) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let catalogue = app.packages.catalogue();
    if !extension.document.may_upgrade() {
        return Ok(false);
    }
    let Some(offer) = extension.document.newer(&catalogue, now, app.upgrade_within) else { return Ok(false) };
    if !is_due(app, &extension, offer, now) || !is_heard_of(app, &extension, now).await? {
        return Ok(false);
    }
    let generation = next_generation(extension.document.last_generation(), now);
    extension.document.begin_upgrade(offer, generation, now);
    let audit = AuditEntry {
        at: now,
        principal: "vault".to_owned(),
        action: format!("upgrade to {}", offer.version),
        scope: extension.id.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    };
    match app.store.commit(&[extension.write()?, crate::links::changed()], &audit).await {
        Ok(()) => Ok(true),
        // Its owner or another replica was faster.
        Err(StoreError::Conflict(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Half of the time belongs to the spread; the rest to looks.
fn is_due(app: &App, extension: &Loaded<ExtensionRecord>, offer: &Offer, now: Timestamp) -> bool {
    let since = app.packages.since(&offer.digest).unwrap_or(now);
    now.duration_since(since) >= shift(&extension.id, app.upgrade_within / 2)
}

async fn is_heard_of(
    app: &App,
    extension: &Loaded<ExtensionRecord>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(cluster) = extension.id.parent() else { return Ok(false) };
    let cluster: Option<Loaded<ClusterRecord>> = load(app.store.as_ref(), &cluster).await?;
    let heard = cluster.and_then(|cluster| cluster.document.connection.and(cluster.document.observed_at));
    Ok(heard.is_some_and(|at| now.duration_since(at) < SILENT))
}
