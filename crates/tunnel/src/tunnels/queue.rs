//! Who is carried, who waits, and who is next: pure, without a runtime.

use std::collections::{BTreeMap, VecDeque};

/// What one cluster may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way, watches included.
    pub under_way: usize,
    /// Requests that wait.
    pub queued: usize,
    /// Watches, open or waiting. What is left of `under_way` is for calls alone, so that watches, which last for
    /// hours, never keep a call from its turn.
    pub watches: usize,
    /// Watches of one binding: one for each kind that it may watch. One binding cannot take another's.
    pub watches_per_binding: usize,
}

impl Default for Limits {
    /// 64 under way and 1,000 waiting. Eight bindings have five watches each, one for each kind that the role may
    /// watch; 24 places always remain for calls.
    fn default() -> Self {
        Self { under_way: 64, queued: 1_000, watches: 40, watches_per_binding: 5 }
    }
}

/// How long a request keeps its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Until its answer is there.
    Call,
    /// Until somebody closes it.
    Watch,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What becomes of a request that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is under way.
    Goes,
    /// It waits.
    Waits {
        /// Its place.
        ticket: Ticket,
        /// Who lost its place: the latest of the binding that has the most waiting.
        displaced: Option<Ticket>,
    },
    /// It is refused: as many wait as may.
    Full,
    /// It is refused: this binding, or all together, have as many watches as they may.
    TooManyWatches,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<(Ticket, Kind)>,
    watches: usize,
}

/// The requests of one cluster.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    under_way: usize,
    waiting: usize,
    watches: usize,
    lanes: BTreeMap<String, Lane>,
    /// Bindings with something waiting, the next one first.
    turn: VecDeque<String>,
    last: u64,
}

impl Queue {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            under_way: 0,
            waiting: 0,
            watches: 0,
            lanes: BTreeMap::new(),
            turn: VecDeque::new(),
            last: 0,
        }
    }

    /// Requests under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bindings that something is remembered of.
    pub fn bindings(&self) -> usize {
        self.lanes.len()
    }

    /// A request of `binding` comes.
    pub fn enter(&mut self, binding: &str, kind: Kind) -> Entered {
        let (own, watches) =
            self.lanes.get(binding).map_or((0, 0), |lane| (lane.waiting.len(), lane.watches));
        if kind == Kind::Watch
            && (watches >= self.limits.watches_per_binding || self.watches >= self.limits.watches)
        {
            return Entered::TooManyWatches;
        }
        if self.under_way < self.limits.under_way && self.waiting == 0 {
            self.under_way += 1;
            self.count_watch(binding, kind);
            return Entered::Goes;
        }
        let mut displaced = None;
        if self.waiting >= self.limits.queued {
            displaced = self.displace(own);
            if displaced.is_none() {
                return Entered::Full;
            }
        }
        self.last += 1;
        let ticket = Ticket(self.last);
        self.count_watch(binding, kind);
        let lane = self.lanes.entry(binding.to_owned()).or_default();
        if lane.waiting.is_empty() {
            self.turn.push_back(binding.to_owned());
        }
        lane.waiting.push_back((ticket, kind));
        self.waiting += 1;
        Entered::Waits { ticket, displaced }
    }

    /// Whose turn it is, if there is room; it is under way from now on.
    pub fn admit(&mut self) -> Option<Ticket> {
        if self.under_way >= self.limits.under_way {
            return None;
        }
        let binding = self.turn.pop_front()?;
        let lane = self.lanes.get_mut(&binding)?;
        let (ticket, _) = lane.waiting.pop_front()?;
        if !lane.waiting.is_empty() {
            self.turn.push_back(binding);
        }
        self.waiting -= 1;
        self.under_way += 1;
        Some(ticket)
    }

    /// A request of `binding` that was under way is over.
    pub fn leave(&mut self, binding: &str, kind: Kind) {
        self.under_way = self.under_way.saturating_sub(1);
        self.uncount_watch(binding, kind);
    }

    /// One that waits has lost interest.
    pub fn withdraw(&mut self, binding: &str, ticket: Ticket) {
        let Some(lane) = self.lanes.get_mut(binding) else { return };
        let Some(at) = lane.waiting.iter().position(|(waiting, _)| *waiting == ticket) else { return };
        let Some((_, kind)) = lane.waiting.remove(at) else { return };
        self.gone(binding, kind);
    }

    /// Takes the latest of the binding with the most waiting, if that has more than the newcomer's would have then.
    fn displace(&mut self, own: usize) -> Option<Ticket> {
        let longest = self.lanes.iter().max_by_key(|(_, lane)| lane.waiting.len())?;
        let binding = longest.0.clone();
        if longest.1.waiting.len() <= own + 1 {
            return None;
        }
        let (ticket, kind) = self.lanes.get_mut(&binding)?.waiting.pop_back()?;
        self.gone(&binding, kind);
        Some(ticket)
    }

    /// Somebody of `binding` does not wait any more, and did not get its turn.
    fn gone(&mut self, binding: &str, kind: Kind) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.lanes.get(binding).is_none_or(|lane| lane.waiting.is_empty()) {
            self.turn.retain(|other| other != binding);
        }
        self.uncount_watch(binding, kind);
    }

    fn count_watch(&mut self, binding: &str, kind: Kind) {
        if kind == Kind::Watch {
            self.watches += 1;
            self.lanes.entry(binding.to_owned()).or_default().watches += 1;
        }
    }

    /// Also forgets a binding of which nothing is left.
    fn uncount_watch(&mut self, binding: &str, kind: Kind) {
        let Some(lane) = self.lanes.get_mut(binding) else { return };
        if kind == Kind::Watch {
            self.watches = self.watches.saturating_sub(1);
            lane.watches = lane.watches.saturating_sub(1);
        }
        if lane.watches == 0 && lane.waiting.is_empty() {
            self.lanes.remove(binding);
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
