//! Keeps a lock fresh: writes a new file, then deletes the old one, every five minutes.

use super::{Held, exists, write};
use crate::EngineError;
use repository::FileKind;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Between two refreshes.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// Between two attempts when one failed.
const AGAIN: Duration = Duration::from_secs(30);

/// Refreshes until `stop` or until the lock is lost. What it does once begun it finishes, so that no file is left.
pub(super) async fn keep_fresh(held: Arc<Held>, stop: CancellationToken) {
    let mut pause = EVERY;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = match refresh(&held).await {
            Ok(true) => EVERY,
            Ok(false) => return,
            Err(error) => {
                // `Lock::check` notices when this goes on for too long.
                tracing::warn!(%error, "the repository lock could not be refreshed");
                AGAIN
            }
        };
    }
}

/// One refresh; `false` when somebody removed the lock.
async fn refresh(held: &Held) -> Result<bool, EngineError> {
    let old = held.state.lock().id;
    if !exists(&held.repo, old).await? {
        held.state.lock().lost = Some("somebody removed it".to_owned());
        return Ok(false);
    }
    let now = held.clock.now();
    let new = write(&held.repo, held.mode, now).await?;
    {
        let mut state = held.state.lock();
        state.id = new;
        state.refreshed = now;
    }
    // Failing here leaves a file that grows stale; the lock itself is fresh.
    held.repo.delete(FileKind::Lock, old).await?;
    Ok(true)
}
