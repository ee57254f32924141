//! Why work ends before it is complete.

use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use resources::{Backup, Restore};

/// Why work ends before it is complete, the most important reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// This process ends; another one continues.
    Shutdown,
    /// A step failed in a way that trying again does not help.
    Failed,
    /// `spec.cancel`, or the object is being deleted.
    Cancelled,
    /// `spec.deadlineSeconds` have passed.
    Deadline,
}

/// What can stop an operation.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// This process was told to end.
    pub shutdown: bool,
    /// A step failed for good.
    pub failed: bool,
    /// `spec.cancel`, or a deletion timestamp.
    pub cancelled: bool,
    /// `status.startTime`.
    pub started: Option<Timestamp>,
    /// `spec.deadlineSeconds`.
    pub deadline_seconds: u32,
}

/// An object whose work can be stopped by a person or by its deadline.
pub trait Stoppable: Resource<DynamicType = ()> {
    /// `spec.cancel`.
    fn cancel(&self) -> bool;
    /// `spec.deadlineSeconds`.
    fn deadline_seconds(&self) -> u32;
}

impl Stoppable for Backup {
    fn cancel(&self) -> bool {
        self.spec.cancel
    }

    fn deadline_seconds(&self) -> u32 {
        self.spec.deadline_seconds
    }
}

impl Stoppable for Restore {
    fn cancel(&self) -> bool {
        self.spec.cancel
    }

    fn deadline_seconds(&self) -> u32 {
        self.spec.deadline_seconds
    }
}

impl Circumstances {
    /// What can stop the work of `object`, as it was last seen.
    pub fn of(object: &impl Stoppable, started: Option<Timestamp>, failed: bool, shutdown: bool) -> Self {
        Self {
            shutdown,
            failed,
            cancelled: object.cancel() || object.meta().deletion_timestamp.is_some(),
            started,
            deadline_seconds: object.deadline_seconds(),
        }
    }

    /// When the operation runs out of time; never before it has begun.
    pub fn deadline(&self) -> Option<Timestamp> {
        let allowed = SignedDuration::from_secs(i64::from(self.deadline_seconds));
        self.started.and_then(|started| started.checked_add(allowed).ok())
    }

    /// The reason to stop at `now`, if there is one.
    pub fn stop(&self, now: Timestamp) -> Option<Stop> {
        if self.shutdown {
            Some(Stop::Shutdown)
        } else if self.failed {
            Some(Stop::Failed)
        } else if self.cancelled {
            Some(Stop::Cancelled)
        } else if self.deadline().is_some_and(|deadline| now >= deadline) {
            Some(Stop::Deadline)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_reason_wins_and_time_runs_from_the_first_attempt() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let none = Circumstances {
            shutdown: false,
            failed: false,
            cancelled: false,
            started: Some(start),
            deadline_seconds: 60,
        };
        let before = start + SignedDuration::from_secs(59);
        let after = start + SignedDuration::from_secs(60);

        assert_eq!(none.stop(before), None);
        assert_eq!(none.stop(after), Some(Stop::Deadline));
        assert_eq!(Circumstances { cancelled: true, ..none }.stop(after), Some(Stop::Cancelled));
        assert_eq!(Circumstances { failed: true, cancelled: true, ..none }.stop(after), Some(Stop::Failed));
        assert_eq!(Circumstances { shutdown: true, failed: true, ..none }.stop(after), Some(Stop::Shutdown));
        assert_eq!(Circumstances { started: None, ..none }.stop(after), None);
    }
}
