//! Which refusals go into the audit log: each kind once a minute, and not too many kinds, so that who is refused cannot
//! fill the database.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const EACH: Duration = Duration::from_secs(60);
const MOST_A_MINUTE: usize = 200;

/// Remembers what was written down in the last minute.
#[derive(Debug, Default)]
pub struct Denied(Mutex<HashMap<(String, String), Instant>>);

impl Denied {
    /// Whether this refusal is to be written down.
    pub fn is_new(&self, who: &str, what: &str, now: Instant) -> bool {
        let mut noted = self.0.lock();
        let key = (who.to_owned(), what.to_owned());
        if noted.get(&key).is_some_and(|at| now.duration_since(*at) < EACH) {
            return false;
        }
        if noted.len() >= MOST_A_MINUTE {
            noted.retain(|_, at| now.duration_since(*at) < EACH);
        }
        if noted.len() >= MOST_A_MINUTE {
            return false;
        }
        noted.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_noted_once_a_minute_and_all_together_are_bounded() {
        let denied = Denied::default();
        let now = Instant::now();

        assert!(denied.is_new("p", "write /a", now));
        assert!(!denied.is_new("p", "write /a", now + EACH / 2));
        assert!(denied.is_new("p", "write /a", now + EACH));
        let noted = (0..1_000).filter(|n| denied.is_new("p", &n.to_string(), now + EACH)).count();
        assert_eq!(noted, MOST_A_MINUTE - 1);
    }
}
