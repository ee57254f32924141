//! P1: the extension runs in the cluster.

use super::{UNITS, not_installed, pods_problem, some};
use crate::codes;
use crate::verdict::{fails, passed, unseen, when_seen};
use crate::{Cause, Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P1",
    title: "The Backup Extension runs in the cluster.",
    reason: "It reads the cluster's objects and makes its snapshots; without it nothing is backed up.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "the extension's Deployment, its Lease and its pods; with the rules of AKS, resource manager: provisioningState of the extension",
    code: Some(codes::EXTENSION_NOT_FOUND),
    causes: &[
        Cause::new(codes::EXTENSION_HAS_ERRORS, "it is installed, and none of its pods is available"),
        Cause::new(codes::EXTENSION_UNHEALTHY, "it is being installed, changed or deleted"),
    ],
    purposes: &[],
    depends_on: &["P4", "P15", "P20", "P28", "P29"],
    fixes: &[
        Fix::cofferdam("cofferdam install"),
        Fix::az(
            "az k8s-extension create --name azure-aks-backup --extension-type microsoft.dataprotection.kubernetes --scope cluster --cluster-type managedClusters --cluster-name {cluster} --resource-group {group} --release-train stable --configuration-settings blobContainer={container} storageAccount={account} storageAccountResourceGroup={account-group} storageAccountSubscriptionId={subscription}",
        ),
    ],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.extension, |extension| match extension {
        None if profile == Profile::Aks => originals(facts),
        None => not_installed(),
        Some(pods) if pods.available > 0 => {
            let leads = if pods.leads { ", and it renews its lease" } else { "" };
            passed(format!(
                "{}: {} of {} pods are available{leads}",
                pods.deployment, pods.available, pods.wanted
            ))
        }
        Some(pods) => fails(pods_problem(pods))
            .code(codes::EXTENSION_HAS_ERRORS)
            .about(std::slice::from_ref(&pods.deployment))
            .number("wanted", pods.wanted),
    })
}

/// Under the rules of AKS the original's extension will do; the cluster's resource says how it is.
fn originals(facts: &Facts) -> Verdict {
    let installed = facts.arm.seen().and_then(|arm| arm.extension.seen()).and_then(Option::as_ref);
    let deployments = facts.original.seen().map(Vec::as_slice).unwrap_or_default();
    match installed {
        Some(one) if one.state == "Succeeded" => passed(format!("{} is installed", one.name)),
        Some(one) => fails(format!("{} is {}", one.name, one.state)).code(match one.state.as_str() {
            "Failed" | "Canceled" => codes::EXTENSION_HAS_ERRORS,
            _ => codes::EXTENSION_UNHEALTHY,
        }),
        None if deployments.is_empty() => not_installed(),
        None => {
            unseen(format!("{} is there; how it is, the cluster's resource says (--arm)", some(deployments)))
        }
    }
}
