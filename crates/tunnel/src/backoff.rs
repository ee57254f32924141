//! How long to wait before dialling again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The pause after `failures` failures in a row (at least one). `jitter`, from 0 to 1, is drawn anew each time: when a
/// vault comes back, its clusters must not all arrive at once. A whole pause doubles up to a minute; at least half of
/// it is waited.
pub fn pause(failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let half = whole / 2;
    half + half.mul_f64(if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_spread_over_their_upper_half() {
        let cases = [
            (1, 0.0, 500),
            (1, 1.0, 1_000),
            (2, 0.0, 1_000),
            (3, 1.0, 4_000),
            (7, 0.0, 30_000),
            (7, 0.5, 45_000),
            (8, 1.0, 60_000),
            (u32::MAX, 1.0, 60_000),
            (0, f64::NAN, 500),
        ];

        for (failures, jitter, milliseconds) in cases {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(pause(failures, jitter), expected, "{failures} {jitter}");
        }
    }
}
