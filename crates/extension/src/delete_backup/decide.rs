//! The next step of a deletion.
//!
//! The repository forgets the recovery point first, then its snapshots go: a recovery point that is listed is
//! always complete. The anchors of the snapshots are found by label, so a deletion that died in between ends
//! when it is taken up again.

use crate::stop::Stop;
use resources::Phase;

/// What is known about one deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// `status.phase`.
    pub phase: Phase,
    /// Why the work shall end.
    pub stop: Option<Stop>,
    /// What this process has done; nothing before it began.
    pub attempt: Option<Attempt>,
}

/// What this process has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Where the recovery point is.
    pub point: Point,
    /// Its snapshots have been deleted, or named.
    pub snapshots_deleted: bool,
}

/// Where the recovery point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Not looked yet.
    Unknown,
    /// In the repository.
    Listed,
    /// In the repository, and the store's retention keeps it there.
    Retained,
    /// Not, or no longer, in the repository.
    Forgotten,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write that the work has begun.
    Begin,
    /// Open the location and look for the recovery point.
    Find,
    /// Remove it from the repository.
    Forget,
    /// Delete its snapshots through their anchors.
    DeleteSnapshots,
    /// Note that the store keeps it, and try again later.
    Wait,
    /// Write the final status.
    Finish,
    /// Nothing is left for this process.
    Leave,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 7] =
        [Self::Begin, Self::Find, Self::Forget, Self::DeleteSnapshots, Self::Wait, Self::Finish, Self::Leave];

    /// The name in fault points.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Find => "find",
            Self::Forget => "forget",
            Self::DeleteSnapshots => "delete-snapshots",
            Self::Wait => "wait",
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
    if seen.stop.is_some() {
        return Step::Finish;
    }
    match attempt.point {
        Point::Unknown => Step::Find,
        Point::Listed => Step::Forget,
        Point::Retained => Step::Wait,
        Point::Forgotten if !attempt.snapshots_deleted => Step::DeleteSnapshots,
        Point::Forgotten => Step::Finish,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(point: Point, snapshots_deleted: bool) -> Observed {
        let attempt = Some(Attempt { point, snapshots_deleted });
        Observed { phase: Phase::InProgress, stop: None, attempt }
    }

    #[test]
    fn snapshots_outlive_the_recovery_point_that_lists_them() {
        let order = [
            decide(&Observed { phase: Phase::Accepted, stop: None, attempt: None }),
            decide(&seen(Point::Unknown, false)),
            decide(&seen(Point::Listed, false)),
            decide(&seen(Point::Forgotten, false)),
            decide(&seen(Point::Forgotten, true)),
        ];

        assert_eq!(order, [Step::Begin, Step::Find, Step::Forget, Step::DeleteSnapshots, Step::Finish]);
    }

    #[test]
    fn retention_is_later_not_failure() {
        assert_eq!(decide(&seen(Point::Retained, false)), Step::Wait);
    }
}
