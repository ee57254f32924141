//! The work of a walk: a stack that several threads share, so that directories end soon after they began.

use crate::EngineError;
use parking_lot::{Condvar, Mutex};

/// Work that several threads take from and add to.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: Vec<T>,
    end: Option<Result<(), EngineError>>,
}

impl<T> Queue<T> {
    pub(super) fn new(first: T) -> Self {
        Self { state: Mutex::new(State { waiting: vec![first], end: None }), changed: Condvar::new() }
    }

    /// Adds work; the last item is taken first.
    pub(super) fn push(&self, items: impl IntoIterator<Item = T>) {
        self.state.lock().waiting.extend(items);
        self.changed.notify_all();
    }

    /// Waits for work; `None` when there will be no more.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if state.end.is_some() {
                return None;
            }
            if let Some(item) = state.waiting.pop() {
                return Some(item);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Ends the work for all threads; the first end counts.
    pub(super) fn end(&self, end: Result<(), EngineError>) {
        self.state.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }

    /// How the work ended.
    pub(super) fn into_end(self) -> Result<(), EngineError> {
        self.state.into_inner().end.unwrap_or(Err(EngineError::Internal("a walk did not end".to_owned())))
    }
}
