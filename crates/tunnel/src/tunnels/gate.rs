//! Lets the requests of one cluster pass as the queue decides.

use super::{
    error::Busy,
    queue::{Entered, Kind, Limits, Queue, Ticket},
};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::oneshot;

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Requests under way, watches included.
    pub under_way: usize,
    /// Requests that wait.
    pub waiting: usize,
}

#[derive(Debug)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug)]
struct State {
    queue: Queue,
    waiters: HashMap<Ticket, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<Pass>,
    binding: Arc<str>,
    kind: Kind,
}

/// A place under way; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Option<Arc<Gate>>,
    binding: Arc<str>,
    kind: Kind,
}

/// Somebody who waits and may lose interest.
struct Waiter<'a> {
    gate: &'a Gate,
    ticket: Ticket,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { queue: Queue::new(limits), waiters: HashMap::new() })))
    }

    pub(super) fn load(&self) -> Load {
        let state = self.0.lock();
        Load { under_way: state.queue.under_way(), waiting: state.queue.waiting() }
    }

    /// Waits for the turn of `binding`; refused at once where the queue is full.
    pub(super) async fn enter(self: &Arc<Self>, binding: &str, kind: Kind) -> Result<Pass, Busy> {
        let (ticket, came) = {
            let mut state = self.0.lock();
            match state.queue.enter(binding, kind) {
                Entered::Goes => {
                    return Ok(Pass { gate: Some(self.clone()), binding: binding.into(), kind });
                }
                Entered::Full => return Err(Busy::Queue),
                Entered::TooManyWatches => return Err(Busy::Watches),
                Entered::Waits { ticket, displaced } => {
                    if let Some(displaced) = displaced {
                        // Its turn will never come, which it learns by this.
                        state.waiters.remove(&displaced);
                    }
                    let (turn, came) = oneshot::channel();
                    state.waiters.insert(ticket, Waiting { turn, binding: binding.into(), kind });
                    (ticket, came)
                }
            }
        };
        let _waiter = Waiter { gate: self, ticket };
        came.await.map_err(|_| Busy::Queue)
    }

    /// Tells everybody whose turn it is.
    fn call(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.0.lock();
                let Some(ticket) = state.queue.admit() else { return };
                state.waiters.remove(&ticket)
            };
            let Some(Waiting { turn, binding, kind }) = next else { continue };
            if let Err(mut unwanted) = turn.send(Pass { gate: Some(self.clone()), binding, kind }) {
                // It went away at this moment. Not by `drop`, which would call in turn.
                unwanted.gate = None;
                self.0.lock().queue.leave(&unwanted.binding, unwanted.kind);
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.0.lock().queue.leave(&self.binding, self.kind);
            gate.call();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.0.lock();
        if let Some(waiting) = state.waiters.remove(&self.ticket) {
            state.queue.withdraw(&waiting.binding, self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_loses_interest_while_waiting_or_at_its_turn_blocks_nobody() {
        let gate = Gate::new(Limits { under_way: 1, queued: 3, watches: 1, watches_per_binding: 1 });
        let first = gate.enter("a", Kind::Call).await.unwrap();
        let enter = |binding: &'static str| {
            let gate = gate.clone();
            tokio::spawn(async move { gate.enter(binding, Kind::Call).await })
        };
        let (impatient, waits) = (enter("a"), enter("b"));
        while gate.load().waiting < 2 {
            tokio::task::yield_now().await;
        }

        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled());
        assert_eq!(gate.load(), Load { under_way: 1, waiting: 1 });
        drop(first);
        let second = waits.await.unwrap().unwrap();

        assert_eq!(gate.load(), Load { under_way: 1, waiting: 0 });
        drop(second);
        assert_eq!(gate.load(), Load { under_way: 0, waiting: 0 });
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_goes_to_the_next() {
        let gate = Gate::new(Limits { under_way: 1, queued: 3, watches: 1, watches_per_binding: 1 });
        let first = gate.enter("a", Kind::Call).await.unwrap();
        let mut gone = Box::pin(gate.enter("a", Kind::Call));
        let mut next = Box::pin(gate.enter("b", Kind::Call));
        assert!(futures::poll!(&mut gone).is_pending());
        assert!(futures::poll!(&mut next).is_pending());

        drop(first);
        assert!(futures::poll!(&mut next).is_pending(), "it is the other's turn");
        drop(gone);

        let pass = next.await.unwrap();
        assert_eq!(gate.load(), Load { under_way: 1, waiting: 0 });
        drop(pass);
    }
}
