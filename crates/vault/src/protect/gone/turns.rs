//! One piece of work in a repository at a time, so that this vault does not stand in its own way: each holds an exclusive
//! lock. Replicas keep out of each other's way by the locks themselves.

use parking_lot::Mutex;
use std::{collections::HashSet, sync::Arc};

/// Who is at work.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<HashSet<String>>>);

/// Held while somebody is.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    name: String,
}

impl Turns {
    /// The turn of this name, unless somebody has it.
    pub fn take(&self, name: &str) -> Option<Turn> {
        let is_free = self.0.lock().insert(name.to_owned());
        is_free.then(|| Turn { turns: self.clone(), name: name.to_owned() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.0.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_free_again_when_its_bearer_is_done() {
        let turns = Turns::default();

        let first = turns.take("a");
        let (meanwhile, other) = (turns.take("a").is_some(), turns.take("b").is_some());
        drop(first);

        assert!(!meanwhile && other);
        assert!(turns.take("a").is_some());
    }
}
