//! P8: what installs extensions runs.

use super::UNITS;
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P8",
    title: "What installs and upgrades extensions runs in kube-system.",
    reason: "The vault asks it to install the extension; on AKS these are the extension agent and operator, here it is cofferdam-agent.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "Deployments cofferdam-agent, extension-agent and extension-operator in kube-system",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam cluster connect -n {cluster} -g {group} --apply"),
        Fix::kubectl("kubectl -n kube-system rollout restart deployment cofferdam-agent"),
    ],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.system, |system| {
        let name = |(name, _): &(String, bool)| name.clone();
        let (ready, not): (Vec<_>, Vec<_>) = system.deployments.iter().partition(|(_, ready)| *ready);
        let (ready, not): (Vec<String>, Vec<String>) =
            (ready.into_iter().map(name).collect(), not.into_iter().map(name).collect());
        match (ready.is_empty(), not.is_empty()) {
            (true, true) => not_applicable(
                "no vault manages extensions here; cofferdam install puts the extension into the cluster itself",
            ),
            (_, true) => passed(format!("{} run", ready.join(", "))),
            _ => fails(format!("{} have no ready pod", not.join(", "))).about(&not),
        }
    })
}
