//! Reads what is known into one value for `decide`.

use super::{Run, Validation, decide::Observed};

impl<K: Validation> Run<K> {
    pub(super) fn observe(&self) -> Observed {
        Observed {
            phase: self.status.phase,
            shutdown: self.stop.is_cancelled(),
            checked: self.checks.is_some(),
        }
    }
}
