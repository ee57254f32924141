//! P18: no snapshot class carries Velero's label.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P18",
    title: "No VolumeSnapshotClass carries Velero's label.",
    reason: "On AKS it changes which class takes the snapshots; here it changes nothing.",
    scope: Scope::Cluster,
    cofferdam: Weight::Informs,
    aks: Weight::Warns,
    observed_by: "labels of VolumeSnapshotClasses",
    code: None,
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &["P12"],
    fixes: &[Fix::kubectl("kubectl label volumesnapshotclass --all velero.io/csi-volumesnapshot-class-")],
    tested_by: "unit test; scenarios `preflight` and `preflight_others` with a labelled class; scenario `preflight_fix`",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.snapshots, |snapshots| {
        let marked: Vec<String> =
            snapshots.classes.iter().filter(|c| c.velero && !c.ours).map(|c| c.name.clone()).collect();
        if marked.is_empty() {
            return passed("no snapshot class carries the label");
        }
        fails(format!("labelled: {}", some(&marked))).about(&marked).fix(format!(
            "kubectl label volumesnapshotclass {} velero.io/csi-volumesnapshot-class-",
            marked.join(" ")
        ))
    })
}
