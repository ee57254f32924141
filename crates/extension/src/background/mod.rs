//! What runs on a timer, and when it is poked: one short file each, idempotent, without input.

mod locations;
mod orphans;
mod prune;

use crate::context::Context;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often leftovers of crashed operations are looked for.
const ORPHANS: Duration = Duration::from_secs(300);
/// How often space is freed when nobody asks for it.
const PRUNE: Duration = Duration::from_secs(6 * 3600);
/// How long a deletion's request for pruning waits for further deletions.
const GATHER: Duration = Duration::from_secs(60);

/// Starts all background tasks.
pub fn start(tasks: &mut JoinSet<()>, context: &Arc<Context>, stop: &CancellationToken) {
    let (of_locations, of_prune) = (context.clone(), context.clone());
    let (stop_locations, stop_prune) = (stop.clone(), stop.clone());
    tasks.spawn(async move {
        stop_locations.run_until_cancelled(locations::keep_looking(&of_locations)).await;
    });
    let (of_orphans, stop_orphans) = (context.clone(), stop.clone());
    tasks.spawn(async move {
        let work = async {
            loop {
                orphans::sweep(&of_orphans).await;
                tokio::time::sleep(ORPHANS).await;
            }
        };
        stop_orphans.run_until_cancelled(work).await;
    });
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop_prune.cancelled() => return,
                () = tokio::time::sleep(PRUNE) => {}
                () = of_prune.prune.notified() => {
                    if stop_prune.run_until_cancelled(tokio::time::sleep(GATHER)).await.is_none() {
                        return;
                    }
                }
            }
            prune::prune(&of_prune, &stop_prune).await;
        }
    });
}
