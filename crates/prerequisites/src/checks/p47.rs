//! P47: the target serves the same resources.

use super::{no_target, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P47",
    title: "The target serves the resources and versions of the source.",
    reason: "Objects of a kind or version that it does not know cannot be created.",
    scope: Scope::Target,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "discovery of source and target (`--target-kubeconfig`)",
    code: Some("UserErrorSourceandTargetClusterCRDVersionMismatch"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::person("Upgrade the target, or install the CustomResourceDefinitions there first.")],
    tested_by: "unit test; scenario `preflight_target` with a target that serves another version",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.target, |target| {
        let Some(target) = target else { return no_target() };
        match target.missing_resources.is_empty() {
            true => passed("the target serves every resource of the source"),
            false => fails(format!("the target does not serve {}", some(&target.missing_resources)))
                .about(&target.missing_resources),
        }
    })
}
