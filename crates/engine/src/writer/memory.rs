//! The memory of open and waiting chunks: a ledger that squeezes open files when it runs out.
//!
//! Many files can be open while their producer waits on one of them. If open chunks held all the memory,
//! nobody could go on. So whoever needs memory first cuts the largest open chunk early.

use super::file::OpenFile;
use super::shared::Shared;
use super::workers::Task;
use crate::EngineError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The unit of account, in bytes.
const UNIT: usize = 1024;

/// Memory that somebody holds; given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    permit: Option<OwnedSemaphorePermit>,
    in_flight: Option<(Arc<AtomicUsize>, usize)>,
}

impl Held {
    /// How many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, |permit| permit.num_permits() * UNIT)
    }

    /// Adds `more` to what is held.
    pub(super) fn merge(&mut self, more: Held) {
        match (&mut self.permit, more.permit_only()) {
            (Some(own), Some(more)) => own.merge(more),
            (own @ None, more) => *own = more,
            (Some(_), None) => {}
        }
    }

    /// Takes `bytes` (rounded up) out of what is held.
    pub(super) fn split(&mut self, bytes: usize) -> Held {
        let permit = self.permit.as_mut().and_then(|permit| {
            let units = bytes.div_ceil(UNIT).min(permit.num_permits());
            permit.split(units)
        });
        Held { permit, in_flight: None }
    }

    fn permit_only(mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((counter, bytes)) = self.in_flight.take() {
            counter.fetch_sub(bytes, Ordering::AcqRel);
        }
    }
}

/// All memory for raw chunks of one writer.
#[derive(Debug)]
pub(crate) struct Ledger {
    semaphore: Arc<Semaphore>,
    total: usize,
    /// Bytes of chunks on their way through the workers: they come back by themselves.
    in_flight: Arc<AtomicUsize>,
    /// Bytes that are being waited for.
    wanted: AtomicUsize,
    changed: Notify,
    open: Mutex<BTreeMap<u64, Weak<OpenFile>>>,
    next: AtomicU64,
}

impl Ledger {
    pub(super) fn new(bytes: usize) -> Self {
        let units = bytes / UNIT;
        Self {
            semaphore: Arc::new(Semaphore::new(units)),
            total: units * UNIT,
            in_flight: Arc::default(),
            wanted: AtomicUsize::new(0),
            changed: Notify::new(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    /// Makes a file known, so that it can be squeezed.
    pub(super) fn register(&self, file: &Arc<OpenFile>) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().insert(number, Arc::downgrade(file));
        number
    }

    pub(super) fn forget(&self, number: u64) {
        self.open.lock().remove(&number);
    }

    /// Marks the memory of a chunk that goes to the workers.
    pub(super) fn send_off(&self, mut held: Held) -> Held {
        let bytes = held.bytes();
        self.in_flight.fetch_add(bytes, Ordering::AcqRel);
        held.in_flight = Some((self.in_flight.clone(), bytes));
        held
    }

    /// Tells those who wait that buffers have grown: there may be something to squeeze.
    pub(super) fn poke(&self) {
        if self.wanted.load(Ordering::Acquire) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// Waits for `bytes` of memory, squeezing open files while too little is on its way back.
    pub(super) async fn acquire(&self, shared: &Shared, bytes: usize) -> Result<Held, EngineError> {
        let bytes = bytes.min(self.total).next_multiple_of(UNIT);
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        if let Ok(permit) = self.semaphore.clone().try_acquire_many_owned(units) {
            return Ok(Held { permit: Some(permit), in_flight: None });
        }
        let _wanted = Wanted::new(&self.wanted, bytes);
        let mut permit = std::pin::pin!(self.semaphore.clone().acquire_many_owned(units));
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_short() && self.squeeze(shared).await? {
                continue;
            }
            tokio::select! {
                permit = &mut permit => {
                    let permit = permit.map_err(|_| EngineError::Closed)?;
                    return Ok(Held { permit: Some(permit), in_flight: None });
                }
                () = changed => {}
                () = shared.halt.cancelled() => return Err(shared.ended()),
            }
        }
    }

    /// Whether less is on its way back than is waited for.
    fn is_short(&self) -> bool {
        let coming = self.in_flight.load(Ordering::Acquire) + self.semaphore.available_permits() * UNIT;
        coming < self.wanted.load(Ordering::Acquire)
    }

    /// Cuts the largest open chunk. `false` when there is none.
    async fn squeeze(&self, shared: &Shared) -> Result<bool, EngineError> {
        let open: Vec<Arc<OpenFile>> = self.open.lock().values().filter_map(Weak::upgrade).collect();
        let largest = open.into_iter().max_by_key(|file| file.buffered());
        let task: Option<Task> = largest.and_then(|file| file.cut_early(self));
        match task {
            Some(task) => shared.send_work(task).await.map(|()| true),
            None => Ok(false),
        }
    }
}

struct Wanted<'a>(&'a AtomicUsize, usize);

impl<'a> Wanted<'a> {
    fn new(counter: &'a AtomicUsize, bytes: usize) -> Self {
        counter.fetch_add(bytes, Ordering::AcqRel);
        Self(counter, bytes)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}
