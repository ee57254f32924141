//! P29: taints leave a node for the extension.

use super::some;
use crate::verdict::{fails, fails_as, passed, when_seen};
use crate::{Check, Facts, Fix, Node, Profile, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P29",
    title: "At least one node has no taint that keeps the extension's pod away.",
    reason: "The pod tolerates CriticalAddonsOnly and nothing else.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "taints of nodes, tolerations of the extension's pod",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P28"],
    fixes: &[
        Fix::kubectl("kubectl taint nodes NODE TAINT-"),
        Fix::az("az aks nodepool add --cluster-name {cluster} -g {group} -n backup --node-count 1"),
    ],
    tested_by: "unit test; scenario `preflight_room` with a taint on every node",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.nodes, |nodes| {
        // A node that takes no pods helps nobody, whatever its taints; that none takes any is P28's to tell.
        let open: Vec<&Node> = nodes.open().collect();
        if !nodes.all_tainted() {
            let free = open.iter().filter(|node| node.not_tolerated.is_empty()).count();
            return passed(format!("{free} of {} Linux nodes that take pods have no such taint", open.len()));
        }
        let tainted: Vec<String> =
            open.iter().map(|node| format!("{} ({})", node.name, node.not_tolerated.join(", "))).collect();
        let said = format!("every node keeps it away: {}", some(&tainted));
        match facts.extension.seen() {
            Some(Some(pods)) if pods.available > 0 => fails_as(
                Severity::Warn,
                format!("{said}; {} runs, and once it ends it finds no node again", pods.deployment),
            ),
            _ => fails(said),
        }
        .about(&tainted)
    })
}
