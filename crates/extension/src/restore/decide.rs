//! The next step of a restore or a plan.
//!
//! Everything that a restore writes into the cluster carries the restore's UID, so an attempt that starts over
//! finds what its predecessor created; nothing but the status has to survive a crash.

use crate::stop::Stop;
use resources::{Phase, RestoreOperation};

/// Attempts after which a restore that keeps dying fails instead of starting over.
pub const MAX_ATTEMPTS: u32 = 5;

/// What is known about one restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// `status.phase`.
    pub phase: Phase,
    /// `spec.operation`.
    pub operation: RestoreOperation,
    /// Why the work shall end before it is complete.
    pub stop: Option<Stop>,
    /// What this process has done; nothing before it began.
    pub attempt: Option<Attempt>,
}

/// What this process has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The recovery point is open.
    pub opened: bool,
    /// The plan is made.
    pub planned: bool,
    /// The plan has been carried out, as far as it could be.
    pub executed: bool,
    /// The restore hooks have run, or there are none.
    pub hooked: bool,
    /// What a stopped restore leaves half done has been put in order.
    pub tidied: bool,
    /// The result file is written, or cannot be.
    pub result_written: bool,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Count the attempt.
    Begin,
    /// Open the location and find the recovery point.
    Open,
    /// Decide what would happen to each object and volume; writes nothing.
    Plan,
    /// Carry the plan out.
    Execute,
    /// Run the restore hooks in newly started pods.
    Hooks,
    /// Remove temporary objects of volumes that were being filled.
    Tidy,
    /// Write the result file.
    WriteResult,
    /// Write the final status.
    Finish,
    /// Nothing is left for this process.
    Leave,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 9] = [
        Self::Begin,
        Self::Open,
        Self::Plan,
        Self::Execute,
        Self::Hooks,
        Self::Tidy,
        Self::WriteResult,
        Self::Finish,
        Self::Leave,
    ];

    /// The name in fault points and in `status.stage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Open => "open",
            Self::Plan => "plan",
            Self::Execute => "execute",
            Self::Hooks => "hooks",
            Self::Tidy => "tidy",
            Self::WriteResult => "write-result",
            Self::Finish => "finish",
            Self::Leave => "leave",
        }
    }

    /// The names of all steps that act.
    pub fn all_names() -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|step| *step != Self::Leave).map(Self::name).collect()
    }
}

/// The next step.
pub fn decide(seen: &Observed) -> Step {
    if seen.phase.is_final() || seen.stop == Some(Stop::Shutdown) {
        return Step::Leave;
    }
    let Some(attempt) = seen.attempt else { return Step::Begin };
    if seen.stop.is_none() {
        if !attempt.opened {
            return Step::Open;
        }
        if !attempt.planned {
            return Step::Plan;
        }
        if seen.operation == RestoreOperation::Restore && !attempt.executed {
            return Step::Execute;
        }
        if seen.operation == RestoreOperation::Restore && !attempt.hooked {
            return Step::Hooks;
        }
    }
    if seen.operation == RestoreOperation::Restore && attempt.planned && !attempt.tidied {
        return Step::Tidy;
    }
    if attempt.result_written { Step::Finish } else { Step::WriteResult }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(operation: RestoreOperation, stop_after: Option<Step>) -> Vec<Step> {
        let mut seen = Observed { phase: Phase::Accepted, operation, stop: None, attempt: None };
        let mut taken = Vec::new();
        loop {
            let step = decide(&seen);
            let fresh = Attempt {
                opened: false,
                planned: false,
                executed: false,
                hooked: false,
                tidied: false,
                result_written: false,
            };
            let attempt = seen.attempt.get_or_insert(fresh);
            match step {
                Step::Begin => seen.phase = Phase::InProgress,
                Step::Open => attempt.opened = true,
                Step::Plan => attempt.planned = true,
                Step::Execute => attempt.executed = true,
                Step::Hooks => attempt.hooked = true,
                Step::Tidy => attempt.tidied = true,
                Step::WriteResult => attempt.result_written = true,
                Step::Finish => seen.phase = Phase::Completed,
                Step::Leave => return taken,
            }
            taken.push(step);
            if stop_after == Some(step) {
                seen.stop = Some(Stop::Cancelled);
            }
        }
    }

    #[test]
    fn a_plan_never_executes_anything() {
        let taken = run(RestoreOperation::Plan, None);

        assert_eq!(taken, [Step::Begin, Step::Open, Step::Plan, Step::WriteResult, Step::Finish]);
    }

    #[test]
    fn a_restore_takes_each_step_once() {
        let taken = run(RestoreOperation::Restore, None);

        use Step::*;
        assert_eq!(taken, [Begin, Open, Plan, Execute, Hooks, Tidy, WriteResult, Finish]);
    }

    #[test]
    fn a_cancelled_restore_still_tidies_and_reports() {
        for stop in [Step::Begin, Step::Open, Step::Plan, Step::Execute, Step::Hooks] {
            let taken = run(RestoreOperation::Restore, Some(stop));

            assert_eq!(taken.last(), Some(&Step::Finish));
            assert!(taken.contains(&Step::WriteResult));
            assert_eq!(taken.contains(&Step::Tidy), taken.contains(&Step::Plan), "{taken:?}");
        }
    }
}
