//! Reads what is known into one value for `decide`.

use super::{Run, decide::Observed};
use crate::stop::Stop;

impl Run {
    pub(super) fn observe(&self) -> Observed {
        let stop = if self.stop.is_cancelled() {
            Some(Stop::Shutdown)
        } else {
            self.failure.as_ref().map(|_| Stop::Failed)
        };
        Observed { phase: self.status.phase, stop, attempt: self.attempt }
    }
}
