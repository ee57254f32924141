//! Reads the world into one value for `decide`.

use super::{decide::Observed, session::Session};
use crate::stop::Circumstances;
use jiff::Timestamp;
use resources::{Backup, BackupStatus};

/// The finalizer that keeps a backup's object until nothing of it is frozen or half done.
pub const FINALIZER: &str = "clusterbackup.dataprotection.microsoft.com/thaw";

/// What is known about a backup. `latest` is the newest version of the object that was seen, `status` what this
/// process last read or wrote.
pub fn observe(
    latest: &Backup,
    status: &BackupStatus,
    session: Option<&Session>,
    finalizer: bool,
    shutdown: bool,
    now: Timestamp,
) -> Observed {
    let failed = session.is_some_and(|session| session.failure.is_some());
    let started = status.start_time.as_ref().map(|time| time.0);
    Observed {
        phase: status.phase,
        finalizer,
        frozen: !status.frozen.is_empty(),
        stop: Circumstances::of(latest, started, failed, shutdown).stop(now),
        attempt: session.map(|session| session.attempt.clone()),
    }
}
