//! Reads what is known into one value for `decide`, and tells when a restore shall stop.

use super::{Run, decide::Observed};
use crate::stop::Circumstances;
use kube::Resource;
use resources::{Restore, RestoreStatus};
use std::time::Duration;

/// How often the deadline is looked at when nothing else happens.
const LOOK: Duration = Duration::from_secs(30);

impl Run {
    pub(super) fn observe(&self) -> Observed {
        let latest = self.latest.borrow();
        let circumstances =
            circumstances(&latest, &self.status, self.failure.is_some(), self.stop.is_cancelled());
        Observed {
            phase: self.status.phase,
            operation: latest.spec.operation,
            stop: circumstances.stop(self.context.clock.now()),
            attempt: self.attempt,
        }
    }

    /// Resolves when the restore shall stop.
    pub(super) fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut latest, stop, clock) = (self.latest.clone(), self.stop.clone(), self.context.clock.clone());
        let status = self.status.clone();
        async move {
            loop {
                let circumstances = {
                    let object = latest.borrow_and_update();
                    circumstances(&object, &status, false, stop.is_cancelled())
                };
                let now = clock.now();
                if circumstances.stop(now).is_some() {
                    return;
                }
                let left = circumstances
                    .deadline()
                    .and_then(|deadline| Duration::try_from(deadline.duration_since(now)).ok())
                    .unwrap_or(LOOK);
                tokio::select! {
                    () = stop.cancelled() => return,
                    changed = latest.changed() => if changed.is_err() {
                        return stop.cancelled().await;
                    },
                    () = tokio::time::sleep(left) => {}
                }
            }
        }
    }
}

fn circumstances(latest: &Restore, status: &RestoreStatus, failed: bool, shutdown: bool) -> Circumstances {
    Circumstances {
        shutdown,
        failed,
        cancelled: latest.spec.cancel || latest.meta().deletion_timestamp.is_some(),
        started: status.start_time.as_ref().map(|time| time.0),
        deadline_seconds: latest.spec.deadline_seconds,
    }
}
