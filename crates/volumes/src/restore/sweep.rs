//! Removes the temporary snapshots of restores once nobody needs them: a claim that waited for its first
//! consumer is bound, or is gone, or its restore ended without it. Idempotent.

use super::fill::remove_temporary;
use crate::{
    api::{RETAIN, VolumeSnapshot, VolumeSnapshotContent},
    contents::{self, ContentFacts},
    error::{Tried, VolumesError, if_served, persistently},
    labels,
};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, Client, ResourceExt, api::ListParams};
use std::collections::BTreeSet;

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Temporary objects that were removed.
    pub removed: usize,
    /// Claims of these restores that still wait for their first consumer, as `<namespace>/<name>`.
    pub waiting: Vec<String>,
}

/// Where the claim stands that a temporary snapshot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimState {
    /// It has its volume.
    Bound,
    /// It waits.
    Pending,
    /// It does not exist.
    Absent,
}

/// What becomes of a temporary snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepVerdict {
    /// Nobody needs it any more.
    Remove,
    /// A claim waits for it.
    Keep,
}

/// Decides on one temporary snapshot; `active` says whether its restore is still running. Pure.
pub fn verdict(claim: ClaimState, active: bool) -> SweepVerdict {
    match (claim, active) {
        (ClaimState::Bound, false) | (ClaimState::Absent, false) => SweepVerdict::Remove,
        // A running restore cleans up after itself, and its claims may not exist yet.
        (_, true) | (ClaimState::Pending, false) => SweepVerdict::Keep,
    }
}

/// UIDs of the restores that have temporary objects in the cluster. Ask *afterwards* which of them are running:
/// one that began in between is then never taken for one that has ended.
pub async fn observe_temporary(client: &Client) -> Result<BTreeSet<String>, VolumesError> {
    let snapshots = contents::snapshots(client, &temporary()).await?;
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let page = ListParams::default().labels(&temporary());
    let listed = if_served(persistently(|| contents.list_metadata(&page)).await);
    let listed = listed.tried(|| "list temporary snapshot contents".into())?;
    let of_snapshots = snapshots.iter().filter_map(|one| one.labels().get(labels::RESTORE));
    let of_contents = listed.items.iter().filter_map(|one| one.labels().get(labels::RESTORE));
    Ok(of_snapshots.chain(of_contents).cloned().collect())
}

/// Removes the temporary objects of one restore that ended, except those that a claim still waits for.
pub async fn abort(client: &Client, restore_uid: &str) -> Result<Sweep, VolumesError> {
    let uid = labels::label_value(restore_uid);
    sweep_where(client, |restore| restore == uid).await
}

async fn sweep_where(client: &Client, ended: impl Fn(&str) -> bool) -> Result<Sweep, VolumesError> {
    let temporary = temporary();
    let mut swept = Sweep::default();
    let snapshots = contents::snapshots(client, &temporary).await?;
    let mut needed = BTreeSet::new();
    for snapshot in &snapshots {
        let name = snapshot.name_any();
        let restore = snapshot.labels().get(labels::RESTORE).cloned().unwrap_or_default();
        let state = claim_state(client, snapshot).await?;
        match verdict(state, !ended(&restore)) {
            SweepVerdict::Remove => {
                remove_temporary(client, &snapshot.namespace().unwrap_or_default(), &name).await?;
                swept.removed += 1;
            }
            SweepVerdict::Keep => {
                needed.insert(name);
                // What another restore waits for is its own to tell.
                if state == ClaimState::Pending && ended(&restore) {
                    swept.waiting.push(claim_of(snapshot));
                }
            }
        }
    }
    swept.removed += sweep_contents(client, &temporary, &needed, &ended).await?;
    Ok(swept)
}

/// Contents without a snapshot: of a probe, or of a restore that crashed between the two.
async fn sweep_contents(
    client: &Client,
    temporary: &str,
    needed: &BTreeSet<String>,
    ended: impl Fn(&str) -> bool,
) -> Result<usize, VolumesError> {
    let contents = Api::<VolumeSnapshotContent>::all(client.clone());
    let page = ListParams::default().labels(temporary);
    let listed = if_served(persistently(|| contents.list(&page)).await)
        .tried(|| "list temporary snapshot contents".into())?;
    let mut removed = 0;
    for content in &listed.items {
        let restore = content.labels().get(labels::RESTORE).map(String::as_str).unwrap_or_default();
        let going = content.metadata.deletion_timestamp.is_some();
        if going || needed.contains(&content.name_any()) || !ended(restore) {
            continue;
        }
        contents::release(client, &ContentFacts::of(content), RETAIN).await?;
        removed += 1;
    }
    Ok(removed)
}

fn temporary() -> String {
    format!("{} in ({},{})", labels::PURPOSE, labels::FOR_RESTORE, labels::FOR_PROBE)
}

async fn claim_state(client: &Client, snapshot: &VolumeSnapshot) -> Result<ClaimState, VolumesError> {
    let namespace = snapshot.namespace().unwrap_or_default();
    let Some(name) = snapshot.annotations().get(labels::TARGET_NAME) else { return Ok(ClaimState::Absent) };
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let found =
        persistently(|| claims.get_opt(name)).await.tried(|| format!("read the claim {namespace}/{name}"))?;
    let ours = found.filter(|claim| {
        let source = claim.spec.as_ref().and_then(|spec| spec.data_source.as_ref());
        source.is_some_and(|source| source.name == snapshot.name_any())
    });
    let phase = ours.map(|claim| claim.status.and_then(|status| status.phase).unwrap_or_default());
    Ok(match phase.as_deref() {
        None => ClaimState::Absent,
        Some("Bound") => ClaimState::Bound,
        Some(_) => ClaimState::Pending,
    })
}

fn claim_of(snapshot: &VolumeSnapshot) -> String {
    let name = snapshot.annotations().get(labels::TARGET_NAME).cloned().unwrap_or_default();
    format!("{}/{name}", snapshot.namespace().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_snapshot_goes_when_nobody_needs_it() {
        let rows = [
            (ClaimState::Bound, false, SweepVerdict::Remove),
            (ClaimState::Absent, false, SweepVerdict::Remove),
            (ClaimState::Pending, false, SweepVerdict::Keep),
            (ClaimState::Bound, true, SweepVerdict::Keep),
            (ClaimState::Absent, true, SweepVerdict::Keep),
            (ClaimState::Pending, true, SweepVerdict::Keep),
        ];

        for (claim, active, expected) in rows {
            assert_eq!(verdict(claim, active), expected, "{claim:?} {active}");
        }
    }
}
