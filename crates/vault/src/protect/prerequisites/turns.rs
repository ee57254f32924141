//! How often prerequisites are looked at again, and how many clusters are asked at a time.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// How long a cluster may take.
pub const WITHIN: SignedDuration = SignedDuration::from_mins(2);
/// A turn that was not taken again for so long is over: it is taken again at each poll, and what one replica began another
/// one may end.
const SILENT: SignedDuration = SignedDuration::from_secs(15);

/// Each replica begins looks at this distance at least, however many instances there are: what the vault is for goes on beside
/// them.
const PACE: SignedDuration = SignedDuration::from_millis(100);
/// A place so far off was given by a clock that ran ahead.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24);

/// What the operator chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// How often each protected instance is looked at; never when absent.
    pub every: Option<SignedDuration>,
    /// How many clusters are asked at the same time, by each replica.
    pub at_once: usize,
}

impl Default for Looks {
    fn default() -> Self {
        Self { every: Some(SignedDuration::from_mins(5)), at_once: 256 }
    }
}

/// Whose cluster is being asked.
#[derive(Debug)]
pub struct Turns {
    looks: Looks,
    under_way: Mutex<BTreeMap<String, Timestamp>>,
    free_from: Mutex<Timestamp>,
}

impl Turns {
    /// Nobody's.
    pub fn new(looks: Looks) -> Self {
        Self { looks, under_way: Mutex::default(), free_from: Mutex::new(Timestamp::UNIX_EPOCH) }
    }

    /// How often is looked.
    pub fn every(&self) -> Option<SignedDuration> {
        self.looks.every
    }

    /// When a look that is due begins: at once, or after those that came before it. The place is taken with that.
    pub fn place(&self, now: Timestamp) -> Timestamp {
        let mut free_from = self.free_from.lock();
        let at = if is_near(*free_from, now) { (*free_from).max(now) } else { now };
        *free_from = at.checked_add(PACE).unwrap_or(at);
        at
    }

    /// Whether this one may ask its cluster now. What is under way takes its turn again, and keeps it by that.
    pub fn take(&self, id: &str, now: Timestamp) -> bool {
        let mut under_way = self.under_way.lock();
        under_way.retain(|_, taken| now.duration_since(*taken) < SILENT);
        let is_free = under_way.contains_key(id) || under_way.len() < self.looks.at_once;
        if is_free {
            under_way.insert(id.to_owned(), now);
        }
        is_free
    }

    /// It is done with its cluster.
    pub fn give_back(&self, id: &str) {
        self.under_way.lock().remove(id);
    }
}

/// Whether a place was given by a clock that runs as this one does.
pub fn is_near(place: Timestamp, now: Timestamp) -> bool {
    place.duration_since(now) < FARTHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_are_due_at_once_begin_one_after_the_other_and_a_clock_that_ran_ahead_is_forgotten() {
        let turns = Turns::new(Looks::default());
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1_000);

        let places: Vec<_> = (0..3).map(|_| turns.place(now)).collect();
        let ahead = turns.place(now + SignedDuration::from_hours(500));
        let back = turns.place(now);

        assert_eq!(places, [now, now + PACE, now + PACE + PACE]);
        assert_eq!((ahead, back), (now + SignedDuration::from_hours(500), now));
    }

    #[test]
    fn so_many_are_asked_at_a_time_and_no_more_and_none_holds_its_turn_for_ever() {
        let turns = Turns::new(Looks { at_once: 2, ..Looks::default() });
        let now = Timestamp::UNIX_EPOCH;

        let first: Vec<bool> = ["a", "b", "c", "a"].map(|id| turns.take(id, now)).into();
        turns.give_back("a");
        let second = turns.take("c", now);
        let full = turns.take("d", now);
        let after = turns.take("d", now + SILENT);

        assert_eq!(first, [true, true, false, true]);
        assert_eq!((second, full, after), (true, false, true));
    }

    #[test]
    fn a_turn_that_is_taken_again_at_each_poll_stays_and_that_of_another_replica_goes_soon() {
        let turns = Turns::new(Looks { at_once: 2, ..Looks::default() });
        let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);

        turns.take("polled here", at(0));
        turns.take("ended elsewhere", at(0));
        let polled = (1..=40).all(|poll| turns.take("polled here", at(poll * 3)));
        let next = turns.take("next", at(120));
        let full = turns.take("one more", at(120));

        assert_eq!((polled, next, full), (true, true, false));
    }
}
