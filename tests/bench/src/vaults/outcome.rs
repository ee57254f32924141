//! What was measured of vaults, kept between runs.

use super::usage::Processors;
use crate::{environment::Environment, statistics::Sample};
use serde::{Deserialize, Serialize};

/// How long many of one kind took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Percentiles {
    /// How many.
    pub count: usize,
    /// Half took no longer.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// The longest.
    pub most: f64,
}

impl Percentiles {
    /// Of these, in any order: the smallest value that so many are not above.
    pub fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |hundredths: usize| {
            let rank = (all.len() * hundredths).div_ceil(100);
            all.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { count: all.len(), p50: at(50), p99: at(99), most: at(100) }
    }
}

/// Processors that each was busy with, by name.
pub type Used = Vec<(String, Processors)>;

/// One load of requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// What was asked.
    pub what: String,
    /// Clients that wait for each answer; none when requests came at a rate.
    pub clients: Option<usize>,
    /// The rate that was aimed at.
    pub rate: Option<u32>,
    /// Answers a second.
    pub per_second: f64,
    /// How long the answers took.
    pub took: Percentiles,
    /// Failures.
    pub failed: usize,
    /// Who used how much meanwhile.
    pub used: Used,
}

/// How late scheduled backups were.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lateness {
    /// Slots that were due.
    pub due: usize,
    /// Of them, those whose job completed.
    pub completed: usize,
    /// From the jittered slot until the job began.
    pub begun: Percentiles,
    /// From the jittered slot until the cluster had been asked.
    pub asked: Percentiles,
}

/// One database's vault.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vault {
    /// When and where.
    pub environment: Environment,
    /// What else the machine did when it began: the load average of a minute.
    pub load: Option<f64>,
    /// What whoever measured says of the machine.
    pub note: String,
    /// Which database.
    pub database: String,
    /// Agents that were connected.
    pub agents: usize,
    /// Instances with a schedule.
    pub instances: usize,
    /// Seconds over which the backups of one slot begin.
    pub spread: u64,
    /// Milliseconds from the start of the process until it is ready.
    pub ready: Sample,
    /// Seconds until all agents were connected.
    pub connecting: f64,
    /// MiB without agents.
    pub alone: f64,
    /// MiB with all agents connected and nothing to do.
    pub connected: f64,
    /// MiB at most, to the end.
    pub peak: f64,
    /// Connections that broke and were made anew.
    pub broken: u64,
    /// Backups that began while reads came at a rate.
    pub steady: Lateness,
    /// Backups that began while clients asked as fast as they could.
    pub loaded: Lateness,
    /// All backups of the slot.
    pub whole: Lateness,
    /// The loads.
    pub requests: Vec<Requests>,
}

/// Stored data, through a vault and directly.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blobs {
    /// When and where.
    pub environment: Environment,
    /// What whoever measured says of the machine.
    pub note: String,
    /// The loads.
    pub loads: Vec<BlobLoad>,
}

/// One load of blobs in one direction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlobLoad {
    /// Which.
    pub what: String,
    /// Through the vault, MB/s.
    pub served: Sample,
    /// Directly, MB/s.
    pub direct: Sample,
    /// The ratio of the two, round by round.
    pub ratio: Sample,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let all = Percentiles::of((1..=200).rev().map(f64::from).collect());

        assert_eq!((all.count, all.p50, all.p99, all.most), (200, 100.0, 198.0, 200.0));
        assert_eq!(Percentiles::of(vec![7.0]).p99, 7.0);
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }
}
