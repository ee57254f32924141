//! What one attempt of this process has in its hands. All of it dies with the process; nothing in it is needed
//! to continue.

use super::decide::{Attempt, Leftovers};
use crate::{locations::OpenLocation, points::Point, turns::Turn};
use capture::{CaptureError, Captured, VolumeContent};
use engine::Writer;
use protection::{Problem, Selection, point::VolumeRecord};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use volumes::{Anchored, CutPlan, CutReport, VolumesError, decide::Decision, hooks::BackupRun};

/// One attempt.
#[derive(Debug)]
pub struct Session {
    /// What `decide` sees of it.
    pub attempt: Attempt,
    /// Why the attempt cannot succeed.
    pub failure: Option<Problem>,
    /// What went wrong so far and is not in a manifest yet.
    pub problems: Vec<Problem>,
    /// The open location.
    pub location: Option<OpenLocation>,
    /// Selection, hooks and volume decisions.
    pub prepared: Option<Prepared>,
    /// Position of the next hook run whose pre-hooks are due.
    pub next_hook: usize,
    /// The right to freeze and thaw the pods of the hooks.
    pub turn: Option<Turn>,
    /// When the first pre-hook ran.
    pub frozen_since: Option<Instant>,
    /// Adds to the repository; holds its lock.
    pub writer: Option<Writer>,
    /// Stops the cut that is under way.
    pub cut_cancel: CancellationToken,
    /// The snapshots being cut.
    pub cutting: Option<AbortOnDropHandle<Result<CutReport, VolumesError>>>,
    /// What became of them.
    pub cut: CutReport,
    /// Those that are retained.
    pub anchored: Vec<Anchored>,
    /// The capture under way.
    pub capturing: Option<AbortOnDropHandle<Result<Captured, CaptureError>>>,
    /// What was captured.
    pub captured: Option<Captured>,
    /// Counts of the capture under way.
    pub counter: Arc<Counter>,
    /// Copied volumes, and those that could not be copied.
    pub copies: Vec<(VolumeRecord, Option<VolumeContent>)>,
    /// The committed recovery point.
    pub point: Option<Point>,
    /// Dropping the snapshots was tried, and failed.
    pub drop_failed: bool,
}

/// What a backup will do.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The parsed filters.
    pub selection: Selection,
    /// What happens to each claim.
    pub decisions: Vec<Decision>,
    /// The snapshots to cut.
    pub cut: CutPlan,
    /// The hooks, pod by pod.
    pub runs: Vec<BackupRun>,
}

impl Session {
    /// The beginning of attempt `number`.
    pub fn new(number: u32, leftovers: Leftovers) -> Self {
        Self {
            attempt: Attempt::new(number, leftovers),
            failure: None,
            problems: Vec::new(),
            location: None,
            prepared: None,
            next_hook: 0,
            turn: None,
            frozen_since: None,
            writer: None,
            cut_cancel: CancellationToken::new(),
            cutting: None,
            cut: CutReport::default(),
            anchored: Vec::new(),
            capturing: None,
            captured: None,
            counter: Arc::default(),
            copies: Vec::new(),
            point: None,
            drop_failed: false,
        }
    }
}

/// Counts what a capture has taken so far.
#[derive(Debug, Default)]
pub struct Counter {
    objects: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    /// Objects and bytes so far.
    pub fn so_far(&self) -> (u64, u64) {
        (self.objects.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

impl capture::Progress for Counter {
    fn planned(&self, _resources: usize) {
        crate::fault::inside("backup", "discovered");
    }

    fn captured(&self, objects: u64, bytes: u64) {
        self.objects.fetch_add(objects, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
