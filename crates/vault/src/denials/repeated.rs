//! What a machine is refused again and again: it does not learn from a refusal, and asks every few seconds for as long as
//! nobody mends it. The first refusal is written, the others are counted and written once an hour and when they end.

use super::Denials;
use crate::store::{AuditEntry, AuditOutcome, Store, Stores};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;

/// How often what was counted is written, and after which silence it is over.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Refusals that are told apart; more are written as those of people are.
const MOST: usize = 10_000;

/// What machines are refused again and again, by this replica.
#[derive(Debug, Default)]
pub struct Repeated(Mutex<HashMap<Key, Counted>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    principal: String,
    action: String,
    scope: String,
}

impl Key {
    fn of(entry: &AuditEntry) -> Self {
        let AuditEntry { principal, action, scope, .. } = entry.clone();
        Self { principal, action, scope }
    }
}

#[derive(Debug)]
struct Counted {
    written: Timestamp,
    times: u32,
    last: AuditEntry,
}

impl Repeated {
    /// Writes a refusal, or counts it.
    pub async fn note(&self, store: &dyn Store, denials: &Denials, entry: AuditEntry) -> Stores<()> {
        if self.count(&entry) {
            return Ok(());
        }
        denials.note(store, entry.clone()).await?;
        // Only what was written counts as written.
        let mut all = self.0.lock();
        if all.len() < MOST {
            all.entry(Key::of(&entry)).or_insert(Counted { written: entry.at, times: 0, last: entry });
        }
        Ok(())
    }

    /// Whether anything is counted at all: for whoever is let in, most of the time, nothing more is to be looked up.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Writes what was counted of something that is let in now.
    pub async fn ended(&self, store: &dyn Store, principal: &str, action: &str, scope: &str) -> Stores<()> {
        let key = Key { principal: principal.to_owned(), action: action.to_owned(), scope: scope.to_owned() };
        let Some(counted) = self.0.lock().remove(&key) else { return Ok(()) };
        self.write(store, key, counted).await
    }

    /// Writes what was counted for an hour; what was not refused since then is over.
    pub async fn flush(&self, store: &dyn Store, now: Timestamp) -> Stores<()> {
        self.write_all(store, now, |counted| now.duration_since(counted.written) >= EVERY).await
    }

    /// Writes all that was counted; the vault ends.
    pub async fn flush_all(&self, store: &dyn Store, now: Timestamp) -> Stores<()> {
        self.write_all(store, now, |_| true).await
    }

    async fn write_all(
        &self,
        store: &dyn Store,
        now: Timestamp,
        due: impl Fn(&Counted) -> bool,
    ) -> Stores<()> {
        let taken: Vec<(Key, Counted)> = self.0.lock().extract_if(|_, counted| due(counted)).collect();
        let mut all_written = Ok(());
        for (key, counted) in taken {
            let goes_on = counted.times > 0;
            let last = counted.last.clone();
            match self.write(store, key.clone(), counted).await {
                Ok(()) if goes_on => {
                    // It may have been refused again meanwhile.
                    self.0.lock().entry(key).or_insert(Counted { written: now, times: 0, last });
                }
                Ok(()) => {}
                Err(error) => all_written = Err(error),
            }
        }
        all_written
    }

    async fn write(&self, store: &dyn Store, key: Key, counted: Counted) -> Stores<()> {
        if counted.times == 0 {
            return Ok(());
        }
        let outcome = AuditOutcome::DeniedAgain { times: counted.times };
        let written = store.note(&AuditEntry { outcome, ..counted.last.clone() }).await;
        if written.is_err() {
            // What could not be written is counted on.
            let mut all = self.0.lock();
            let times = all.get(&key).map_or(0, |again| again.times);
            all.insert(key, Counted { times: counted.times.saturating_add(times), ..counted });
        }
        written
    }

    fn count(&self, entry: &AuditEntry) -> bool {
        let mut all = self.0.lock();
        let Some(counted) = all.get_mut(&Key::of(entry)) else { return false };
        counted.times = counted.times.saturating_add(1);
        counted.last = entry.clone();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str, second: i64) -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_second(second).unwrap(),
            principal: "extension".into(),
            action: action.into(),
            scope: "/account".into(),
            outcome: AuditOutcome::Denied,
            correlation: "c".into(),
        }
    }

    #[test]
    fn what_was_refused_before_is_counted_and_nothing_else_is() {
        let repeated = Repeated::default();
        let first = entry("read", 0);
        let of_first = Counted { written: first.at, times: 0, last: first.clone() };
        repeated.0.lock().insert(Key::of(&first), of_first);

        let counted = (1..=240).filter(|second| repeated.count(&entry("read", *second))).count();
        let other = repeated.count(&entry("write", 1));

        assert_eq!((counted, other), (240, false));
        assert_eq!(repeated.0.lock().get(&Key::of(&first)).map(|counted| counted.times), Some(240));
    }
}
