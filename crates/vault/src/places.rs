//! How many calls of the management API are worked on at a time; all others wait in the order in which they came. Callers
//! that ask as fast as they can wait for each other then, and the vault's own work does not wait for all of them: neither
//! for a processor nor for a connection to the database.

use http::Method;
use std::{num::NonZero, thread::available_parallelism};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Of each processor.
const OF_EACH: usize = 2;
/// Calls wait for disks too: so many at least.
const LEAST: usize = 4;

/// The places of calls that read, and of those that change something: a crowd of one kind does not hold up the other.
#[derive(Debug)]
pub struct Places {
    reads: Semaphore,
    changes: Semaphore,
}

impl Default for Places {
    /// As many as the machine's processors carry.
    fn default() -> Self {
        Self::of(available_parallelism().map_or(1, NonZero::get).saturating_mul(OF_EACH).max(LEAST))
    }
}

impl Places {
    fn of(each: usize) -> Self {
        Self { reads: Semaphore::new(each), changes: Semaphore::new(each) }
    }

    /// Waits for a place, which is free again when the permit goes. Nobody may wait for a cluster while holding one.
    pub async fn take(&self, method: &Method) -> Option<SemaphorePermit<'_>> {
        let kind = if matches!(*method, Method::GET | Method::HEAD) { &self.reads } else { &self.changes };
        // They are never closed.
        kind.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn who_finds_no_place_waits_for_one_of_its_own_kind() {
        let places = Places::of(2);
        let first = places.take(&Method::GET).await;
        let _second = places.take(&Method::HEAD).await;

        let mut third = Box::pin(places.take(&Method::GET));
        let waits = (&mut third).now_or_never().is_none();
        let change = places.take(&Method::PUT).now_or_never();
        drop(first);
        let has_its_turn = third.now_or_never();

        assert!(waits, "both places are taken");
        assert!(change.flatten().is_some(), "changes have places of their own");
        assert!(has_its_turn.flatten().is_some());
    }
}
