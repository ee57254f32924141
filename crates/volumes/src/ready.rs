//! Waits until the anchored snapshots can be restored from. Some storage systems upload a snapshot after they
//! have cut it; the application does not wait for that, the recovery point may.

use crate::{anchor::Anchored, contents, error::VolumesError, labels};
use kube::Client;
use protection::{Problem, RecoveryPointId, code};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const FIRST_POLL: Duration = Duration::from_millis(500);
const LAST_POLL: Duration = Duration::from_secs(10);

/// Waits until every snapshot is ready, at most this long, and fills in the restore sizes. A snapshot that is
/// not ready by then stays part of the recovery point, with a warning: a restore waits for it.
///
/// # Errors
/// On cancel, or when the contents cannot be listed.
pub async fn await_ready(
    client: &Client,
    id: &RecoveryPointId,
    snapshots: &mut [Anchored],
    at_most: Duration,
    cancel: &CancellationToken,
) -> Result<Vec<Problem>, VolumesError> {
    let begun = Instant::now();
    let mut pause = FIRST_POLL;
    let selector = labels::of_recovery_point(id);
    loop {
        if snapshots.iter().all(|one| one.ready) {
            return Ok(Vec::new());
        }
        let seen = contents::list(client, Some(&selector)).await?;
        let by_name: BTreeMap<&str, &contents::ContentFacts> =
            seen.iter().map(|facts| (facts.name.as_str(), facts)).collect();
        for one in snapshots.iter_mut() {
            if let Some(facts) = by_name.get(one.content.as_str()) {
                one.ready = facts.ready;
                one.snapshot.restore_size = facts.restore_size.or(one.snapshot.restore_size);
            }
        }
        if snapshots.iter().all(|one| one.ready) {
            return Ok(Vec::new());
        }
        if begun.elapsed() >= at_most {
            let late = snapshots.iter().filter(|one| !one.ready);
            return Ok(late
                .map(|one| not_ready(one, begun.elapsed(), !by_name.contains_key(one.content.as_str())))
                .collect());
        }
        tokio::select! {
            () = cancel.cancelled() => {
                return Err(VolumesError::Cancelled { tried: "wait until the snapshots are ready".into() });
            }
            () = sleep(pause) => pause = (pause * 2).min(LAST_POLL),
        }
    }
}

fn not_ready(one: &Anchored, waited: Duration, gone: bool) -> Problem {
    let handle = &one.snapshot.handle;
    let seconds = waited.as_secs();
    let message = if gone {
        format!("The anchor {} of the snapshot {handle} is gone: someone deleted it.", one.content)
    } else {
        format!("The snapshot {handle} was cut but was not ready to restore from within {seconds} s.")
    };
    Problem::warning(code::SNAPSHOT_TIMED_OUT, message)
        .about(one.snapshot.claim.target())
        .fix("Check with `kubectl get volumesnapshotcontent` when it becomes ready; a restore waits for it.")
}
