//! The prerequisites as a catalogue of checks: pure functions from what was observed to a result with
//! evidence and a fix. `probes` observes; this crate judges.
//!
//! Ids follow the table of prerequisites of AKS backup (P1 to P51), so that a reader finds the original's
//! sentence. A check that cannot be observed says so; it never passes.

mod catalogue;
mod check;
mod evaluate;
mod facts;
mod rules;

pub use catalogue::{Check, catalogue};
pub use check::{Finding, Outcome, Profile, Purpose, Report, Severity};
pub use evaluate::evaluate;
pub use facts::{
    Cluster, ClusterVolume, Contents, DryRun, Facts, LocationFacts, Marks, Observed, Owner, Policies,
    Registry, Rights, SnapshotApi, SnapshotClassFacts, StoreProbe, VeleroFacts, VolumeKind, Whose,
};
