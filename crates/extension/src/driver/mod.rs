//! Watches one kind and runs one task per object that is not settled, a bounded number at a time.
//!
//! A task sees every later version of its object through a channel, so a cancellation reaches work that is
//! under way. Each object has its own pause after a failure. Nothing relies on a watch alone: all known objects
//! are looked at again every few minutes.

mod backoff;

pub use backoff::Backoff;

use async_trait::async_trait;
use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// What a reconciler does with its kind.
#[async_trait]
pub trait Operation: Send + Sync + 'static {
    /// The custom resource.
    type Object: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static;

    /// Whether nothing is left to do for this object.
    fn settled(&self, object: &Self::Object) -> bool;

    /// Works until the object is settled, `stop` fires, or something failed that is worth trying again.
    async fn run(&self, object: Latest<Self::Object>, stop: CancellationToken) -> Result<(), TryAgain>;
}

/// The newest version of an object that the watch has shown.
pub type Latest<K> = watch::Receiver<Arc<K>>;

/// Work that ended early and shall be tried again after a pause.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TryAgain(pub String);

/// Runs `operation` for all objects of `api` until `stop` fires, then waits for the tasks to put down their
/// work.
pub async fn drive<O: Operation>(
    operation: Arc<O>,
    api: Api<O::Object>,
    at_once: usize,
    stop: CancellationToken,
) {
    let mut desk = Desk::new(operation, at_once, stop.clone());
    let mut events = watcher::watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut ticker = tokio::time::interval(LOOK_AGAIN);
    loop {
        desk.start_waiting();
        let wake = desk.next_retry();
        tokio::select! {
            () = stop.cancelled() => break,
            event = events.next() => match event {
                Some(Ok(Event::Apply(object) | Event::InitApply(object))) => desk.saw(object),
                Some(Ok(Event::Delete(object))) => desk.gone(&object),
                Some(Ok(Event::Init | Event::InitDone)) => {}
                Some(Err(error)) => tracing::warn!(kind = %O::Object::kind(&()), %error, "watch failed, retrying"),
                None => break,
            },
            Some(ended) = desk.tasks.join_next(), if !desk.tasks.is_empty() => desk.ended(ended),
            () = tokio::time::sleep_until(wake) => desk.retry_due(),
            _ = ticker.tick() => desk.queue_all(),
        }
    }
    while let Some(ended) = desk.tasks.join_next().await {
        desk.ended(ended);
    }
}

type Ended = (String, Result<(), TryAgain>);

/// Which objects are known, waiting, running or pausing.
struct Desk<O: Operation> {
    operation: Arc<O>,
    at_once: usize,
    stop: CancellationToken,
    objects: HashMap<String, watch::Sender<Arc<O::Object>>>,
    waiting: VecDeque<String>,
    running: HashSet<String>,
    pausing: HashMap<String, Instant>,
    /// Deleted while a task was at work on them.
    deleted: HashSet<String>,
    backoff: Backoff,
    tasks: JoinSet<Ended>,
    uids: HashMap<tokio::task::Id, String>,
}

impl<O: Operation> Desk<O> {
    fn new(operation: Arc<O>, at_once: usize, stop: CancellationToken) -> Self {
        Self {
            operation,
            at_once,
            stop,
            objects: HashMap::new(),
            waiting: VecDeque::new(),
            running: HashSet::new(),
            pausing: HashMap::new(),
            deleted: HashSet::new(),
            backoff: Backoff::default(),
            tasks: JoinSet::new(),
            uids: HashMap::new(),
        }
    }

    fn saw(&mut self, object: O::Object) {
        let Some(uid) = object.uid() else { return };
        let settled = self.operation.settled(&object);
        match self.objects.get(&uid) {
            Some(sender) => {
                let old = sender.send_replace(Arc::new(object));
                // A changed spec (a cancellation) does not wait for the end of a pause.
                if old.meta().generation != sender.borrow().meta().generation {
                    self.pausing.remove(&uid);
                }
            }
            None if settled => return,
            None => drop(self.objects.insert(uid.clone(), watch::channel(Arc::new(object)).0)),
        }
        if settled && !self.running.contains(&uid) {
            self.forget(&uid);
        } else if !settled {
            self.queue(uid);
        }
    }

    fn gone(&mut self, object: &O::Object) {
        match object.uid() {
            Some(uid) if self.running.contains(&uid) => drop(self.deleted.insert(uid)),
            Some(uid) => self.forget(&uid),
            None => {}
        }
    }

    fn forget(&mut self, uid: &str) {
        self.objects.remove(uid);
        self.deleted.remove(uid);
        self.pausing.remove(uid);
        self.backoff.reset(uid);
        self.waiting.retain(|waiting| waiting != uid);
    }

    fn queue(&mut self, uid: String) {
        if !self.running.contains(&uid) && !self.pausing.contains_key(&uid) && !self.waiting.contains(&uid) {
            self.waiting.push_back(uid);
        }
    }

    fn queue_all(&mut self) {
        for uid in self.objects.keys().cloned().collect::<Vec<_>>() {
            self.queue(uid);
        }
    }

    fn start_waiting(&mut self) {
        while self.running.len() < self.at_once
            && let Some(uid) = self.waiting.pop_front()
        {
            let Some(latest) = self.objects.get(&uid).map(watch::Sender::subscribe) else { continue };
            let (operation, stop, id) = (self.operation.clone(), self.stop.child_token(), uid.clone());
            self.running.insert(uid.clone());
            let handle = self.tasks.spawn(async move { (id, operation.run(latest, stop).await) });
            self.uids.insert(handle.id(), uid);
        }
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let (uid, result) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let Some(uid) = self.uids.get(&error.id()).cloned() else { return };
                (uid, Err(TryAgain(format!("the task ended unexpectedly: {error}"))))
            }
        };
        self.uids.retain(|_, known| known != &uid);
        self.running.remove(&uid);
        match result {
            Ok(()) if self.is_over(&uid) => self.forget(&uid),
            // The watch lags behind what was written, or the task put down an object that nobody else works on.
            Ok(()) => {
                let pause = self.backoff.failed(&uid);
                self.pausing.insert(uid, Instant::now() + pause);
            }
            Err(error) => {
                let pause = self.backoff.failed(&uid);
                tracing::warn!(kind = %O::Object::kind(&()), uid, %error, ?pause, "trying again after a pause");
                self.pausing.insert(uid, Instant::now() + pause);
            }
        }
    }

    /// Whether nothing is left to do for an object, as far as the watch has shown.
    fn is_over(&self, uid: &str) -> bool {
        let settled = |sender: &watch::Sender<Arc<O::Object>>| self.operation.settled(&sender.borrow());
        self.deleted.contains(uid) || self.objects.get(uid).is_none_or(settled)
    }

    fn next_retry(&self) -> Instant {
        let far = Instant::now() + LOOK_AGAIN;
        self.pausing.values().min().copied().unwrap_or(far)
    }

    fn retry_due(&mut self) {
        let now = Instant::now();
        let due: Vec<String> =
            self.pausing.iter().filter(|(_, at)| **at <= now).map(|(uid, _)| uid.clone()).collect();
        for uid in due {
            self.pausing.remove(&uid);
            self.queue(uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resources::Backup;
    use serde_json::json;

    /// Puts down whatever it is given.
    struct PutsDown;

    #[async_trait]
    impl Operation for PutsDown {
        type Object = Backup;

        fn settled(&self, object: &Backup) -> bool {
            object.status.as_ref().is_some_and(|status| status.phase.is_final())
        }

        async fn run(&self, _: Latest<Backup>, _: CancellationToken) -> Result<(), TryAgain> {
            Ok(())
        }
    }

    fn backup(phase: &str) -> Backup {
        serde_json::from_value(json!({
            "apiVersion": "clusterbackup.dataprotection.microsoft.com/v1alpha1", "kind": "Backup",
            "metadata": {"name": "b", "uid": "u"}, "spec": {}, "status": {"phase": phase},
        }))
        .unwrap()
    }

    async fn worked_on(object: Backup) -> Desk<PutsDown> {
        let mut desk = Desk::new(Arc::new(PutsDown), 1, CancellationToken::new());
        desk.saw(object);
        desk.start_waiting();
        desk
    }

    #[tokio::test]
    async fn what_was_put_down_before_its_end_is_taken_up_again() {
        let mut desk = worked_on(backup("InProgress")).await;
        let ended = desk.tasks.join_next().await.unwrap();
        desk.ended(ended);
        let paused = desk.pausing.contains_key("u");
        desk.saw(backup("Completed"));

        assert!(paused);
        assert!(desk.objects.is_empty() && desk.pausing.is_empty());
    }

    #[tokio::test]
    async fn what_was_deleted_while_it_was_worked_on_is_forgotten() {
        let mut desk = worked_on(backup("InProgress")).await;
        desk.gone(&backup("InProgress"));
        let ended = desk.tasks.join_next().await.unwrap();
        desk.ended(ended);

        assert!(desk.objects.is_empty() && desk.pausing.is_empty());
    }
}
