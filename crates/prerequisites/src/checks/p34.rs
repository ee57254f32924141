//! P34: claims are bound.

use super::{NOT_RESTORE, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Cause, Check, ClusterVolume, Facts, Fix, Profile, Scope, Verdict, Weight};

/// What a backup says of a claim that has lost its volume.
const LOST: &str = "UserErrorPVCHasNoVolume";

pub(crate) static CHECK: Check = Check {
    id: "P34",
    title: "Every claim is bound to a volume.",
    reason: "A claim that waits for its volume, or has lost it, is backed up without data.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "the phase of claims",
    code: Some("UserErrorPVCNotBoundToVolume"),
    causes: &[Cause::new(LOST, "every claim that is named has lost its volume")],
    purposes: NOT_RESTORE,
    depends_on: &["P35"],
    fixes: &[
        Fix::kubectl("kubectl describe pvc CLAIM -n NAMESPACE"),
        Fix::person(
            "A claim that waits needs what its events name: a volume that fits, or a driver that makes one.",
        ),
        Fix::person(
            "A claim that is Lost gets its volume back from nobody: delete it, and restore it from a recovery point.",
        ),
    ],
    tested_by: "unit test; scenario `preflight_cluster` with a claim that waits; scenario `preflight_room` with one that has lost its volume",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.volumes, |volumes| {
        let unbound: Vec<&ClusterVolume> = volumes
            .iter()
            .filter(|volume| volume.phase != "Bound")
            // That is P35's to tell.
            .filter(|volume| volume.class.as_ref().is_none_or(|(_, exists)| *exists))
            .collect();
        let waiting: Vec<String> =
            unbound.iter().map(|volume| format!("{} ({})", volume.claim, volume.phase)).collect();
        let lost = unbound.iter().all(|volume| volume.phase == "Lost").then_some(LOST);
        match waiting.is_empty() {
            true => passed(format!("{} claims, none waits", volumes.len())),
            false => fails(format!("not bound: {}", some(&waiting)))
                .about(&waiting)
                .number("claims", volumes.len() as u64)
                .code(lost),
        }
    })
}
