//! P2: the extension runs in the cluster that is restored into.

use super::{no_target, pods_problem};
use crate::codes;
use crate::verdict::{fails, passed, when_seen};
use crate::{Cause, Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P2",
    title: "The Backup Extension runs in the target cluster too.",
    reason: "A restore is carried out by the extension of the cluster that is restored into.",
    scope: Scope::Target,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "the target's Deployment of the extension (`--target-kubeconfig`)",
    code: Some(codes::EXTENSION_NOT_FOUND),
    causes: &[Cause::new(
        codes::EXTENSION_HAS_ERRORS,
        "it is installed there, and none of its pods is available",
    )],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam install --kubeconfig {target-kubeconfig}"),
        Fix::az(
            "az k8s-extension create --name azure-aks-backup --extension-type microsoft.dataprotection.kubernetes --scope cluster --cluster-type managedClusters --cluster-name {target} --resource-group {target-group} --release-train stable",
        ),
    ],
    tested_by: "unit test; scenarios `preflight_target` and `preflight_cluster` with a target that has none",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.target, |target| match target {
        None => no_target(),
        Some(target) => match &target.extension {
            None => fails("the target has no Backup Extension"),
            Some(pods) if pods.available > 0 => {
                passed(format!("{}: {} pods are available in the target", pods.deployment, pods.available))
            }
            Some(pods) => fails(pods_problem(pods)).code(codes::EXTENSION_HAS_ERRORS),
        },
    })
}
