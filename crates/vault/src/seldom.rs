//! The audit log of what is asked for again and again and changes nothing: of each principal one record an hour. The log
//! only grows, so that what happens every few minutes for years must not be a row each time.

use crate::store::{AuditEntry, Store, Stores};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;

/// One record within this time.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// When each principal's last record was written, by this replica.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<HashMap<String, Timestamp>>);

impl Seldom {
    /// Writes a record, unless one of the same principal was written within the hour.
    pub async fn note(&self, store: &dyn Store, entry: &AuditEntry) -> Stores<()> {
        if self.is_due(&entry.principal, entry.at) {
            // Only what was written counts as written.
            store.note(entry).await?;
            self.0.lock().insert(entry.principal.clone(), entry.at);
        }
        Ok(())
    }

    fn is_due(&self, principal: &str, now: Timestamp) -> bool {
        let mut written = self.0.lock();
        // Also what a clock that ran ahead wrote is forgotten.
        written.retain(|_, at| *at <= now && now.duration_since(*at) < WITHIN);
        !written.contains_key(principal)
    }
}
