//! P12: the snapshot API is served, and somebody handles it.

use super::{ALWAYS, some};
use crate::verdict::{fails, fails_as, passed, unseen};
use crate::{Check, Facts, Fix, Observed, Profile, Scope, Severity, SnapshotApi, Verdict, Weight};

const CRDS: &str = "kubectl kustomize https://github.com/kubernetes-csi/external-snapshotter/client/config/crd | kubectl create -f -";
const NEEDED: [&str; 3] = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"];

pub(crate) static CHECK: Check = Check {
    id: "P12",
    title: "The snapshot API is served and somebody handles it.",
    reason: "Volumes are protected by CSI snapshots.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "discovery of snapshot.storage.k8s.io/v1, snapshot-controller, VolumeSnapshotClasses; resource manager: storageProfile",
    code: None,
    purposes: ALWAYS,
    depends_on: &["P11"],
    fixes: &[
        Fix::az(
            "az aks update --name {cluster} -g {group} --enable-disk-driver --enable-snapshot-controller",
        ),
        Fix::kubectl(CRDS),
    ],
    tested_by: "unit test; scenario `preflight` with a cluster that has no snapshot API",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    match &facts.snapshots {
        Observed::Seen(snapshots) => api(facts, snapshots, profile),
        Observed::NotObservable(why) => switched_off(facts).unwrap_or_else(|| unseen(why)),
    }
}

fn api(facts: &Facts, snapshots: &SnapshotApi, profile: Profile) -> Verdict {
    let absent: Vec<String> = NEEDED
        .iter()
        .filter(|name| !snapshots.served.iter().any(|s| s == *name))
        .map(|n| (*n).to_owned())
        .collect();
    if !absent.is_empty() {
        return fails(format!("snapshot.storage.k8s.io/v1 does not serve {}", some(&absent))).about(&absent).fix(
            format!("Install the snapshot CRDs and the snapshot controller: {CRDS} (controller: deploy/kubernetes/snapshot-controller of the same repository); on AKS: az aks update --enable-snapshot-controller"),
        );
    }
    match (&snapshots.controller, profile) {
        (Some(seen), _) => passed(format!("the API is served; {seen}")),
        (None, Profile::Aks) if switched_off(facts).is_none() && facts.arm.seen().is_some_and(|arm| arm.cluster.seen().is_some()) => {
            passed("the API is served; the cluster's resource says that the snapshot controller is on")
        }
        (None, _) => switched_off(facts).unwrap_or_else(|| {
            fails_as(
                Severity::Warn,
                "the API is served, but no snapshot controller was seen in the cluster; some distributions run it outside",
            )
            .fix("If snapshots stay pending, install the snapshot controller of kubernetes-csi/external-snapshotter.")
        }),
    }
}

/// What the cluster's resource says against it.
fn switched_off(facts: &Facts) -> Option<Verdict> {
    let cluster = facts.arm.seen()?.cluster.seen()?;
    let off: Vec<String> =
        [("diskCSIDriver", cluster.disk_driver), ("snapshotController", cluster.snapshot_controller)]
            .into_iter()
            .filter(|(_, on)| *on == Some(false))
            .map(|(name, _)| name.to_owned())
            .collect();
    (!off.is_empty()).then(|| {
        fails(format!("the cluster's storageProfile has {} switched off", off.join(" and "))).about(&off)
    })
}
