//! Reads what is known into one value for `decide`.

use super::{Run, decide::Observed};
use crate::stop::Circumstances;

impl Run {
    pub(super) fn observe(&self) -> Observed {
        let latest = self.latest.borrow();
        let started = self.status.start_time.as_ref().map(|time| time.0);
        let circumstances =
            Circumstances::of(latest.as_ref(), started, self.failure.is_some(), self.stop.is_cancelled());
        Observed {
            phase: self.status.phase,
            operation: latest.spec.operation,
            stop: circumstances.stop(self.context.clock.now()),
            attempt: self.attempt,
        }
    }
}
