//! Removes what crashed operations left in the cluster, and names it: snapshots of backups that never retained
//! them, temporary snapshots of restores, objects of movers. Anchors are never removed here, because a location
//! that this cluster does not know may hold their recovery point; one without a recovery point is reported.

use crate::{
    context::Context,
    grants::GrantPurpose,
    locations::{Access, Role},
    manifests::MOVERS_NAMESPACE,
    points,
    step::StepError,
};
use futures::stream::{self, StreamExt as _};
use kube::{Api, Client, ResourceExt, api::ListParams};
use resources::{Backup, Phase, Restore};
use std::{collections::BTreeSet, time::Duration};
use volumes::{Leftovers, Orphan, files, restore};

/// How long the removal of one backup's leftovers may take before what is left is named.
const REMOVE: Duration = Duration::from_secs(120);
/// How many backups' leftovers are removed at a time, so that one whose storage is slow holds up no other.
const AT_ONCE: usize = 8;

/// Looks once, and removes what it finds.
pub async fn sweep(context: &Context) {
    let (snapshots, temporary, movers) =
        tokio::join!(snapshots(context), temporary(context), movers(context));
    note_failure("snapshots of backups", snapshots);
    note_failure("temporary snapshots of restores", temporary);
    note_failure("objects of movers", movers);
}

fn note_failure(what: &str, swept: Result<(), StepError>) {
    if let Err(error) = swept {
        tracing::warn!(what, %error, "could not sweep; it is tried again");
    }
}

async fn snapshots(context: &Context) -> Result<(), StepError> {
    let client = &context.client;
    let left = volumes::observe_leftovers(client, None).await?;
    if left.is_empty() {
        return Ok(());
    }
    let running = unfinished(backups(context).await?);
    let orphans = stream::iter(volumes::orphans(&left, &running));
    orphans.for_each_concurrent(AT_ONCE, |orphan| remove(context, &left, orphan)).await;
    lonely_anchors(context, &left, &running).await
}

async fn remove(context: &Context, left: &Leftovers, orphan: Orphan) {
    let id = orphan.recovery_point();
    let note = format!("removing snapshots that backup {id} left behind: {}", named(left, id.as_str()));
    tell(context, "RemovingOrphans", &note).await;
    match volumes::remove_orphan(&context.client, &orphan, REMOVE).await {
        Ok(problems) => {
            for problem in problems {
                tell(context, "OrphanLeft", &problem.message).await;
            }
        }
        Err(error) => note_failure(&format!("snapshots of backup {id}"), Err(error.into())),
    }
}

/// Names anchors whose recovery point is in none of this cluster's own locations.
async fn lonely_anchors(
    context: &Context,
    left: &Leftovers,
    running: &BTreeSet<String>,
) -> Result<(), StepError> {
    let anchored = left.contents.iter().filter(|one| one.is_anchor() && !one.going);
    let mut ids: BTreeSet<String> =
        anchored.filter_map(|one| one.recovery_point.as_ref()).map(|id| id.as_str().to_owned()).collect();
    ids.retain(|id| !running.contains(id));
    if ids.is_empty() {
        return Ok(());
    }
    let records = context
        .locations
        .list()
        .await
        .map_err(|error| StepError::api("list the storage locations", &error))?;
    for record in records.into_iter().filter_map(|(_, record)| record.ok()) {
        if record.role == Role::Own {
            // One that cannot be read may hold any of them: nothing is said then.
            let location = context.locations.open(&record.name, Access::Read, &GrantPurpose::Upkeep).await?;
            for point in points::list(&location.repo).await? {
                ids.remove(&point.id);
            }
        }
    }
    // Deletions that are under way have forgotten their recovery point before the snapshot.
    let again = volumes::observe_leftovers(&context.client, None).await?;
    for id in ids.iter().filter(|id| again.recovery_points().iter().any(|one| one.as_str() == *id)) {
        let note = format!(
            "no location of this cluster holds recovery point {id}, whose snapshots still exist: {}; delete them \
             with a DeleteBackup for this id if no other location holds it",
            named(&again, id)
        );
        tell(context, "SnapshotWithoutRecoveryPoint", &note).await;
    }
    Ok(())
}

async fn temporary(context: &Context) -> Result<(), StepError> {
    let seen = restore::observe_temporary(&context.client).await?;
    if seen.is_empty() {
        return Ok(());
    }
    let running = unfinished(restores(context).await?);
    for uid in seen.into_iter().filter(|uid| !running.contains(uid)) {
        let swept = restore::abort(&context.client, &uid).await?;
        if swept.removed > 0 {
            let note =
                format!("removed {} temporary snapshots that restore {uid} left behind", swept.removed);
            tell(context, "RemovedOrphans", &note).await;
        }
        for claim in swept.waiting {
            tracing::info!(restore = uid, claim, "a temporary snapshot waits for the claim's first consumer");
        }
    }
    Ok(())
}

async fn movers(context: &Context) -> Result<(), StepError> {
    let seen = files::observe_movers(&context.client, MOVERS_NAMESPACE).await?;
    if seen.is_empty() {
        return Ok(());
    }
    let mut running = unfinished(backups(context).await?);
    running.extend(unfinished(restores(context).await?));
    for owner in files::orphans(&seen, &running) {
        tell(context, "RemovingOrphans", &format!("removing movers that {owner} left behind")).await;
        files::remove_movers_of(&context.client, MOVERS_NAMESPACE, &owner).await?;
    }
    Ok(())
}

/// A log line and an event.
async fn tell(context: &Context, reason: &str, note: &str) {
    tracing::warn!(reason, "{note}");
    context.events.of_extension(&context.config.namespace, reason, note).await;
}

/// The snapshots and contents of one backup, by name and handle.
fn named(left: &Leftovers, id: &str) -> String {
    let snapshots = left
        .snapshots
        .iter()
        .filter(|one| one.recovery_point.as_str() == id)
        .map(|one| format!("VolumeSnapshot {}/{}", one.namespace, one.name));
    let contents = left
        .contents
        .iter()
        .filter(|one| one.recovery_point.as_ref().is_some_and(|point| point.as_str() == id))
        .map(|one| {
            format!("VolumeSnapshotContent {} (handle {})", one.name, one.handle.as_deref().unwrap_or("none"))
        });
    snapshots.chain(contents).collect::<Vec<_>>().join(", ")
}

/// UIDs of operations that are not at their end; a finalizer of ours counts as unfinished.
fn unfinished(operations: Vec<(String, Phase, bool)>) -> BTreeSet<String> {
    let running = operations.into_iter().filter(|(_, phase, finalizer)| !phase.is_final() || *finalizer);
    running.map(|(uid, _, _)| uid).collect()
}

async fn backups(context: &Context) -> Result<Vec<(String, Phase, bool)>, StepError> {
    let listed = list::<Backup>(&context.client, &context.config.namespace).await?;
    let seen = listed.into_iter().map(|one| {
        let phase = one.status.as_ref().map(|status| status.phase).unwrap_or_default();
        (one.uid().unwrap_or_default(), phase, !one.finalizers().is_empty())
    });
    Ok(seen.collect())
}

async fn restores(context: &Context) -> Result<Vec<(String, Phase, bool)>, StepError> {
    let listed = list::<Restore>(&context.client, &context.config.namespace).await?;
    let seen = listed.into_iter().map(|one| {
        let phase = one.status.as_ref().map(|status| status.phase).unwrap_or_default();
        (one.uid().unwrap_or_default(), phase, false)
    });
    Ok(seen.collect())
}

async fn list<K>(client: &Client, namespace: &str) -> Result<Vec<K>, StepError>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let listed = api.list(&ListParams::default()).await;
    Ok(listed.map_err(|error| StepError::api(&format!("list the {}", K::plural(&())), &error))?.items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_counts_as_running_until_its_final_phase_and_its_finalizer_are_written() {
        let seen = vec![
            ("a".to_owned(), Phase::Accepted, false),
            ("b".to_owned(), Phase::Completed, false),
            ("c".to_owned(), Phase::Failed, true),
        ];

        let running = unfinished(seen);

        assert_eq!(running, BTreeSet::from(["a".to_owned(), "c".to_owned()]));
    }
}
