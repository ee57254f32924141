//! One server, one pace: when it asks one request to wait, all wait, and then fewer ask at once.

use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Good answers after which one more request may be under way.
const GOOD: u32 = 20;

/// Holds requests back until the server wants them again.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    left: Notify,
}

#[derive(Debug)]
struct State {
    opens: Option<Instant>,
    width: Width,
    inside: usize,
}

/// How many requests may be under way. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Width {
    most: usize,
    now: usize,
    good: u32,
}

impl Width {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), now: most.max(1), good: 0 }
    }

    /// The server is too busy: half as many.
    fn overloaded(self) -> Self {
        Self { now: (self.now / 2).max(1), good: 0, ..self }
    }

    /// The server answered: after some good answers one more.
    fn answered(self) -> Self {
        match self.good + 1 {
            GOOD => Self { now: (self.now + 1).min(self.most), good: 0, ..self },
            good => Self { good, ..self },
        }
    }
}

/// A request that is under way, until its answer is read.
#[derive(Debug)]
pub(super) struct Place(Arc<Gate>);

impl Gate {
    /// A gate for so many requests at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let state = State { opens: None, width: Width::new(most), inside: 0 };
        Arc::new(Self { state: Mutex::new(state), left: Notify::new() })
    }

    /// Lets nobody pass for this long, or longer if that was said before, and fewer at once from then on.
    pub(super) fn overloaded(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.state.lock();
        state.opens = Some(state.opens.map_or(until, |earlier| earlier.max(until)));
        state.width = state.width.overloaded();
    }

    /// The server is not too busy.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock();
        let before = state.width.now;
        state.width = state.width.answered();
        if state.width.now > before {
            self.left.notify_one();
        }
    }

    /// Waits until the gate is open and there is a place.
    pub(super) async fn enter(self: &Arc<Self>) -> Place {
        loop {
            let opens = {
                let mut state = self.state.lock();
                match state.opens {
                    Some(at) if at > Instant::now() => Some(at),
                    _ if state.inside < state.width.now => {
                        state.inside += 1;
                        return Place(self.clone());
                    }
                    _ => None,
                }
            };
            match opens {
                Some(at) => tokio::time::sleep_until(at).await,
                None => self.left.notified().await,
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state.lock().inside -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_pause_holds_everybody() {
        let gate = Gate::new(4);
        gate.overloaded(Duration::from_secs(5));
        gate.overloaded(Duration::from_secs(1));
        let start = Instant::now();

        drop(gate.enter().await);

        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_overload_half_as_many_are_inside() {
        let gate = Gate::new(4);
        gate.overloaded(Duration::from_secs(1));
        let (first, _second) = (gate.enter().await, gate.enter().await);

        let waits = tokio::time::timeout(Duration::from_secs(60), gate.enter()).await.is_err();
        drop(first);
        let passes = tokio::time::timeout(Duration::from_secs(60), gate.enter()).await.is_ok();

        assert!(waits && passes);
    }

    #[test]
    fn good_answers_widen_the_gate_again_up_to_where_it_was() {
        let mut width = Width::new(4).overloaded().overloaded().overloaded();
        assert_eq!(width.now, 1);

        let mut widths = Vec::new();
        for _ in 0..5 * GOOD {
            width = width.answered();
            widths.push(width.now);
        }

        assert_eq!([widths[18], widths[19], widths[39], widths[59], widths[99]], [1, 2, 3, 4, 4]);
    }
}
