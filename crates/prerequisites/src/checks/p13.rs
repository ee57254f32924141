//! P13: every claim's volume can be snapshotted.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{
    Check, ClusterVolume, Facts, Fix, Profile, Scope, SnapshotApi, SnapshotClassFacts, Verdict, VolumeKind,
    Weight,
};
use std::collections::BTreeSet;

/// How it is done anywhere, and how the original tells it.
const MIGRATION: &str = "docs/volumes.md#from-an-in-tree-volume-to-csi";
const MIGRATION_ON_AKS: &str = "https://learn.microsoft.com/azure/aks/csi-migrate-in-tree-volumes";

pub(crate) static CHECK: Check = Check {
    id: "P13",
    title: "Every claim's volume belongs to a CSI driver that can make snapshots.",
    reason: "Other volumes are not protected; they are named in each backup.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "claims, volumes and snapshot classes",
    code: Some("VolumeNotProtected"),
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &["P12"],
    fixes: &[
        Fix::cofferdam("cofferdam backup create --file-copy-volumes"),
        Fix::person(
            "Migrate in-tree volumes to CSI: docs/volumes.md#from-an-in-tree-volume-to-csi, https://learn.microsoft.com/azure/aks/csi-migrate-in-tree-volumes",
        ),
    ],
    tested_by: "unit test; scenario `preflight` with hostPath and strange volumes; scenario `preflight_cluster` with volumes of NFS and of Azure that are moved; scenario `preflight_fix`",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        when_seen(&facts.snapshots, |snapshots| protected(volumes, snapshots))
    })
}

fn protected(volumes: &[ClusterVolume], snapshots: &SnapshotApi) -> Verdict {
    let bound: Vec<&ClusterVolume> =
        volumes.iter().filter(|volume| volume.kind != VolumeKind::Unbound).collect();
    let without: Vec<(&ClusterVolume, String)> = bound
        .iter()
        .filter_map(|volume| Some((*volume, why_unprotected(&volume.kind, snapshots)?)))
        .collect();
    if without.is_empty() {
        return passed(match bound.len() {
            0 => "there are no claims with a volume".to_owned(),
            1 => "1 claim, of a driver with a snapshot class".to_owned(),
            many => format!("{many} claims, all of drivers with a snapshot class"),
        });
    }
    let unprotected: Vec<String> =
        without.iter().map(|(volume, why)| format!("{} ({why})", volume.claim)).collect();
    fails(format!(
        "{} of {} claims are not protected: {}",
        unprotected.len(),
        bound.len(),
        some(&unprotected)
    ))
    .about(&unprotected)
    .number("claims", bound.len() as u64)
    .fix(remedies(without.iter().map(|(volume, _)| &volume.kind), snapshots))
}

/// What helps each of these kinds. Volumes that are not of CSI are not copied as files either.
fn remedies<'v>(kinds: impl Iterator<Item = &'v VolumeKind>, snapshots: &SnapshotApi) -> String {
    let (mut in_tree, mut classless, mut undecided) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for kind in kinds {
        match kind {
            VolumeKind::Unbound => {}
            VolumeKind::InTree(name) => {
                in_tree.insert(name.clone());
            }
            VolumeKind::Csi(driver) if has_class(driver, snapshots) => {
                undecided.insert(driver.clone());
            }
            VolumeKind::Csi(driver) => {
                classless.insert(driver.clone());
            }
        }
    }
    let named = |names: BTreeSet<String>, say: &dyn Fn(String) -> String| {
        let names: Vec<String> = names.into_iter().collect();
        (!names.is_empty()).then(|| say(some(&names)))
    };
    let all = [
        named(in_tree, &|kinds| {
            format!("Migrate volumes of the kind {kinds} to a CSI driver: {MIGRATION}, {MIGRATION_ON_AKS}.")
        }),
        named(classless, &|drivers| {
            format!(
                "Give {drivers} a VolumeSnapshotClass (where it can be made up: cofferdam preflight --fix --only P13), or opt in to file copies with fileCopyVolumes: true."
            )
        }),
        named(undecided, &|drivers| {
            format!(
                "Give exactly one class of {drivers} the annotation snapshot.storage.kubernetes.io/is-default-class: \"true\"."
            )
        }),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn has_class(driver: &str, snapshots: &SnapshotApi) -> bool {
    snapshots.classes.iter().any(|class| class.driver == *driver && !class.ours)
}

fn why_unprotected(kind: &VolumeKind, snapshots: &SnapshotApi) -> Option<String> {
    match kind {
        // That is P34's to tell.
        VolumeKind::Unbound => None,
        VolumeKind::InTree(name) => Some(format!("{name} is not a CSI volume")),
        VolumeKind::Csi(driver) => no_class(driver, snapshots),
    }
}

/// Why no class of the driver can be chosen: it has none, or several and not exactly one default.
fn no_class(driver: &str, snapshots: &SnapshotApi) -> Option<String> {
    let classes: Vec<&SnapshotClassFacts> =
        snapshots.classes.iter().filter(|class| class.driver == *driver && !class.ours).collect();
    let defaults = classes.iter().filter(|class| class.default).count();
    match (classes.len(), defaults) {
        (0, _) => Some(format!("no VolumeSnapshotClass for {driver}")),
        (1, _) | (_, 1) => None,
        (many, 0) => Some(format!("none of {many} VolumeSnapshotClasses of {driver} is the default")),
        (_, several) => Some(format!("{several} VolumeSnapshotClasses of {driver} are the default")),
    }
}
