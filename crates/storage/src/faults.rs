//! A store that misbehaves on purpose, for tests: it fails, delays, truncates, lies, forgets and fills up.
//!
//! Every fault is chosen by an explicit [`Fault`]; without one the wrapped store is unchanged.

use crate::{Entry, Store, StoreError, StoreErrorKind, StorePath};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

/// The operations that a fault can strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Store::create`]
    Create,
    /// [`Store::replace`]
    Replace,
    /// [`Store::read`] and [`Store::read_range`]
    Read,
    /// [`Store::size`]
    Size,
    /// [`Store::list`] and [`Store::top_level`]
    List,
    /// [`Store::delete`]
    Delete,
}

/// One kind of misbehaviour.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The first `times` calls of `operation` fail with a temporary error.
    FailFirst {
        /// Which operation.
        operation: Operation,
        /// How many calls.
        times: u64,
    },
    /// The first `times` calls of `create` store the file and then report a temporary failure.
    LoseAnswer {
        /// How many calls.
        times: u64,
    },
    /// Every `operation` on a path that contains `pattern` fails with `kind`.
    FailPath {
        /// Which operation.
        operation: Operation,
        /// A part of the path.
        pattern: String,
        /// How it fails.
        kind: StoreErrorKind,
    },
    /// Every call waits this long first.
    Delay(Duration),
    /// Reads of paths that contain `pattern` return all but their last `bytes` bytes and report success.
    TruncateReads {
        /// A part of the path.
        pattern: String,
        /// How many bytes are missing.
        bytes: usize,
    },
    /// Reads of paths that contain `pattern` return with one bit of byte `offset` flipped (from the end when
    /// negative; offsets outside what is read flip nothing).
    Lie {
        /// A part of the path.
        pattern: String,
        /// Offset of the flipped byte in the file.
        offset: i64,
    },
    /// Writes of paths that contain `pattern` report success and store nothing.
    DropWrites {
        /// A part of the path.
        pattern: String,
    },
    /// Paths that contain `pattern` are reported as not found and left out of listings.
    Hide {
        /// A part of the path.
        pattern: String,
    },
    /// Somebody else deletes paths that contain `pattern` after they were listed and before they are read.
    DeleteBeforeRead {
        /// A part of the path.
        pattern: String,
    },
    /// Every delete is refused as retained.
    RetainAll,
    /// Every delete is denied.
    DenyDeletes,
    /// Every write and delete is denied.
    ReadOnly,
    /// Writes fail as full once this many bytes were stored.
    FullAfter(u64),
    /// After this many writes and deletes every further one fails: the process was killed there.
    StopAfter(u64),
}

/// A store with faults; they can be added and removed while it is in use.
#[derive(Debug, Clone)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Fault>,
    calls: BTreeMap<Operation, u64>,
    written: u64,
    changes: u64,
}

impl FaultStore {
    /// Wraps `inner` without any fault.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// The same store with one more fault.
    pub fn with(self, fault: Fault) -> Self {
        self.inject(fault);
        self
    }

    /// Adds a fault from now on. All counting begins anew.
    pub fn inject(&self, fault: Fault) {
        let mut state = self.state.lock();
        state.calls.clear();
        state.changes = 0;
        state.faults.push(fault);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.state.lock().faults.clear();
    }

    /// How often `operation` was called since the last injection.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.state.lock().calls.get(&operation).copied().unwrap_or(0)
    }

    /// Counts the call, waits, and fails it if a fault says so; returns the faults for the rest of the call.
    async fn enter(
        &self,
        operation: Operation,
        tried: &'static str,
        path: &StorePath,
        size: u64,
    ) -> Result<Vec<Fault>, StoreError> {
        let (seen, faults) = {
            let mut state = self.state.lock();
            let calls = state.calls.entry(operation).or_insert(0);
            *calls += 1;
            let call = *calls;
            state.changes += u64::from(operation.changes());
            (Seen { call, written: state.written + size, changes: state.changes }, state.faults.clone())
        };
        for fault in &faults {
            if let Fault::Delay(time) = fault {
                tokio::time::sleep(*time).await;
            }
            if let Some((kind, cause)) = verdict(fault, operation, path, &seen) {
                let target = format!("{path} in {}", self.describe());
                return Err(StoreError::new(tried, target, kind, cause));
            }
        }
        if matches!(operation, Operation::Create | Operation::Replace) {
            self.state.lock().written += size;
        }
        Ok(faults)
    }

    fn loses_answer(&self, faults: &[Fault]) -> bool {
        let call = self.calls(Operation::Create);
        faults.iter().any(|fault| matches!(fault, Fault::LoseAnswer { times } if call <= *times))
    }
}

/// What a call has behind it.
struct Seen {
    /// Its number among the calls of its operation.
    call: u64,
    /// Bytes written so far, its own included.
    written: u64,
    /// Writes and deletes so far, itself included.
    changes: u64,
}

fn verdict(
    fault: &Fault,
    operation: Operation,
    path: &StorePath,
    seen: &Seen,
) -> Option<(StoreErrorKind, &'static str)> {
    let writes = matches!(operation, Operation::Create | Operation::Replace);
    match fault {
        Fault::FailFirst { operation: struck, times } if *struck == operation && seen.call <= *times => {
            Some((StoreErrorKind::Unreachable, "injected temporary fault"))
        }
        Fault::FailPath { operation: struck, pattern, kind }
            if *struck == operation && path.as_str().contains(pattern.as_str()) =>
        {
            Some((*kind, "injected fault for this path"))
        }
        Fault::Hide { pattern }
            if matches!(operation, Operation::Read | Operation::Size)
                && path.as_str().contains(pattern.as_str()) =>
        {
            Some((StoreErrorKind::NotFound, "injected absence"))
        }
        Fault::RetainAll if operation == Operation::Delete => {
            Some((StoreErrorKind::Retained, "injected retention"))
        }
        Fault::DenyDeletes if operation == Operation::Delete => {
            Some((StoreErrorKind::Denied, "injected denial"))
        }
        Fault::ReadOnly if writes || operation == Operation::Delete => {
            Some((StoreErrorKind::Denied, "injected read-only store"))
        }
        Fault::FullAfter(limit) if writes && seen.written > *limit => {
            Some((StoreErrorKind::Full, "injected full disk"))
        }
        Fault::StopAfter(limit) if operation.changes() && seen.changes > *limit => {
            Some((StoreErrorKind::Other, "injected end of the process"))
        }
        _ => None,
    }
}

impl Operation {
    /// Whether it changes the store.
    fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Delete)
    }
}

/// Whether a write of `path` is silently dropped.
fn dropped(faults: &[Fault], path: &StorePath) -> bool {
    faults.iter().any(
        |fault| matches!(fault, Fault::DropWrites { pattern } if path.as_str().contains(pattern.as_str())),
    )
}

/// Whether somebody deletes `path` before it is read.
fn is_deleted_first(faults: &[Fault], path: &StorePath) -> bool {
    faults.iter().any(
        |fault| matches!(fault, Fault::DeleteBeforeRead { pattern } if path.as_str().contains(pattern.as_str())),
    )
}

/// What a read returns instead of `data`, which begins at `start` of a file of `size` bytes.
fn distorted(faults: &[Fault], path: &StorePath, data: Bytes, start: u64, size: u64) -> Bytes {
    let mut data = data;
    for fault in faults {
        match fault {
            Fault::TruncateReads { pattern, bytes } if path.as_str().contains(pattern.as_str()) => {
                data.truncate(data.len().saturating_sub(*bytes));
            }
            Fault::Lie { pattern, offset } if path.as_str().contains(pattern.as_str()) => {
                let absolute =
                    if *offset < 0 { size.checked_sub(offset.unsigned_abs()) } else { Some(*offset as u64) };
                let within =
                    absolute.and_then(|at| at.checked_sub(start)).and_then(|at| usize::try_from(at).ok());
                let mut copy = data.to_vec();
                if let Some(byte) = within.and_then(|at| copy.get_mut(at)) {
                    *byte ^= 0x10;
                    data = copy.into();
                }
            }
            _ => {}
        }
    }
    data
}

#[async_trait]
impl Store for FaultStore {
    fn describe(&self) -> String {
        format!("{} with injected faults", self.inner.describe())
    }

    async fn create(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        let faults = self.enter(Operation::Create, "create", path, data.len() as u64).await?;
        if !dropped(&faults, path) {
            self.inner.create(path, data).await?;
        }
        if self.loses_answer(&faults) {
            let target = format!("{path} in {}", self.describe());
            return Err(StoreError::new(
                "create",
                target,
                StoreErrorKind::Unreachable,
                "injected loss of the answer",
            ));
        }
        Ok(())
    }

    async fn replace(&self, path: &StorePath, data: Bytes) -> Result<(), StoreError> {
        let faults = self.enter(Operation::Replace, "write", path, data.len() as u64).await?;
        if dropped(&faults, path) { Ok(()) } else { self.inner.replace(path, data).await }
    }

    async fn read(&self, path: &StorePath) -> Result<Bytes, StoreError> {
        let faults = self.enter(Operation::Read, "read", path, 0).await?;
        if is_deleted_first(&faults, path) {
            self.inner.delete(path).await?;
        }
        let data = self.inner.read(path).await?;
        let size = data.len() as u64;
        Ok(distorted(&faults, path, data, 0, size))
    }

    async fn read_range(&self, path: &StorePath, range: Range<u64>) -> Result<Bytes, StoreError> {
        let faults = self.enter(Operation::Read, "read", path, 0).await?;
        let size = self.inner.size(path).await?;
        let data = self.inner.read_range(path, range.clone()).await?;
        Ok(distorted(&faults, path, data, range.start, size))
    }

    async fn size(&self, path: &StorePath) -> Result<u64, StoreError> {
        self.enter(Operation::Size, "measure", path, 0).await?;
        self.inner.size(path).await
    }

    async fn list(&self, prefix: &StorePath) -> Result<Vec<Entry>, StoreError> {
        let faults = self.enter(Operation::List, "list", prefix, 0).await?;
        let hidden = |path: &StorePath| {
            faults.iter().any(
                |fault| matches!(fault, Fault::Hide { pattern } if path.as_str().contains(pattern.as_str())),
            )
        };
        Ok(self.inner.list(prefix).await?.into_iter().filter(|entry| !hidden(&entry.path)).collect())
    }

    async fn top_level(&self, limit: usize) -> Result<Vec<String>, StoreError> {
        self.enter(Operation::List, "list", &StorePath::root(), 0).await?;
        self.inner.top_level(limit).await
    }

    async fn delete(&self, path: &StorePath) -> Result<(), StoreError> {
        self.enter(Operation::Delete, "delete", path, 0).await?;
        self.inner.delete(path).await
    }
}
