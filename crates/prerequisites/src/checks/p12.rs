//! P12: the snapshot API is served, and somebody handles it.

use super::{ALWAYS, some};
use crate::verdict::{fails, fails_as, passed, unseen};
use crate::{
    Cause, Check, Facts, Fix, Observed, Profile, Scope, Severity, SnapshotApi, StoppedController, Verdict,
    Weight,
};

const CRDS: &str = "kubectl kustomize https://github.com/kubernetes-csi/external-snapshotter/client/config/crd | kubectl create -f -";
const NEEDED: [&str; 3] = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"];

/// What a backup says of snapshots that stay pending.
const SNAPSHOTS_PENDING: &str = "CSISnapshottingTimedOut";

pub(crate) static CHECK: Check = Check {
    id: "P12",
    title: "The snapshot API is served and somebody handles it.",
    reason: "Volumes are protected by CSI snapshots.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "discovery of snapshot.storage.k8s.io/v1, snapshot-controller, VolumeSnapshotClasses; resource manager: storageProfile",
    code: None,
    causes: &[Cause::new(SNAPSHOTS_PENDING, "the snapshot controller is there and does not run")],
    purposes: ALWAYS,
    depends_on: &["P11"],
    fixes: &[
        Fix::az(
            "az aks update --name {cluster} -g {group} --enable-disk-driver --enable-snapshot-controller",
        ),
        Fix::kubectl(CRDS),
    ],
    tested_by: "unit test; scenario `preflight` with a cluster that has no snapshot API; scenario `preflight_cluster` with a controller that was stopped; test `vault_preflight_fix`",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    match &facts.snapshots {
        Observed::Seen(snapshots) => api(facts, snapshots, profile),
        Observed::NotObservable(why) => switched_off(facts, profile).unwrap_or_else(|| unseen(why)),
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
    if let Some(seen) = &snapshots.controller {
        return passed(format!("the API is served; {seen}"));
    }
    if let Some(stopped) = &snapshots.stopped {
        return idle(stopped);
    }
    if let Some(off) = switched_off(facts, profile) {
        return off;
    }
    let says = facts.arm.seen().and_then(|arm| arm.cluster.seen()).and_then(|it| it.snapshot_controller);
    match (says, profile) {
        (Some(true), Profile::Aks) => {
            passed("the API is served; the cluster's resource says that the snapshot controller is on")
        }
        _ => unseen(
            "the API is served, but no snapshot controller was seen in the cluster; some distributions run it outside. If snapshots stay pending, install that of kubernetes-csi/external-snapshotter",
        ),
    }
}

/// One that is there and does nothing.
fn idle(stopped: &StoppedController) -> Verdict {
    let (name, why, fix) = match stopped {
        StoppedController::Deployment(name) => {
            let (namespace, short) = parts(name);
            let fix = format!(
                "kubectl -n {namespace} scale deployment {short} --replicas=2; then see why its pods do not run: kubectl -n {namespace} get pods"
            );
            (name, format!("its controller {name} has no ready pod"), fix)
        }
        StoppedController::Lease { name, holder } => {
            let (namespace, short) = parts(name);
            let holder = if holder.is_empty() { "it does not say who" } else { holder.as_str() };
            let fix = format!(
                "Start the snapshot controller again where the last holder of its Lease ran: kubectl -n {namespace} get lease {short} -o yaml. If another one without a Lease runs instead: kubectl -n {namespace} delete lease {short}"
            );
            (name, format!("nobody renews the Lease {name} of its controller any more (last: {holder})"), fix)
        }
    };
    fails_as(Severity::Warn, format!("the API is served, but {why}: snapshots stay pending"))
        .about(std::slice::from_ref(name))
        .code(SNAPSHOTS_PENDING)
        .fix(fix)
}

fn parts(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("kube-system", name))
}

/// What the cluster's resource says against it.
fn switched_off(facts: &Facts, profile: Profile) -> Option<Verdict> {
    let cluster = facts.arm.seen()?.cluster.seen()?;
    let off: Vec<String> = cluster.switched_off(profile).into_iter().map(str::to_owned).collect();
    (!off.is_empty()).then(|| {
        fails(format!("the cluster's storageProfile has {} switched off", off.join(" and "))).about(&off)
    })
}
