//! When backups of a policy are due.

use super::RepeatingInterval;
use jiff::{Timestamp, tz::TimeZone};

/// All intervals of a policy, in its time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// At least one.
    pub intervals: Vec<RepeatingInterval>,
    /// Whose times of day they keep.
    pub zone: TimeZone,
}

impl Schedule {
    /// The first slot after an instant.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.intervals.iter().filter_map(|interval| interval.next_after(instant, &self.zone)).min()
    }

    /// The one slot to run now: the last that is due and lies after the last that was handled. Slots that were missed
    /// before it (the vault or the cluster was away) are made up for by this one run.
    pub fn due(&self, handled: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let last = self.intervals.iter().filter_map(|interval| interval.last_until(now, &self.zone)).max();
        last.filter(|slot| *slot > handled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        let intervals = ["R/2026-05-05T08:00:00Z/PT4H", "R/2026-05-05T09:00:00Z/P1D"];
        Schedule {
            intervals: intervals.iter().map(|text| text.parse().unwrap()).collect(),
            zone: TimeZone::UTC,
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_nearest_slot_of_all_intervals_comes_next() {
        assert_eq!(schedule().next_after(at("2026-05-06T08:00:00Z")), Some(at("2026-05-06T09:00:00Z")));
    }

    #[test]
    fn missed_slots_are_made_up_for_once() {
        let (handled, back) = (at("2026-05-05T08:00:00Z"), at("2026-05-07T13:30:00Z"));

        let due = schedule().due(handled, back);

        assert_eq!(due, Some(at("2026-05-07T12:00:00Z")));
        assert_eq!(schedule().due(due.unwrap(), back), None, "the slot was handled");
    }

    #[test]
    fn a_clock_that_was_put_back_runs_nothing_twice() {
        let handled = at("2026-05-05T12:00:00Z");
        assert_eq!(schedule().due(handled, at("2026-05-05T11:00:00Z")), None);
        assert_eq!(schedule().due(handled, at("2026-05-05T12:00:01Z")), None);
    }

    #[test]
    fn nothing_is_due_before_the_start() {
        assert_eq!(schedule().due(Timestamp::MIN, at("2026-05-05T07:59:59Z")), None);
    }
}
