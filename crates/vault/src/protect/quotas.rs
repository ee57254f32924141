//! What a vault and an instance may have and do: the documented limits, which an operator can change.

use crate::api::limits;
use std::ops::RangeInclusive;

/// The limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Policies of a vault.
    pub policies: usize,
    /// Instances of a vault.
    pub instances: usize,
    /// Backups on demand of an instance in 24 hours.
    pub backups_a_day: usize,
    /// Restores of an instance in 24 hours.
    pub restores_a_day: usize,
    /// Namespaces that an instance names, taken in or left out.
    pub namespaces: usize,
    /// The shortest distance of scheduled backups, in minutes.
    pub shortest_interval: u32,
    /// Days that a recovery point lives in the operational tier, at most.
    pub operational_days: u32,
    /// Jobs of one export.
    pub exported_jobs: usize,
    /// Days that a job stays after its end, and longer if its recovery point does.
    pub job_days: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            policies: limits::POLICIES,
            instances: limits::INSTANCES,
            backups_a_day: limits::BACKUPS_ON_DEMAND,
            restores_a_day: limits::RESTORES,
            namespaces: limits::NAMESPACES,
            shortest_interval: limits::SHORTEST_INTERVAL_MINUTES,
            operational_days: limits::OPERATIONAL_DAYS,
            exported_jobs: limits::EXPORTED_JOBS,
            job_days: limits::JOB_DAYS,
        }
    }
}

impl Quotas {
    /// What an operator may choose: more would not fit into memory, or into a day.
    pub fn check(self) -> Result<Self, String> {
        let number = |name: &str, value: usize, range: RangeInclusive<usize>| match range.contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} must be {} to {}, not {value}", range.start(), range.end())),
        };
        number("quota-policies", self.policies, 1..=100_000)?;
        number("quota-instances", self.instances, 1..=100_000)?;
        number("quota-backups-a-day", self.backups_a_day, 0..=10_000)?;
        number("quota-restores-a-day", self.restores_a_day, 0..=10_000)?;
        number("quota-namespaces", self.namespaces, 1..=arm::instance::MOST_NAMESPACES)?;
        number("quota-shortest-interval", self.shortest_interval as usize, 5..=24 * 60)?;
        number("quota-operational-days", self.operational_days as usize, 1..=36_500)?;
        number("quota-exported-jobs", self.exported_jobs, 1..=100_000)?;
        // Shorter than what looks after a job that was given up, a job would miss its recovery point.
        number("quota-job-days", self.job_days as usize, 30..=36_500)?;
        Ok(self)
    }

    /// For what was taken already: a limit that became smaller does not make it unreadable.
    pub fn of_what_is_kept() -> Self {
        Self { shortest_interval: 1, operational_days: u32::MAX, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_limits_and_what_makes_no_sense_is_refused() {
        let defaults = Quotas::default();

        assert_eq!(defaults.check(), Ok(defaults));
        assert_eq!((defaults.policies, defaults.instances, defaults.namespaces), (5_000, 5_000, 800));
        assert_eq!((defaults.backups_a_day, defaults.restores_a_day), (10, 10));
        assert_eq!((defaults.shortest_interval, defaults.operational_days), (240, 360));
        for (wrong, name) in [
            (Quotas { instances: 0, ..defaults }, "quota-instances"),
            (Quotas { shortest_interval: 4, ..defaults }, "quota-shortest-interval"),
            (Quotas { job_days: 29, ..defaults }, "quota-job-days"),
            (Quotas { namespaces: 1_000_000, ..defaults }, "quota-namespaces"),
        ] {
            assert!(wrong.check().unwrap_err().contains(name), "{name}");
        }
    }
}
