//! How often one source may do what costs something before anyone is known.

use super::Source;
use jiff::{SignedDuration, Timestamp};
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;

const WINDOW: SignedDuration = SignedDuration::from_secs(60);
const TIMES: u32 = 30;
/// Of all sources together; a flood from many is refused before it fills the database.
const TIMES_OF_ALL: u32 = 1_000;
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Counts by source and minute.
#[derive(Debug)]
pub struct Brake(Mutex<State>);

#[derive(Debug)]
struct State {
    all: (Timestamp, u32),
    by_source: LruCache<Source, (Timestamp, u32)>,
}

impl Default for Brake {
    fn default() -> Self {
        let all = (Timestamp::UNIX_EPOCH, 0);
        Self(Mutex::new(State { all, by_source: LruCache::new(MOST) }))
    }
}

impl Brake {
    /// Whether the source may go on.
    pub fn take(&self, source: &Source, now: Timestamp) -> bool {
        let mut state = self.0.lock();
        let count = state.by_source.get_or_insert_mut(source.clone(), || (now, 0));
        if !counted(count, TIMES, now) {
            return false;
        }
        counted(&mut state.all, TIMES_OF_ALL, now)
    }
}

fn counted((began, times): &mut (Timestamp, u32), most: u32, now: Timestamp) -> bool {
    if now.duration_since(*began) >= WINDOW {
        (*began, *times) = (now, 0);
    }
    *times = times.saturating_add(1);
    *times <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_asks_too_often_waits_for_the_next_minute_and_holds_nobody_up() {
        let brake = Brake::default();
        let source = |n: u8| Source::of(Some([192, 0, 2, n].into()));
        let at = |second| Timestamp::from_second(second).unwrap();

        let taken = (0..100).filter(|_| brake.take(&source(1), at(100))).count();

        assert_eq!(taken, 30);
        assert!(brake.take(&source(2), at(100)) && brake.take(&source(1), at(160)));
    }
}
