//! Snapshots and volume kinds.

use super::some;
use crate::catalogue::{Verdict, failed, passed, when_seen};
use crate::{ClusterVolume, Facts, Profile, Severity, SnapshotApi, SnapshotClassFacts, VolumeKind};

const SNAPSHOT_FIX: &str = "Install the snapshot CRDs and the snapshot controller: kubectl kustomize https://github.com/kubernetes-csi/external-snapshotter/client/config/crd | kubectl create -f - (controller: deploy/kubernetes/snapshot-controller of the same repository); on AKS: az aks update --enable-snapshot-controller";
const NEEDED: [&str; 3] = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"];

pub(crate) fn snapshot_api(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.snapshots, |snapshots| {
        let absent: Vec<String> = NEEDED
            .iter()
            .filter(|name| !snapshots.served.iter().any(|s| s == *name))
            .map(|n| (*n).to_owned())
            .collect();
        if !absent.is_empty() {
            return failed(
                Severity::Block,
                format!("snapshot.storage.k8s.io/v1 does not serve {}", some(&absent)),
                SNAPSHOT_FIX,
            );
        }
        match &snapshots.controller {
            Some(seen) => passed(format!("the API is served; {seen}")),
            None => failed(
                Severity::Warn,
                "the API is served, but no snapshot controller was seen in the cluster; some distributions run it outside",
                "If snapshots stay pending, install the snapshot controller of kubernetes-csi/external-snapshotter.",
            ),
        }
    })
}

pub(crate) fn kinds(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        when_seen(&facts.snapshots, |snapshots| protected(volumes, snapshots))
    })
}

fn protected(volumes: &[ClusterVolume], snapshots: &SnapshotApi) -> Verdict {
    let unprotected: Vec<String> = volumes
        .iter()
        .filter_map(|volume| {
            why_unprotected(&volume.kind, snapshots).map(|why| format!("{} ({why})", volume.claim))
        })
        .collect();
    if unprotected.is_empty() {
        return passed(match volumes.len() {
            0 => "there are no claims".to_owned(),
            1 => "1 claim, of a driver with a snapshot class".to_owned(),
            many => format!("{many} claims, all of drivers with a snapshot class"),
        });
    }
    failed(
        Severity::Warn,
        format!(
            "{} of {} claims are not protected: {}",
            unprotected.len(),
            volumes.len(),
            some(&unprotected)
        ),
        "Migrate in-tree volumes to CSI; give the driver a VolumeSnapshotClass, and one of several the annotation snapshot.storage.kubernetes.io/is-default-class: \"true\"; or opt in to file copies with fileCopyVolumes: true.",
    )
}

fn why_unprotected(kind: &VolumeKind, snapshots: &SnapshotApi) -> Option<String> {
    match kind {
        VolumeKind::Unbound => Some("no volume yet".to_owned()),
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
