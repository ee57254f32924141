//! P13: every claim's volume can be snapshotted.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{
    Check, ClusterVolume, Facts, Fix, Profile, Scope, SnapshotApi, SnapshotClassFacts, Verdict, VolumeKind,
    Weight,
};

pub(crate) static CHECK: Check = Check {
    id: "P13",
    title: "Every claim's volume belongs to a CSI driver that can make snapshots.",
    reason: "Other volumes are not protected; they are named in each backup.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "claims, volumes and snapshot classes",
    code: None,
    purposes: NOT_RESTORE,
    depends_on: &["P12"],
    fixes: &[
        Fix::cofferdam("cofferdam backup create --file-copy-volumes"),
        Fix::person(
            "Migrate in-tree volumes to CSI: https://learn.microsoft.com/azure/aks/csi-migrate-in-tree-volumes",
        ),
    ],
    tested_by: "unit test; scenario `preflight` with hostPath and strange volumes; scenario `preflight_fix`",
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
    let unprotected: Vec<String> = bound
        .iter()
        .filter_map(|volume| {
            why_unprotected(&volume.kind, snapshots).map(|why| format!("{} ({why})", volume.claim))
        })
        .collect();
    if unprotected.is_empty() {
        return passed(match bound.len() {
            0 => "there are no claims with a volume".to_owned(),
            1 => "1 claim, of a driver with a snapshot class".to_owned(),
            many => format!("{many} claims, all of drivers with a snapshot class"),
        });
    }
    fails(format!("{} of {} claims are not protected: {}", unprotected.len(), bound.len(), some(&unprotected)))
        .about(&unprotected)
        .number("claims", bound.len() as u64)
        .fix("Migrate in-tree volumes to CSI; give the driver a VolumeSnapshotClass, and one of several the annotation snapshot.storage.kubernetes.io/is-default-class: \"true\"; or opt in to file copies with fileCopyVolumes: true.")
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
