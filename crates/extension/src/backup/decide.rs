//! The next step of a backup, decided from what was seen.
//!
//! The order is fixed by what must never happen: an application that stays frozen, a second recovery point for
//! one backup, a recovery point that refers to a dropped snapshot, a snapshot that nobody knows of. So thawing
//! comes before everything else after a crash, the repository is searched for a commit before anything is cut or
//! dropped, and snapshots are dropped only when it is known that no recovery point refers to them.

use crate::stop::Stop;
use resources::Phase;

/// Attempts after which a backup that keeps dying fails instead of starting over.
pub const MAX_ATTEMPTS: u32 = 8;

/// What is known about one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// `status.phase`.
    pub phase: Phase,
    /// Our finalizer is on the object.
    pub finalizer: bool,
    /// `status.frozen` names containers.
    pub frozen: bool,
    /// Why the work shall end before it is complete.
    pub stop: Option<Stop>,
    /// What this process has done for the backup; nothing before it has begun an attempt.
    pub attempt: Option<Attempt>,
}

/// One attempt of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first attempt of all processes.
    pub number: u32,
    /// Whether the repository holds a recovery point of this backup.
    pub commit: Commit,
    /// A commit was begun; its answer may have been lost.
    pub commit_tried: bool,
    /// Snapshots of earlier attempts.
    pub leftovers: Leftovers,
    /// Selection, hooks and volume decisions are made.
    pub prepared: bool,
    /// How far the hooks are.
    pub hooks: Hooks,
    /// How far the snapshots are.
    pub snapshots: Snapshots,
    /// The snapshots that were cut are retained.
    pub anchored: bool,
    /// The snapshots can be restored from, or have been waited for long enough.
    pub ready: bool,
    /// How far the capture of the API objects is.
    pub capture: Work,
    /// Files of volumes still have to be copied.
    pub copies_left: bool,
    /// The snapshots of this backup have been dropped.
    pub dropped: bool,
    /// The snapshots' objects in the application's namespaces are gone.
    pub detached: bool,
    /// The result file is written, or cannot be.
    pub result_written: bool,
}

impl Attempt {
    /// The beginning of attempt `number`.
    pub fn new(number: u32, leftovers: Leftovers) -> Self {
        Self {
            number,
            commit: Commit::Unknown,
            commit_tried: false,
            leftovers,
            prepared: false,
            hooks: Hooks::None,
            snapshots: Snapshots::NotRequested,
            anchored: false,
            ready: false,
            capture: Work::NotStarted,
            copies_left: false,
            dropped: false,
            detached: false,
            result_written: false,
        }
    }
}

/// Whether the repository holds a recovery point of this backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// Not looked yet.
    Unknown,
    /// Looked, and could not tell.
    Unsearchable,
    /// It does not.
    Absent,
    /// It does.
    Present,
}

/// What becomes of snapshots that an earlier attempt requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// There are none, or they may be reused: no application has thawed since they were cut.
    Keep,
    /// An application has or may have thawed since: they go.
    Drop,
}

impl Leftovers {
    /// The rule: reuse only when no hook of this backup can have thawed anything since.
    pub fn of(earlier_attempts: u32, has_hooks: bool) -> Self {
        if earlier_attempts > 0 && has_hooks { Self::Drop } else { Self::Keep }
    }
}

/// How far the hooks before the snapshots are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// There are none.
    None,
    /// Another backup may have frozen the same pods.
    NotOurTurn,
    /// No other backup freezes these pods; the intent is not in the status yet.
    NotRecorded,
    /// Pre-hooks are left to run.
    PreHooksLeft,
    /// All pre-hooks ran.
    PreHooksDone,
}

/// How far the snapshots are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshots {
    /// Not requested.
    NotRequested,
    /// Requested; not all are cut, failed or timed out.
    Waiting,
    /// Each is cut, failed or timed out.
    Settled,
}

/// How far a piece of background work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Not started.
    NotStarted,
    /// Not started, but the repository's lock is held for it.
    Locked,
    /// Under way.
    Running,
    /// Ended well.
    Done,
}

impl Work {
    /// Whether there is a lock to give back when nothing comes of it.
    fn holds_lock(self) -> bool {
        matches!(self, Self::Locked | Self::Running)
    }
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Add the finalizer, count the attempt.
    Begin,
    /// Run the post-hooks of everything in `status.frozen` and empty it.
    Thaw,
    /// Open the location and look for a recovery point of this backup.
    FindCommit,
    /// Delete all snapshots of this backup.
    DropSnapshots,
    /// Resolve selection and hooks, run the blocking checks, decide about each volume, take the repository's lock:
    /// whatever may have to be waited for while no application is frozen.
    Prepare,
    /// Wait until no other backup has frozen the same pods.
    AwaitTurn,
    /// Write `status.frozen`.
    RecordIntent,
    /// Run the next pre-hook.
    PreHook,
    /// Request all snapshots.
    RequestSnapshots,
    /// Start capturing API objects in the background.
    StartCapture,
    /// Wait until each snapshot is cut, has failed or timed out.
    AwaitCut,
    /// Retain the snapshots that were cut.
    Anchor,
    /// Wait for the capture.
    AwaitCapture,
    /// Wait until the snapshots can be restored from; the application does not wait for this.
    AwaitReady,
    /// Stop the capture and give the repository lock back.
    StopCapture,
    /// Copy the files of the next volume.
    CopyFiles,
    /// Write volume records and manifest, look for a commit once more, commit.
    Commit,
    /// Remove the snapshots' objects from the application's namespaces; the anchors stay.
    Detach,
    /// Write the result file.
    WriteResult,
    /// Write the final status.
    Finish,
    /// Remove the finalizer.
    Release,
    /// Nothing is left for this process.
    Leave,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 22] = [
        Self::Begin,
        Self::Thaw,
        Self::FindCommit,
        Self::DropSnapshots,
        Self::Prepare,
        Self::AwaitTurn,
        Self::RecordIntent,
        Self::PreHook,
        Self::RequestSnapshots,
        Self::StartCapture,
        Self::AwaitCut,
        Self::Anchor,
        Self::AwaitCapture,
        Self::AwaitReady,
        Self::StopCapture,
        Self::CopyFiles,
        Self::Commit,
        Self::Detach,
        Self::WriteResult,
        Self::Finish,
        Self::Release,
        Self::Leave,
    ];

    /// The name in fault points and in `status.stage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Thaw => "thaw",
            Self::FindCommit => "find-commit",
            Self::DropSnapshots => "drop-snapshots",
            Self::Prepare => "prepare",
            Self::AwaitTurn => "await-turn",
            Self::RecordIntent => "record-intent",
            Self::PreHook => "pre-hook",
            Self::RequestSnapshots => "request-snapshots",
            Self::StartCapture => "start-capture",
            Self::AwaitCut => "await-cut",
            Self::Anchor => "anchor",
            Self::AwaitCapture => "await-capture",
            Self::AwaitReady => "await-ready",
            Self::StopCapture => "stop-capture",
            Self::CopyFiles => "copy-files",
            Self::Commit => "commit",
            Self::Detach => "detach",
            Self::WriteResult => "write-result",
            Self::Finish => "finish",
            Self::Release => "release",
            Self::Leave => "leave",
        }
    }

    /// Whether a cancellation, the deadline or the end of the process may interrupt it. The others are short, or
    /// must not be left half done.
    pub fn is_interruptible(self) -> bool {
        matches!(
            self,
            Self::FindCommit
                | Self::Prepare
                | Self::AwaitTurn
                | Self::PreHook
                | Self::AwaitCut
                | Self::AwaitCapture
                | Self::AwaitReady
                | Self::CopyFiles
        )
    }

    /// The names of all steps that act, in the order of a run: every place where a test kills the process.
    pub fn all_names() -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|step| *step != Self::Leave).map(Self::name).collect()
    }
}

/// The next step.
pub fn decide(seen: &Observed) -> Step {
    if seen.phase.is_final() {
        return if seen.finalizer { Step::Release } else { Step::Leave };
    }
    let Some(attempt) = &seen.attempt else {
        return if seen.stop == Some(Stop::Shutdown) { Step::Leave } else { Step::Begin };
    };
    // Frozen although this attempt has recorded nothing: an earlier one died between intent and thaw.
    let froze_itself = matches!(attempt.hooks, Hooks::PreHooksLeft | Hooks::PreHooksDone);
    if seen.frozen && (!froze_itself || seen.stop.is_some()) {
        return Step::Thaw;
    }
    if seen.stop == Some(Stop::Shutdown) {
        return if attempt.capture.holds_lock() { Step::StopCapture } else { Step::Leave };
    }
    match (attempt.commit, seen.stop) {
        (Commit::Present, _) => after_commit(attempt),
        (Commit::Unknown, stop) if stop.is_none() || !may_drop(attempt) => Step::FindCommit,
        (Commit::Absent, None) => towards_commit(seen, attempt),
        _ => ended_early(attempt),
    }
}

fn towards_commit(seen: &Observed, attempt: &Attempt) -> Step {
    if attempt.leftovers == Leftovers::Drop
        && !attempt.dropped
        && attempt.snapshots == Snapshots::NotRequested
    {
        return Step::DropSnapshots;
    }
    if !attempt.prepared {
        return Step::Prepare;
    }
    match attempt.hooks {
        Hooks::NotOurTurn => return Step::AwaitTurn,
        Hooks::NotRecorded => return Step::RecordIntent,
        Hooks::PreHooksLeft => return Step::PreHook,
        Hooks::None | Hooks::PreHooksDone => {}
    }
    if attempt.snapshots == Snapshots::NotRequested {
        return Step::RequestSnapshots;
    }
    if matches!(attempt.capture, Work::NotStarted | Work::Locked) {
        return Step::StartCapture;
    }
    if attempt.snapshots == Snapshots::Waiting {
        return Step::AwaitCut;
    }
    if seen.frozen {
        return Step::Thaw;
    }
    if !attempt.anchored {
        return Step::Anchor;
    }
    if attempt.capture == Work::Running {
        return Step::AwaitCapture;
    }
    if !attempt.ready {
        return Step::AwaitReady;
    }
    if attempt.copies_left { Step::CopyFiles } else { Step::Commit }
}

/// Cancelled, failed or out of time, and not known to be committed.
fn ended_early(attempt: &Attempt) -> Step {
    if attempt.capture.holds_lock() {
        return Step::StopCapture;
    }
    if !attempt.dropped && may_drop(attempt) {
        return Step::DropSnapshots;
    }
    if attempt.result_written { Step::Finish } else { Step::WriteResult }
}

/// Snapshots go only when no recovery point can refer to them: the repository has been searched, or this is the
/// first attempt and it has not tried to commit.
pub fn may_drop(attempt: &Attempt) -> bool {
    match attempt.commit {
        Commit::Absent => true,
        Commit::Present => false,
        Commit::Unknown | Commit::Unsearchable => attempt.number <= 1 && !attempt.commit_tried,
    }
}

fn after_commit(attempt: &Attempt) -> Step {
    if !attempt.detached {
        Step::Detach
    } else if !attempt.result_written {
        Step::WriteResult
    } else {
        Step::Finish
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
