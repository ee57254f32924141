//! Applications are frozen by one backup at a time: a second one that thawed them would spoil the snapshots of
//! the first.

use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};
use tokio::sync::Notify;

/// Which pods a backup has frozen, or may have. Only the leader freezes, so one process knows all of them.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    busy: Mutex<HashSet<String>>,
    freed: Notify,
}

/// The right to freeze and thaw some pods; ends when dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Inner>,
    pods: BTreeSet<String>,
}

impl Turns {
    /// Waits until no other backup has any of these pods (UIDs), then takes all of them.
    pub async fn take(&self, pods: BTreeSet<String>) -> Turn {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // Before looking: a turn that ends in between is not missed.
            freed.as_mut().enable();
            if self.try_take(&pods) {
                return Turn { turns: self.0.clone(), pods };
            }
            freed.await;
        }
    }

    /// All or nothing, so that two backups never wait for each other.
    fn try_take(&self, pods: &BTreeSet<String>) -> bool {
        let mut busy = self.0.busy.lock();
        let free = pods.iter().all(|pod| !busy.contains(pod));
        if free {
            busy.extend(pods.iter().cloned());
        }
        free
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut busy = self.turns.busy.lock();
        for pod in &self.pods {
            busy.remove(pod);
        }
        drop(busy);
        self.turns.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn pods(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[tokio::test]
    async fn a_pod_has_one_turn_at_a_time() {
        let turns = Turns::default();
        let first = turns.take(pods(&["a", "b"])).await;
        let mut second = Box::pin(turns.take(pods(&["b", "c"])));

        let other = turns.take(pods(&["d"])).now_or_never();
        let meanwhile = second.as_mut().now_or_never();
        drop(first);
        let afterwards = second.now_or_never();

        assert!(other.is_some(), "other pods need not wait");
        assert!(meanwhile.is_none(), "b is busy");
        assert!(afterwards.is_some(), "b is free");
    }
}
