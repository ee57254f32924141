//! P50: nothing stands where volumes are restored to.

use super::{no_target, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P50",
    title: "No claim of the target stands where one is restored to.",
    reason: "A volume that exists is neither overwritten nor patched: it must be deleted first, or the restore goes elsewhere.",
    scope: Scope::Target,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "claims of source and target by name (`--target-kubeconfig`)",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam restore create --from-backup BACKUP --dry-run (it names each conflict)"),
        Fix::kubectl("kubectl delete pvc CLAIM -n NAMESPACE"),
    ],
    tested_by: "unit test; scenarios `preflight_target` and `preflight_cluster` with a claim on both sides",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.target, |target| {
        let Some(target) = target else { return no_target() };
        match target.claims_there.is_empty() {
            true => passed("no claim of the source exists in the target"),
            false => fails(format!("they exist in the target: {}", some(&target.claims_there)))
                .about(&target.claims_there),
        }
    })
}
