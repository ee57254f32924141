//! A cache bounded by bytes in which concurrent requests for one key share one load.

use crate::EngineError;
use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use std::{fmt::Debug, future::Future, hash::Hash, sync::Arc};
use tokio::sync::OnceCell;

/// Entries that are remembered at most, loaded or not.
const MOST_ENTRIES: usize = 100_000;

/// The cache. Its values count with their length; what is in use elsewhere is not counted twice.
pub(super) struct Flights<K> {
    state: Mutex<State<K>>,
    capacity: usize,
}

struct State<K> {
    entries: LruCache<K, Entry>,
    bytes: usize,
}

struct Entry {
    cell: Arc<OnceCell<Bytes>>,
    /// Bytes counted for it; 0 while it is loading.
    weight: usize,
}

impl<K: Hash + Eq + Clone> Flights<K> {
    /// An empty cache for at most `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::new(State { entries: LruCache::unbounded(), bytes: 0 }), capacity }
    }

    /// The value of `key`, from the cache or by `load`. A failed load is tried again by the next request.
    pub(super) async fn get<F>(&self, key: K, load: impl FnOnce() -> F) -> Result<Bytes, EngineError>
    where
        F: Future<Output = Result<Bytes, EngineError>>,
    {
        let cell = {
            let mut state = self.state.lock();
            let entry =
                state.entries.get_or_insert_mut(key.clone(), || Entry { cell: Arc::default(), weight: 0 });
            entry.cell.clone()
        };
        let value = cell.get_or_try_init(load).await?.clone();
        self.settle(&key, &cell, value.len());
        Ok(value)
    }

    /// Counts a loaded value and drops the least recently used ones until the rest fits.
    fn settle(&self, key: &K, cell: &Arc<OnceCell<Bytes>>, length: usize) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(entry) = state.entries.get_mut(key)
            && entry.weight == 0
            && Arc::ptr_eq(&entry.cell, cell)
        {
            entry.weight = length.max(1);
            state.bytes += entry.weight;
        }
        while state.bytes > self.capacity || state.entries.len() > MOST_ENTRIES {
            let Some((_, entry)) = state.entries.pop_lru() else { break };
            state.bytes -= entry.weight;
        }
    }
}

impl<K> Debug for Flights<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flights({} of {} bytes)", self.state.lock().bytes, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn concurrent_requests_share_one_load_and_a_failure_is_not_remembered() {
        let cache = Flights::new(100);
        let loads = AtomicUsize::new(0);
        let load = || async {
            tokio::task::yield_now().await;
            match loads.fetch_add(1, Ordering::Relaxed) {
                0 => Err(EngineError::Cancelled),
                _ => Ok(Bytes::from_static(b"value")),
            }
        };

        assert!(cache.get(1, load).await.is_err());
        let (one, two) = tokio::join!(cache.get(1, load), cache.get(1, load));

        assert_eq!((one.unwrap(), two.unwrap()), ("value".into(), "value".into()));
        assert_eq!(loads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_least_recently_used_values_leave_first_and_the_limit_holds() {
        let cache = Flights::new(100);
        for key in [1, 2, 1, 3] {
            cache.get(key, || async { Ok(Bytes::from(vec![0; 40])) }).await.unwrap();
        }

        let keys: Vec<i32> = cache.state.lock().entries.iter().map(|(key, _)| *key).collect();

        assert_eq!(keys, [3, 1]);
        assert_eq!(cache.state.lock().bytes, 80);
    }
}
