//! When a client that keeps failing may try again.

use crate::store::FailedSignIns;
use jiff::{SignedDuration, Timestamp};

const FIRST_WAIT_SECONDS: i64 = 60;
const LONGEST_WAIT_SECONDS: i64 = 900;

/// Until when no secret of the client is looked at; `None` when it may try now. So many failures in a row are free; each
/// one beyond doubles the wait, up to a quarter of an hour.
pub fn locked_until(failed: FailedSignIns, free: u32, now: Timestamp) -> Option<Timestamp> {
    let beyond = failed.failures.checked_sub(free)?;
    let seconds = FIRST_WAIT_SECONDS.saturating_mul(1 << beyond.min(10)).min(LONGEST_WAIT_SECONDS);
    let until = failed.last_at?.saturating_add(SignedDuration::from_secs(seconds)).ok()?;
    (now < until).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_failure_beyond_the_tenth() {
        let last: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let wait = |failures| {
            let failed = FailedSignIns { failures, last_at: Some(last) };
            locked_until(failed, 10, last).map(|until| until.duration_since(last).as_secs())
        };

        let waits = [0, 9, 10, 11, 12, 13, 14, 15, 1_000, u32::MAX].map(wait);

        let expected = [
            None,
            None,
            Some(60),
            Some(120),
            Some(240),
            Some(480),
            Some(900),
            Some(900),
            Some(900),
            Some(900),
        ];
        assert_eq!(waits, expected);
    }

    #[test]
    fn after_the_wait_one_more_try_is_free() {
        let last: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let failed = FailedSignIns { failures: 10, last_at: Some(last) };

        assert_eq!(locked_until(failed, 10, "2026-01-01T00:01:00Z".parse().unwrap()), None);
    }
}
