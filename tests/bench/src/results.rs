//! What was measured, kept between runs so that each experiment can be measured by itself.

use crate::environment::Environment;
use crate::report;
use crate::statistics::Sample;
use crate::vaults::outcome::{Blobs, Vault};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The newest outcome of every experiment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// By number of objects.
    pub captures: Vec<Measured>,
    /// By number of objects.
    pub restores: Vec<Measured>,
    /// Snapshots of many volumes.
    pub snapshots: Option<Cut>,
    /// Agent and gateway in a cluster.
    pub footprint: Option<Footprint>,
    /// Preflight of a cluster.
    pub preflight: Option<Preflight>,
    /// Vaults, by database.
    pub vaults: Vec<Vault>,
    /// Stored data through a vault.
    pub blobs: Option<Blobs>,
}

/// One size of a capture or a restore: ours, the API server's own and Velero's, measured in turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// When and where.
    pub environment: Environment,
    /// Objects that were made.
    pub made: usize,
    /// Objects that we captured or created.
    pub objects: u64,
    /// Objects per second, everything included.
    pub ours: Sample,
    /// Seconds from the request to the end.
    pub seconds: Sample,
    /// Seconds of the same operation on one empty namespace.
    pub fixed: Sample,
    /// Seconds more that the first operation on a location takes: the repository is made, its key derived.
    pub opening: Sample,
    /// Objects per second of a backup that finds the same objects in the repository.
    pub again: Sample,
    /// MiB at most.
    pub peak: Sample,
    /// Objects per second of the bare client.
    pub bare: Sample,
    /// Ours in relation to the bare client's, round by round.
    pub ratio: Sample,
    /// Objects per second of Velero, everything included.
    pub velero: Sample,
    /// Seconds of Velero for one empty namespace.
    pub velero_fixed: Sample,
    /// MiB of Velero's server and plugins at most.
    pub velero_peak: Sample,
    /// Whether some run of Velero was ended before its end.
    pub velero_ended_early: bool,
}

/// Snapshots of many volumes at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cut {
    /// When and where.
    pub environment: Environment,
    /// Volumes.
    pub volumes: usize,
    /// Seconds from the request of a backup until the last snapshot was cut.
    pub cut: Sample,
    /// Seconds until the backup was complete.
    pub complete: Sample,
    /// Seconds from bare requests for the same snapshots until the last was cut.
    pub bare: Sample,
}

/// What agent and gateway use in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Footprint {
    /// When and where.
    pub environment: Environment,
    /// Objects that were made in the cluster.
    pub objects: usize,
    /// Containers that were started again.
    pub restarts: u64,
    /// One after the other.
    pub pods: Vec<PodUse>,
}

/// A preflight of everything that only reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preflight {
    /// When and where.
    pub environment: Environment,
    /// Objects in the cluster, as the API server counts them for preflight itself.
    pub objects: u64,
    /// Seconds from its start to its end.
    pub seconds: Sample,
    /// MiB at most.
    pub peak: Sample,
    /// Checks that passed or are not applicable, of all.
    pub well: (u64, u64),
}

/// One pod with its limits, as its manifest has them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodUse {
    /// The name of its Deployment.
    pub name: String,
    /// Of a processor.
    pub cpu_limit: String,
    /// Of memory.
    pub memory_limit: String,
    /// What it did, in the order of the first time.
    pub phases: Vec<Phase>,
}

/// What a pod used while something went on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Phase {
    /// What went on.
    pub what: String,
    /// How long.
    pub seconds: Sample,
    /// Thousandths of a processor.
    pub cpu: Sample,
    /// Percent of the periods in which it ran that it was held back in.
    pub throttled_periods: Sample,
    /// Seconds, added up over the processors, that it was held back.
    pub throttled_seconds: Sample,
    /// MiB at the end.
    pub memory: Sample,
    /// MiB at most since it was started.
    pub peak: Sample,
}

impl PodUse {
    /// The phase of this name, new if there is none.
    pub fn phase(&mut self, what: &str) -> &mut Phase {
        let at = self.phases.iter().position(|phase| phase.what == what).unwrap_or(self.phases.len());
        if at == self.phases.len() {
            self.phases.push(Phase { what: what.to_owned(), ..Phase::default() });
        }
        &mut self.phases[at]
    }
}

impl Results {
    /// Reads the results of earlier runs.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| format!("could not read {}", path.display()))
            }
            Err(_) => Ok(Self::default()),
        }
    }

    /// Writes the results, and the page that shows them.
    pub fn write(&self, path: &Path, page: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::write(page, report::page(self))
            .with_context(|| format!("could not write {}", page.display()))
    }

    /// Replaces the capture of the same size.
    pub fn add_capture(&mut self, measured: Measured) {
        replace(&mut self.captures, measured);
    }

    /// Replaces the restore of the same size.
    pub fn add_restore(&mut self, measured: Measured) {
        replace(&mut self.restores, measured);
    }

    /// Replaces the vault of the same database.
    pub fn add_vault(&mut self, measured: Vault) {
        self.vaults.retain(|other| other.database != measured.database);
        self.vaults.push(measured);
        self.vaults.sort_by(|one, other| other.database.cmp(&one.database));
    }
}

fn replace(all: &mut Vec<Measured>, measured: Measured) {
    all.retain(|other| other.made != measured.made);
    all.push(measured);
    all.sort_by_key(|measured| measured.made);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_measured_again_replaces_the_old_one() {
        let mut results = Results::default();
        for (made, objects) in [(20, 1), (2, 2), (20, 3)] {
            results.add_capture(Measured { made, objects, ..Measured::default() });
        }

        let kept: Vec<_> = results.captures.iter().map(|one| (one.made, one.objects)).collect();
        assert_eq!(kept, [(2, 2), (20, 3)]);
    }
}
