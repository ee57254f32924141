//! Frees the space of what no recovery point needs, in every own location.

use crate::{
    context::Context,
    grants::GrantPurpose,
    locations::{Access, Role},
};
use engine::{
    EngineError, Job,
    prune::{self, PruneOptions},
};
use tokio_util::sync::CancellationToken;

/// Prunes every own location. A location that is locked by a backup is left for the next time.
pub async fn prune(context: &Context, stop: &CancellationToken) {
    let records = match context.locations.list().await {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(%error, "could not list the storage locations for pruning");
            return;
        }
    };
    for record in records.into_iter().filter_map(|(_, record)| record.ok()) {
        if record.role != Role::Own || stop.is_cancelled() {
            continue;
        }
        let location = match context.locations.open(&record.name, Access::Write, &GrantPurpose::Upkeep).await
        {
            Ok(location) => location,
            Err(error) => {
                tracing::warn!(location = record.name, %error, "could not open the location for pruning");
                continue;
            }
        };
        if location.vault_prunes {
            tracing::info!(
                location = record.name,
                "the vault prunes it: it keeps immutable recovery points there"
            );
            continue;
        }
        let job = Job { cancel: stop.clone(), ..Job::new(context.clock.clone()) };
        match prune::prune(&location.repo, &PruneOptions::default(), &job).await {
            Ok(report) => tracing::info!(
                location = record.name,
                deleted = report.deleted.len(),
                left_index = report.left_index.len(),
                written = report.written.len(),
                later = report.later.len(),
                "pruned"
            ),
            Err(EngineError::Locked { holder, .. }) => {
                tracing::info!(location = record.name, holder, "not pruned now: somebody works in it");
                context.prune.notify_one();
            }
            Err(EngineError::Cancelled) => return,
            Err(error) => tracing::warn!(location = record.name, %error, "pruning failed; it is tried again"),
        }
    }
}
