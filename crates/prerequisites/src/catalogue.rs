//! The table of checks. Order is the order in which a person should mend things.

use crate::rules::{cluster, location, policies, velero, volumes};
use crate::{Facts, Observed, Outcome, Profile, Purpose, Severity};

/// What a rule says of the facts: outcome, evidence, fix.
pub(crate) type Verdict = (Outcome, String, Option<String>);

/// One row of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// `P<number>` of the original's prerequisite.
    pub id: &'static str,
    /// What must hold, as a sentence.
    pub title: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How it is observed.
    pub observed_by: &'static str,
    /// What a failure means at worst.
    pub severity: Severity,
    /// What depends on it.
    pub purposes: &'static [Purpose],
    /// Checks that must have passed before this one makes sense.
    pub depends_on: &'static [&'static str],
    pub(crate) rule: fn(&Facts, Profile) -> Verdict,
}

const ALWAYS: &[Purpose] = &[Purpose::Install, Purpose::Backup, Purpose::Restore];
/// A restore neither writes to the location nor cares for other volumes than its own.
const NOT_RESTORE: &[Purpose] = &[Purpose::Install, Purpose::Backup];

/// The checks that a kubeconfig and the store's credentials can observe.
pub fn catalogue() -> &'static [Check] {
    &CATALOGUE
}

static CATALOGUE: [Check; 11] = [
    Check {
        id: "P11",
        title: "The cluster runs Kubernetes 1.21.1 or later and has a CSI driver for each used volume.",
        reason: "Snapshots of volumes are made by CSI drivers.",
        observed_by: "/version, CSIDriver objects, the volumes behind claims",
        severity: Severity::Block,
        purposes: ALWAYS,
        depends_on: &[],
        rule: cluster::version_and_drivers,
    },
    Check {
        id: "P4",
        title: "The extension's rights cover the whole cluster.",
        reason: "It reads every object for a backup and creates objects in every namespace for a restore.",
        observed_by: "SelfSubjectAccessReview for each right",
        severity: Severity::Block,
        purposes: ALWAYS,
        depends_on: &[],
        rule: cluster::rights,
    },
    Check {
        id: "P12",
        title: "The snapshot API is served and somebody handles it.",
        reason: "Volumes are protected by CSI snapshots.",
        observed_by: "discovery of snapshot.storage.k8s.io/v1, snapshot-controller, VolumeSnapshotClasses",
        severity: Severity::Block,
        purposes: ALWAYS,
        depends_on: &["P11"],
        rule: volumes::snapshot_api,
    },
    Check {
        id: "P13",
        title: "Every claim's volume belongs to a CSI driver that can make snapshots.",
        reason: "Other volumes are not protected; they are named in each backup.",
        observed_by: "claims, volumes and snapshot classes",
        severity: Severity::Warn,
        purposes: NOT_RESTORE,
        depends_on: &["P12"],
        rule: volumes::kinds,
    },
    Check {
        id: "P6",
        title: "The storage location accepts writing, reading, listing and deleting.",
        reason: "Recovery points are written there, and locks are removed again.",
        observed_by: "a probe object",
        severity: Severity::Block,
        purposes: ALWAYS,
        depends_on: &[],
        rule: location::rights,
    },
    Check {
        id: "P10",
        title: "The storage location holds nothing unrelated and no other cluster's recovery points.",
        reason: "Two writers with different keys in one place end in loss.",
        observed_by: "the location's top level and owner marker",
        severity: Severity::Block,
        purposes: NOT_RESTORE,
        depends_on: &[],
        rule: location::empty_or_ours,
    },
    Check {
        id: "P15",
        title: "Nodes can fetch the extension's image.",
        reason: "Behind a firewall the installation otherwise hangs without a word.",
        observed_by: "the state of pods that use the image",
        severity: Severity::Block,
        purposes: ALWAYS,
        depends_on: &[],
        rule: policies::image,
    },
    Check {
        id: "P20",
        title: "No admission policy rejects the extension's pods.",
        reason: "A rejected pod makes the installation hang.",
        observed_by: "a server-side dry run of the pod, policy engines, pod security labels",
        severity: Severity::Block,
        purposes: ALWAYS,
        depends_on: &["P4"],
        rule: policies::admission,
    },
    Check {
        id: "P17",
        title: "No other Velero gets in the way.",
        reason: "It must not share the bucket prefix or our snapshot class; AKS allows none at all.",
        observed_by: "Deployments, CustomResourceDefinitions and storage locations of velero.io",
        severity: Severity::Block,
        purposes: NOT_RESTORE,
        depends_on: &[],
        rule: velero::installation,
    },
    Check {
        id: "P18",
        title: "No VolumeSnapshotClass carries Velero's label.",
        reason: "On AKS it changes which class takes the snapshots; here it only names the default choice.",
        observed_by: "labels of VolumeSnapshotClasses",
        severity: Severity::Warn,
        purposes: NOT_RESTORE,
        depends_on: &["P12"],
        rule: velero::snapshot_class,
    },
    Check {
        id: "P19",
        title: "No object carries velero.io labels or annotations.",
        reason: "Only exclude-from-backup is obeyed; whoever set others expects more than will happen.",
        observed_by: "metadata of namespaces, claims, volumes, pods, workloads and services",
        severity: Severity::Warn,
        purposes: NOT_RESTORE,
        depends_on: &[],
        rule: velero::annotations,
    },
];

pub(crate) fn passed(evidence: impl Into<String>) -> Verdict {
    (Outcome::Passed, evidence.into(), None)
}

pub(crate) fn failed(severity: Severity, evidence: impl Into<String>, fix: impl Into<String>) -> Verdict {
    (Outcome::Failed { severity }, evidence.into(), Some(fix.into()))
}

pub(crate) fn unseen(why: impl Into<String>) -> Verdict {
    (Outcome::NotObservable { why: why.into() }, String::new(), None)
}

/// Judges a fact that was seen, or says why it was not.
pub(crate) fn when_seen<T>(fact: &Observed<T>, judge: impl FnOnce(&T) -> Verdict) -> Verdict {
    match fact {
        Observed::Seen(value) => judge(value),
        Observed::NotObservable(why) => unseen(why),
    }
}
