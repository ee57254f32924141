//! P40: the cluster is not isolated from the network.

use super::UNITS;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P40",
    title: "The cluster is not network isolated.",
    reason: "The original does not support clusters without a way out; Cofferdam needs its own registry, vault and store only.",
    scope: Scope::Cluster,
    cofferdam: Weight::NotApplicable(
        "Cofferdam needs only its own registry, vault and store, which P16 looks for",
    ),
    aks: Weight::Blocks,
    observed_by: "resource manager: outboundType and artifactSource of the cluster",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az("az aks update --name {cluster} -g {group} --outbound-type loadBalancer")],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.cluster, |cluster| {
            let outbound = cluster.outbound.as_deref().unwrap_or("loadBalancer");
            let artifacts = cluster.artifacts.as_deref().unwrap_or("Direct");
            match ["none", "block"].contains(&outbound) || artifacts == "Cache" {
                true => fails(format!("outboundType is {outbound}, artifactSource is {artifacts}")),
                false => passed(format!("outboundType is {outbound}")),
            }
        })
    })
}
