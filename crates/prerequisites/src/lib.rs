//! The prerequisites as a catalogue of checks: pure functions from what was observed to a result with
//! evidence and fixes. `probes` observes; this crate judges.
//!
//! Ids follow the table of prerequisites of AKS backup (P1 to P51), so that a reader finds the original's
//! sentence; C1 to C3 are our own. A check that cannot be observed says so; it never passes.
//!
//! One check is one file below `checks`: what must hold, why, how it is seen, what it weighs, how it is mended, and
//! the rule that judges the facts.

mod check;
mod checks;
mod codes;
mod deep;
pub mod egress;
mod endpoint;
mod evaluate;
mod evidence;
mod facts;
mod gatekeeper;
mod mend;
mod pages;
mod reached;
mod refused;
mod resource_manager;
mod verdict;
mod written;

pub use check::{By, Cause, Check, Finding, Fix, Outcome, Profile, Purpose, Report, Scope, Severity, Weight};
pub use checks::catalogue;
pub use deep::{DeepCheck, Step};
pub use endpoint::{Endpoint, EndpointKind};
pub use evaluate::{Judged, evaluate, judge, judge_alone};
pub use evidence::{Evidence, printable};
pub use facts::{
    BrokenWebhook, Cluster, ClusterVolume, Constraint, Contents, Definition, DryRun, ExtensionPods, Facts,
    Hook, LocationFacts, Marks, Names, Namespaces, NetworkPolicies, Node, Nodes, Observed, Owner,
    PodIdentity, Policies, Refusal, Registry, Rights, SnapshotApi, SnapshotClassFacts, StoppedController,
    StoreProbe, SystemParts, Target, Tool, VeleroFacts, VolumeKind, Whose,
};
pub use gatekeeper::refusing_constraints;
pub use mend::{Action, Change, Offer, mends, offers};
pub use pages::{mending, page, page_name, table};
pub use reached::{Reached, Sight, Stage, Trouble, is_private};
pub use resource_manager::{
    ArmFacts, ArmVault, Binding, Disk, InboundRule, InstalledExtension, ManagedCluster, RoleNeed,
    StorageAccount, UserRight,
};
pub use verdict::Verdict;
pub use written::{StoreName, WrittenPlace};
