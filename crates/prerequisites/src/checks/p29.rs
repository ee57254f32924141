//! P29: taints leave a node for the extension.

use super::some;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Node, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P29",
    title: "At least one node has no taint that keeps the extension's pod away.",
    reason: "The pod tolerates CriticalAddonsOnly and nothing else.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "taints of nodes, tolerations of the extension's pod",
    code: None,
    purposes: &[],
    depends_on: &["P28"],
    fixes: &[
        Fix::kubectl("kubectl taint nodes NODE TAINT-"),
        Fix::az("az aks nodepool add --cluster-name {cluster} -g {group} -n backup --node-count 1"),
    ],
    tested_by: "unit test; scenario `preflight` on a healthy cluster",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.nodes, |nodes| {
        let linux: Vec<&Node> = nodes.all.iter().filter(|node| node.os == "linux").collect();
        let free = linux.iter().filter(|node| node.not_tolerated.is_empty()).count();
        if free > 0 {
            return passed(format!("{free} of {} Linux nodes have no such taint", linux.len()));
        }
        let tainted: Vec<String> =
            linux.iter().map(|node| format!("{} ({})", node.name, node.not_tolerated.join(", "))).collect();
        fails(format!("every node keeps it away: {}", some(&tainted))).about(&tainted)
    })
}
