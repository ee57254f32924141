//! P19: no object carries Velero's labels or annotations.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P19",
    title: "No object carries velero.io labels or annotations.",
    reason: "Only exclude-from-backup is obeyed; whoever set others expects more than will happen.",
    scope: Scope::Cluster,
    cofferdam: Weight::Informs,
    aks: Weight::Warns,
    observed_by: "metadata of namespaces, claims, volumes, pods, workloads and services",
    code: None,
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &[],
    fixes: &[Fix::kubectl("kubectl annotate KIND NAME -n NAMESPACE ANNOTATION-")],
    tested_by: "unit test; scenarios `preflight` and `preflight_others` with annotated objects; scenario `preflight_fix`; scenario `preflight_velero` with what a real one writes",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.marks, |marks| {
        if marks.count == 0 {
            return passed(
                "none on namespaces, claims, volumes, pods, services, deployments, stateful sets and daemon sets",
            );
        }
        fails(format!("{} objects carry them: {}", marks.count, some(&marks.names)))
            .about(&marks.names)
            .number("objects", marks.count)
            .fix("Remove the labels and annotations, or accept that they change nothing here.")
    })
}
