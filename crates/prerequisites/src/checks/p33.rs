//! P33: volumes have a StorageClass.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, VolumeKind, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P33",
    title: "Every volume names a StorageClass.",
    reason: "The original skips static volumes without one; Cofferdam takes the class of the snapshot by the driver.",
    scope: Scope::Cluster,
    cofferdam: Weight::Informs,
    aks: Weight::Warns,
    observed_by: "claims and volumes",
    code: None,
    causes: &[],
    purposes: NOT_RESTORE,
    depends_on: &[],
    fixes: &[Fix::kubectl(
        "kubectl patch pv VOLUME --type=merge -p '{\"spec\":{\"storageClassName\":\"CLASS\"}}'",
    )],
    tested_by: "unit test; scenario `preflight_cluster` with a static volume without one",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        let without: Vec<String> = volumes
            .iter()
            .filter(|volume| volume.kind != VolumeKind::Unbound && volume.class.is_none())
            .map(|volume| volume.claim.clone())
            .collect();
        match without.is_empty() {
            true => passed(format!("{} claims, all with a class", volumes.len())),
            false => fails(format!("without a class: {}", some(&without))).about(&without),
        }
    })
}
