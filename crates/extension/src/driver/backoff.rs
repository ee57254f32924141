//! How long to wait before a failed object is tried again: per object, and reset by success.

use std::{collections::HashMap, time::Duration};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// Failures in a row, by the UID of the object.
#[derive(Debug, Default)]
pub struct Backoff(HashMap<String, u32>);

impl Backoff {
    /// Notes a failure; the pause before the next try: 1 s, 2 s, 4 s … 5 min.
    pub fn failed(&mut self, uid: &str) -> Duration {
        let failures = self.0.entry(uid.to_owned()).or_insert(0);
        let pause = FIRST.saturating_mul(1_u32.checked_shl(*failures).unwrap_or(u32::MAX));
        *failures = failures.saturating_add(1).min(31);
        pause.min(LONGEST)
    }

    /// Forgets the failures of an object that succeeded or is gone.
    pub fn reset(&mut self, uid: &str) {
        self.0.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_start_over_after_success() {
        let mut backoff = Backoff::default();

        let pauses: Vec<u64> = (0..12).map(|_| backoff.failed("a").as_secs()).collect();
        backoff.reset("a");

        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(backoff.failed("a").as_secs(), 1);
        assert_eq!(backoff.failed("b").as_secs(), 1);
    }
}
