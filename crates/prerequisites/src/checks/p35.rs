//! P35: the StorageClasses that claims name exist.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P35",
    title: "Every StorageClass that a claim without a volume names exists.",
    reason: "Without it no volume is made, now or at a restore.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "claims and StorageClasses",
    code: Some("UserErrorStorageClassMissingForPVC"),
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &[],
    fixes: &[Fix::kubectl("kubectl get storageclass; then create the missing one or correct the claim")],
    tested_by: "unit test; scenario `preflight_cluster` with a claim of a class that is not there",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        // A bound claim may name any class: that is how static volumes are matched. AKS wants it there all the same.
        let missing: Vec<String> = volumes
            .iter()
            .filter(|volume| volume.phase != "Bound" || profile == Profile::Aks)
            .filter_map(|volume| {
                let (class, exists) = volume.class.as_ref()?;
                (!exists).then(|| format!("{} ({class})", volume.claim))
            })
            .collect();
        match missing.is_empty() {
            true => passed("every class is there"),
            false => fails(format!("the class does not exist: {}", some(&missing))).about(&missing),
        }
    })
}
