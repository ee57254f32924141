//! Reads the world into one value for `decide`.

use super::{decide::Observed, session::Session};
use crate::stop::{Circumstances, Stop};
use jiff::Timestamp;
use kube::Resource;
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
    Observed {
        phase: status.phase,
        finalizer,
        frozen: !status.frozen.is_empty(),
        stop: stop(latest, status, session, shutdown, now),
        attempt: session.map(|session| session.attempt.clone()),
    }
}

/// Why the work shall end now, if it shall.
fn stop(
    latest: &Backup,
    status: &BackupStatus,
    session: Option<&Session>,
    shutdown: bool,
    now: Timestamp,
) -> Option<Stop> {
    circumstances(latest, status, session.is_some_and(|session| session.failure.is_some()), shutdown)
        .stop(now)
}

/// What can stop a backup.
pub fn circumstances(latest: &Backup, status: &BackupStatus, failed: bool, shutdown: bool) -> Circumstances {
    Circumstances {
        shutdown,
        failed,
        cancelled: latest.spec.cancel || latest.meta().deletion_timestamp.is_some(),
        started: status.start_time.as_ref().map(|time| time.0),
        deadline_seconds: latest.spec.deadline_seconds,
    }
}
