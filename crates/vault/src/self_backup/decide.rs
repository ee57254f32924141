//! When the next backup is due, and which ones go.

use jiff::{SignedDuration, Timestamp};

/// The first try again after a failure; then twice as long each time, up to [`LONGEST_REST`].
const REST: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(1);

/// When one is due, given when the last one was made. A last one in the future was made by a clock that was wrong.
pub fn due(last: Option<Timestamp>, every: SignedDuration, now: Timestamp) -> Timestamp {
    match last {
        Some(last) if last <= now => last.checked_add(every).unwrap_or(now).max(now),
        _ => now,
    }
}

/// When it is tried again after so many failures in a row, never later than the next regular one.
pub fn again(failures: u32, every: SignedDuration, now: Timestamp) -> Timestamp {
    let factor = 1_i32.checked_shl(failures.min(10)).unwrap_or(i32::MAX);
    let rest = REST.checked_mul(factor).unwrap_or(LONGEST_REST).min(LONGEST_REST).min(every);
    now.checked_add(rest).unwrap_or(now)
}

/// Of names in the order of their times, those beyond the newest `keep`. The one that was just made never goes. Later ones
/// than it were made by a clock that was ahead, and go first.
pub fn outlived(mut names: Vec<String>, keep: usize, made: &str) -> Vec<String> {
    names.sort_by(|one, other| (one.as_str() <= made, one).cmp(&(other.as_str() <= made, other)));
    names.truncate(names.len().saturating_sub(keep.max(1)));
    names
}

/// The newest, and what is passed over, of what is in the order of its times: what was made by now, and what says that it
/// is of the future. A clock was ahead that made the latter; when all of it is of the future, this clock is behind.
pub fn newest<T>(mut past: Vec<T>, mut future: Vec<T>) -> Option<(T, Vec<T>)> {
    match past.pop() {
        Some(newest) => Some((newest, future)),
        None => future.pop().map(|newest| (newest, Vec::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    #[test]
    fn one_that_was_missed_is_due_now_and_one_of_the_future_does_not_count() {
        let day = SignedDuration::from_hours(24);

        assert_eq!(due(None, day, at(100)), at(100));
        assert_eq!(due(Some(at(90)), day, at(100)), at(114));
        assert_eq!(due(Some(at(10)), day, at(100)), at(100));
        assert_eq!(due(Some(at(1_000)), day, at(100)), at(100));
    }

    #[test]
    fn failures_are_tried_again_soon_and_then_each_hour() {
        let day = SignedDuration::from_hours(24);
        let rest = |failures, every| again(failures, every, at(0)).as_second();

        assert_eq!([0, 1, 2, 9, 4_000_000].map(|n| rest(n, day)), [300, 600, 1_200, 3_600, 3_600]);
        assert_eq!(rest(9, SignedDuration::from_secs(30)), 30);
    }

    #[test]
    fn the_newest_is_of_now_and_not_of_a_clock_that_was_ahead() {
        assert_eq!(newest(vec!["a", "b"], vec!["y", "z"]), Some(("b", vec!["y", "z"])));
        assert_eq!(newest(vec!["a"], vec![]), Some(("a", vec![])));
        assert_eq!(newest(vec![], vec!["y", "z"]), Some(("z", vec![])), "this clock is behind");
        assert_eq!(newest::<&str>(vec![], vec![]), None);
    }

    #[test]
    fn the_newest_are_kept_and_never_none() {
        let names = || ["b", "c", "a"].map(str::to_owned).to_vec();

        assert_eq!(outlived(names(), 2, "c"), ["a"]);
        assert_eq!(outlived(names(), 0, "c"), ["a", "b"]);
        assert!(outlived(names(), 9, "c").is_empty());
        assert_eq!(outlived(names(), 2, "b"), ["c"], "of a clock that was ahead");
        assert_eq!(outlived(names(), 1, "a"), ["b", "c"]);
    }
}
