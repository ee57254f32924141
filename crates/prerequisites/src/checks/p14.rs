//! P14: the cluster acts as a managed identity.

use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P14",
    title: "The cluster uses a managed identity, not a service principal.",
    reason: "Roles for snapshots are given to the cluster's identity; clusters with a service principal are not supported.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: identity and servicePrincipalProfile of the cluster",
    code: Some("UserErrorClusterServicePrincipalNotSupported"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam cluster update -n {cluster} -g {group} --enable-managed-identity"),
        Fix::az("az aks update --name {cluster} -g {group} --enable-managed-identity"),
        Fix::person(
            "See https://learn.microsoft.com/azure/aks/use-managed-identity#update-an-existing-aks-cluster-to-use-a-managed-identity",
        ),
    ],
    tested_by: "unit test; test `vault_preflight_fix` against a running vault",
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.cluster, |cluster| {
            let identity = cluster.identity.as_deref().unwrap_or("None");
            let principal = cluster.service_principal.as_deref().unwrap_or("msi");
            let managed = ["SystemAssigned", "UserAssigned"].iter().any(|kind| identity.contains(kind));
            match managed && principal == "msi" {
                true => passed(format!("the cluster's identity is {identity}")),
                false => fails(format!(
                    "the cluster's identity is {identity}, and its service principal is {principal}"
                )),
            }
        })
    })
}
