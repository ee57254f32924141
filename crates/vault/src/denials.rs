//! The audit log of denied calls, kept in bounds: of each principal so many records a minute are written one by one, and
//! the rest as one record per action that says how often.

mod repeated;

pub use repeated::Repeated;

use crate::store::{AuditEntry, AuditOutcome, Store, Stores};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

/// Records of one principal that are written one by one in a window.
const WRITTEN: u32 = 30;
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Actions of one principal that are counted apart.
const MOST_ACTIONS: usize = 64;
/// Under which all others are counted.
const OTHERS: &str = "others";

/// What was not written yet.
#[derive(Debug, Default)]
pub struct Denials(Mutex<HashMap<String, Window>>);

#[derive(Debug)]
struct Window {
    began: Timestamp,
    written: u32,
    // By action; the entry is the last one.
    held: BTreeMap<String, (u32, AuditEntry)>,
}

impl Denials {
    /// Writes a record, or counts it.
    pub async fn note(&self, store: &dyn Store, entry: AuditEntry) -> Stores<()> {
        if self.hold(&entry) { Ok(()) } else { store.note(&entry).await }
    }

    /// Writes what was counted in windows that ended by now.
    pub async fn flush(&self, store: &dyn Store, now: Timestamp) -> Stores<()> {
        let ended = self.take(|window| now.duration_since(window.began) >= WINDOW);
        self.write(store, ended).await
    }

    /// Writes all that was counted; the vault ends.
    pub async fn flush_all(&self, store: &dyn Store) -> Stores<()> {
        let all = self.take(|_| true);
        self.write(store, all).await
    }

    fn hold(&self, entry: &AuditEntry) -> bool {
        let mut windows = self.0.lock();
        let fresh = || Window { began: entry.at, written: 0, held: BTreeMap::new() };
        let window = windows.entry(entry.principal.clone()).or_insert_with(fresh);
        if window.held.is_empty() && entry.at.duration_since(window.began) >= WINDOW {
            *window = fresh();
        }
        if window.written < WRITTEN {
            window.written += 1;
            return false;
        }
        let full = window.held.len() >= MOST_ACTIONS && !window.held.contains_key(&entry.action);
        let action = if full { OTHERS.to_owned() } else { entry.action.clone() };
        let (times, last) = window.held.entry(action.clone()).or_insert_with(|| (0, entry.clone()));
        *times = times.saturating_add(1);
        *last = AuditEntry { action, ..entry.clone() };
        true
    }

    fn take(&self, ended: impl Fn(&Window) -> bool) -> Vec<(u32, AuditEntry)> {
        let mut windows = self.0.lock();
        let names: Vec<String> =
            windows.iter().filter(|(_, window)| ended(window)).map(|(name, _)| name.clone()).collect();
        let taken = names.iter().filter_map(|name| windows.remove(name));
        taken.flat_map(|window| window.held.into_values()).collect()
    }

    async fn write(&self, store: &dyn Store, held: Vec<(u32, AuditEntry)>) -> Stores<()> {
        let mut rest = held.into_iter();
        while let Some((times, entry)) = rest.next() {
            let record = AuditEntry { outcome: AuditOutcome::DeniedAgain { times }, ..entry.clone() };
            if let Err(error) = store.note(&record).await {
                // What could not be written is counted on.
                self.put_back(std::iter::once((times, entry)).chain(rest));
                return Err(error);
            }
        }
        Ok(())
    }

    fn put_back(&self, held: impl Iterator<Item = (u32, AuditEntry)>) {
        let mut windows = self.0.lock();
        for (times, entry) in held {
            let fresh = || Window { began: entry.at, written: WRITTEN, held: BTreeMap::new() };
            let window = windows.entry(entry.principal.clone()).or_insert_with(fresh);
            let (counted, _) = window.held.entry(entry.action.clone()).or_insert_with(|| (0, entry.clone()));
            *counted = counted.saturating_add(times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(principal: &str, action: &str, second: i64) -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_second(second).unwrap(),
            principal: principal.into(),
            action: action.into(),
            scope: "/".into(),
            outcome: AuditOutcome::Denied,
            correlation: "c".into(),
        }
    }

    #[test]
    fn a_flood_is_counted_by_action_and_nobody_elses_record_is_held() {
        let denials = Denials::default();

        let held = (0..1_000).filter(|n| denials.hold(&entry("p", &format!("a{}", n % 100), 0))).count();
        let other = denials.hold(&entry("q", "a", 0));
        let counted = denials.take(|_| true);

        assert_eq!((held, other), (970, false));
        assert_eq!(counted.iter().map(|(times, _)| times).sum::<u32>(), 970, "nothing is lost");
        assert!(counted.len() <= MOST_ACTIONS + 1);
        assert!(counted.iter().any(|(_, entry)| entry.action == OTHERS));
    }

    #[test]
    fn a_new_window_begins_when_the_old_one_ended() {
        let denials = Denials::default();
        for _ in 0..WRITTEN {
            assert!(!denials.hold(&entry("p", "a", 0)));
        }

        assert!(!denials.hold(&entry("p", "a", 60)));
    }
}
