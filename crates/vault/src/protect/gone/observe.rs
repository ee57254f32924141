//! Reads what is known of a cluster into one value for `decide`.

use super::Seen;
use crate::api::Each;
use crate::{
    api::{Loaded, clusters::ClusterRecord, extensions, jobs, load, read},
    app::App,
    keys::location_key,
    protect::start::location_settings,
    store::StoreError,
};
use arm::ResourceId;

/// What is known of a cluster; nothing when it was deleted.
pub async fn look(app: &App, cluster: &ResourceId) -> Result<Option<Seen>, StoreError> {
    let store = app.store.as_ref();
    let Some(record): Option<Loaded<ClusterRecord>> = load(store, cluster).await? else { return Ok(None) };
    let extension = extensions::backup_extension(store, cluster).await?;
    Ok(Some(Seen {
        has_connection: record.document.connection.is_some(),
        is_connected: record.document.is_connected(&app.clusters.known(), app.clock.now()),
        heard_at: record.document.observed_at,
        writes_to: extension.map(|one| location_key(&location_settings(&one.document.settings))),
    }))
}

/// The job that restores from a recovery point now, into whatever cluster.
pub async fn restoring(
    app: &App,
    vault: &ResourceId,
    point: &ResourceId,
) -> Result<Option<ResourceId>, StoreError> {
    let mut each = Each::of(app.store.as_ref(), jobs::KIND, vault);
    while let Some(stored) = each.next().await? {
        let job: Loaded<jobs::JobRecord> = read(stored)?;
        let reads = matches!(&job.document.task, jobs::Task::Restore { point: read, .. } if read == point);
        if reads && !job.document.status.is_over() {
            return Ok(Some(job.id));
        }
    }
    Ok(None)
}

/// The cluster whose extension writes to the location of a key and can be reached for it.
pub async fn writer(app: &App, key: &str) -> Result<Option<ResourceId>, StoreError> {
    for subscription in app.store.subscriptions().await? {
        let mut each = Each::of(app.store.as_ref(), extensions::KIND, &subscription.id);
        while let Some(stored) = each.next().await? {
            let extension: Loaded<extensions::ExtensionRecord> = read(stored)?;
            let writes_there = extension.document.extension_type == extensions::BACKUP_TYPE
                && location_key(&location_settings(&extension.document.settings)) == key;
            if let (true, Some(cluster)) = (writes_there, extension.id.parent())
                && let Some(seen) = look(app, &cluster).await?
                && super::standing(Some(&seen), key, app.gone_after, app.clock.now())
                    == super::Standing::There
            {
                return Ok(Some(cluster));
            }
        }
    }
    Ok(None)
}
