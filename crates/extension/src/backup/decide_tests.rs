//! The decisions of a backup against a small model of the world, killed and cancelled everywhere.

use super::*;

/// The world as far as the invariants need it. What is in `attempt` dies with the process.
#[derive(Debug, Clone)]
struct World {
    has_hooks: bool,
    cancel_at: Option<usize>,
    fail_at: Option<Step>,
    phase: Phase,
    finalizer: bool,
    frozen: bool,
    attempts: u32,
    snapshots: Vec<u32>,
    point: Option<Vec<u32>>,
    commits: u32,
    thaws: u32,
    cut_then_thawed: bool,
    attempt: Option<Attempt>,
    failed: bool,
    steps: usize,
}

impl World {
    fn new(has_hooks: bool) -> Self {
        Self {
            has_hooks,
            cancel_at: None,
            fail_at: None,
            phase: Phase::Accepted,
            finalizer: false,
            frozen: false,
            attempts: 0,
            snapshots: Vec::new(),
            point: None,
            commits: 0,
            thaws: 0,
            cut_then_thawed: false,
            attempt: None,
            failed: false,
            steps: 0,
        }
    }

    fn observe(&self) -> Observed {
        let cancelled = self.cancel_at.is_some_and(|at| self.steps >= at);
        let stop = match (self.failed, cancelled) {
            (true, _) => Some(Stop::Failed),
            (_, true) => Some(Stop::Cancelled),
            _ => None,
        };
        Observed {
            phase: self.phase,
            finalizer: self.finalizer,
            frozen: self.frozen,
            stop,
            attempt: self.attempt.clone(),
        }
    }

    fn act(&mut self, step: Step) {
        self.steps += 1;
        if self.fail_at == Some(step) {
            self.failed = true;
            self.fail_at = None;
            if step == Step::FindCommit {
                self.attempt.as_mut().unwrap().commit = Commit::Unsearchable;
            }
            return;
        }
        if step == Step::Begin {
            let leftovers = Leftovers::of(self.attempts, self.has_hooks);
            self.attempts += 1;
            self.finalizer = true;
            self.phase = Phase::InProgress;
            self.attempt = Some(Attempt::new(self.attempts, leftovers));
            return;
        }
        if step == Step::Release {
            self.finalizer = false;
            return;
        }
        let committed = self.point.is_some();
        let attempt = self.attempt.as_mut().expect("an attempt");
        match step {
            Step::Thaw => {
                self.frozen = false;
                self.thaws += 1;
                self.cut_then_thawed |= attempt.snapshots == Snapshots::NotRequested;
            }
            Step::FindCommit => attempt.commit = if committed { Commit::Present } else { Commit::Absent },
            Step::DropSnapshots => {
                assert!(!committed, "dropped the snapshots of a recovery point");
                self.snapshots.clear();
                self.cut_then_thawed = false;
                attempt.dropped = true;
            }
            Step::Prepare => {
                attempt.prepared = true;
                attempt.hooks = if self.has_hooks { Hooks::NotOurTurn } else { Hooks::None };
                attempt.copies_left = true;
            }
            Step::AwaitTurn => attempt.hooks = Hooks::NotRecorded,
            Step::RecordIntent => {
                self.frozen = true;
                attempt.hooks = Hooks::PreHooksLeft;
            }
            Step::PreHook => attempt.hooks = Hooks::PreHooksDone,
            Step::RequestSnapshots => {
                attempt.snapshots = Snapshots::Waiting;
                attempt.dropped = false;
                self.snapshots.push(attempt.number);
            }
            Step::StartCapture => attempt.capture = Work::Running,
            Step::AwaitCut => attempt.snapshots = Snapshots::Settled,
            Step::Anchor => attempt.anchored = true,
            Step::AwaitCapture => attempt.capture = Work::Done,
            Step::AwaitReady => attempt.ready = true,
            Step::StopCapture => attempt.capture = Work::NotStarted,
            Step::CopyFiles => attempt.copies_left = false,
            Step::Commit => {
                assert!(!self.frozen, "committed while frozen");
                self.commits += 1;
                self.point = Some(self.snapshots.clone());
                attempt.commit = Commit::Present;
            }
            Step::Detach => attempt.detached = true,
            Step::WriteResult => attempt.result_written = true,
            Step::Finish => {
                assert!(!self.frozen, "finished while frozen");
                self.phase = if committed { Phase::Completed } else { Phase::Failed };
            }
            Step::Begin | Step::Release | Step::Leave => unreachable!(),
        }
    }

    fn die(&mut self) {
        self.attempt = None;
        self.failed = false;
    }

    /// Runs to the end; dies once before or after the step with the number `kill`.
    fn run(mut self, kill: Option<(usize, bool)>) -> (Self, Vec<Step>) {
        let mut taken = Vec::new();
        for count in 0.. {
            assert!(count < 120, "no end in sight: {taken:?}");
            if kill == Some((count, false)) {
                self.die();
            }
            let step = decide(&self.observe());
            if step == Step::Leave {
                break;
            }
            taken.push(step);
            self.act(step);
            if kill == Some((count, true)) {
                self.die();
            }
        }
        (self, taken)
    }
}

fn assert_sound(world: &World, taken: &[Step]) {
    assert!(world.phase.is_final(), "{taken:?}");
    assert!(!world.frozen, "left frozen: {taken:?}");
    assert!(!world.finalizer, "{taken:?}");
    assert!(world.commits <= 1, "{} recovery points: {taken:?}", world.commits);
    match &world.point {
        Some(needed) => assert_eq!(needed, &world.snapshots, "{taken:?}"),
        None => assert!(world.snapshots.is_empty(), "orphaned snapshots: {taken:?}"),
    }
}

#[test]
fn an_undisturbed_backup_takes_each_step_once_and_in_order() {
    let world = World::new(true);

    let (world, taken) = world.run(None);

    assert_sound(&world, &taken);
    use Step::*;
    let expected = [
        Begin,
        FindCommit,
        Prepare,
        AwaitTurn,
        RecordIntent,
        PreHook,
        RequestSnapshots,
        StartCapture,
        AwaitCut,
        Thaw,
        Anchor,
        AwaitCapture,
        AwaitReady,
        CopyFiles,
        Commit,
        Detach,
        WriteResult,
        Finish,
        Release,
    ];
    assert_eq!(taken, expected);
}

#[test]
fn a_kill_before_or_after_any_step_ends_in_one_recovery_point_and_nothing_frozen() {
    for has_hooks in [false, true] {
        let (_, undisturbed) = World::new(has_hooks).run(None);
        for at in 0..undisturbed.len() {
            for after in [false, true] {
                let (world, taken) = World::new(has_hooks).run(Some((at, after)));

                assert_sound(&world, &taken);
                assert_eq!(world.commits, 1, "{taken:?}");
                assert!(!world.has_hooks || world.thaws >= 1, "{taken:?}");
            }
        }
    }
}

#[test]
fn a_cancellation_at_any_time_with_a_kill_at_any_time_leaves_nothing_behind() {
    for has_hooks in [false, true] {
        for cancel in 0..20 {
            for kill in 0..20 {
                for after in [false, true] {
                    let mut world = World::new(has_hooks);
                    world.cancel_at = Some(cancel);

                    let (world, taken) = world.run(Some((kill, after)));

                    assert_sound(&world, &taken);
                }
            }
        }
    }
}

#[test]
fn a_failure_of_any_step_thaws_before_anything_else() {
    for step in Step::ALL {
        if matches!(step, Step::Begin | Step::Leave | Step::Release | Step::Thaw | Step::Finish) {
            continue;
        }
        let mut world = World::new(true);
        world.fail_at = Some(step);

        let (world, taken) = world.run(None);

        if matches!(step, Step::Detach | Step::WriteResult | Step::DropSnapshots | Step::StopCapture) {
            continue; // these are repeated; the model does not make them fail for good
        }
        assert_sound(&world, &taken);
        let failed_at = taken.iter().position(|taken| *taken == step).unwrap();
        if matches!(step, Step::PreHook | Step::RequestSnapshots | Step::StartCapture | Step::AwaitCut) {
            assert_eq!(taken[failed_at + 1], Step::Thaw, "{taken:?}");
        }
    }
}

#[test]
fn snapshots_cut_before_a_thaw_are_never_used_after_it() {
    let (_, undisturbed) = World::new(true).run(None);

    for at in 0..undisturbed.len() {
        let (world, taken) = World::new(true).run(Some((at, true)));

        let needed = world.point.unwrap();
        assert_eq!(needed.len(), 1, "snapshots of two attempts in one recovery point: {taken:?}");
    }
}

#[test]
fn snapshots_are_not_dropped_while_nobody_knows_whether_a_recovery_point_needs_them() {
    let mut attempt = Attempt::new(2, Leftovers::Drop);
    attempt.commit = Commit::Unsearchable;
    let seen = Observed {
        phase: Phase::InProgress,
        finalizer: true,
        frozen: false,
        stop: Some(Stop::Failed),
        attempt: Some(attempt),
    };

    let step = decide(&seen);

    assert_eq!(step, Step::WriteResult);
}

#[test]
fn a_process_that_ends_thaws_and_leaves_the_rest_to_its_successor() {
    let mut attempt = Attempt::new(1, Leftovers::Keep);
    attempt.commit = Commit::Absent;
    attempt.prepared = true;
    attempt.hooks = Hooks::PreHooksDone;
    attempt.snapshots = Snapshots::Waiting;
    attempt.capture = Work::Running;
    let mut seen = Observed {
        phase: Phase::InProgress,
        finalizer: true,
        frozen: true,
        stop: Some(Stop::Shutdown),
        attempt: Some(attempt),
    };

    let first = decide(&seen);
    seen.frozen = false;
    let second = decide(&seen);
    seen.attempt.as_mut().unwrap().capture = Work::NotStarted;
    let third = decide(&seen);

    assert_eq!([first, second, third], [Step::Thaw, Step::StopCapture, Step::Leave]);
}

fn seen(attempt: Attempt, stop: Stop) -> Observed {
    let phase = Phase::InProgress;
    Observed { phase, finalizer: true, frozen: false, stop: Some(stop), attempt: Some(attempt) }
}

#[test]
fn a_commit_whose_answer_was_lost_is_looked_for_before_snapshots_are_dropped() {
    let tried = Attempt { commit_tried: true, ..Attempt::new(1, Leftovers::Keep) };
    let in_vain = Attempt { commit: Commit::Unsearchable, ..tried.clone() };
    let never_tried = Attempt::new(1, Leftovers::Keep);

    assert_eq!(decide(&seen(tried, Stop::Cancelled)), Step::FindCommit);
    assert_eq!(decide(&seen(in_vain, Stop::Cancelled)), Step::WriteResult);
    assert_eq!(decide(&seen(never_tried, Stop::Cancelled)), Step::DropSnapshots);
}

#[test]
fn a_lock_that_was_taken_before_the_capture_is_given_back() {
    for stop in [Stop::Cancelled, Stop::Shutdown] {
        let locked = Attempt { capture: Work::Locked, ..Attempt::new(1, Leftovers::Keep) };
        let after = Attempt { capture: Work::NotStarted, ..locked.clone() };

        assert_eq!(decide(&seen(locked, stop)), Step::StopCapture);
        assert_ne!(decide(&seen(after, stop)), Step::StopCapture);
    }
}
