//! P28: a node of the right kind has room for the extension.

use super::some;
use crate::verdict::{fails, fails_as, passed, unseen, when_seen};
use crate::{Check, Facts, Fix, Node, Profile, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P28",
    title: "A Linux node (x86-64) has room for the extension's pod.",
    reason: "Without one the pod waits for ever, and the installation with it.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "nodes, and what the pods on them ask for",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::az("az aks nodepool scale --cluster-name {cluster} -g {group} -n POOL --node-count COUNT"),
        Fix::cofferdam(
            "cofferdam install --set resources.requests.cpu=100m --set resources.requests.memory=128Mi",
        ),
        Fix::kubectl("kubectl uncordon NODE"),
    ],
    tested_by: "unit test; scenario `preflight_room` with a node whose processors are all asked for",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    when_seen(&facts.nodes, |nodes| {
        // One that runs has found its room.
        if let Some(Some(pods)) = facts.extension.seen()
            && pods.available > 0
        {
            return passed(format!("{} runs", pods.deployment));
        }
        let linux: Vec<&Node> = nodes.all.iter().filter(|node| node.os == "linux").collect();
        if linux.is_empty() {
            return fails(format!("none of {} nodes runs Linux", nodes.all.len()));
        }
        let fit: Vec<&Node> = linux
            .iter()
            .copied()
            .filter(|node| node.arch == "amd64" || profile == Profile::Cofferdam)
            .collect();
        if fit.is_empty() {
            return fails(format!("none of {} Linux nodes is amd64", linux.len()));
        }
        let open: Vec<&Node> = fit.iter().copied().filter(|node| node.takes_pods).collect();
        if open.is_empty() {
            let names = names_of(&fit);
            return fails(format!("no node is ready and takes pods: {}", some(&names))).about(&names);
        }
        if open.iter().any(|node| node.free_cpu.is_none()) {
            return unseen(format!(
                "{} Linux nodes take pods; how much of them is free could not be seen: pods could not be listed",
                open.len()
            ));
        }
        // Room on a node whose taints keep the pod away is none. Where every node does that, P29 tells it.
        let untainted: Vec<&Node> =
            open.iter().copied().filter(|node| node.not_tolerated.is_empty()).collect();
        let beside = open.len().saturating_sub(untainted.len());
        let (open, beside) = if untainted.is_empty() { (open, 0) } else { (untainted, beside) };
        let room = |node: &&&Node| {
            node.free_cpu.unwrap_or_default() >= nodes.wanted_cpu
                && node.free_memory.unwrap_or_default() >= nodes.wanted_memory
                && node.free_pods.unwrap_or_default() > 0
        };
        let most_cpu = open.iter().filter_map(|node| node.free_cpu).max().unwrap_or_default();
        let most_memory = open.iter().filter_map(|node| node.free_memory).max().unwrap_or_default();
        let asks = format!("{} m CPU and {} MiB", nodes.wanted_cpu, nodes.wanted_memory >> 20);
        let verdict = match open.iter().filter(room).count() {
            0 => {
                let most_pods = open.iter().filter_map(|node| node.free_pods).max().unwrap_or_default();
                let others = match beside {
                    0 => String::new(),
                    many => format!("; taints keep it from {many} others"),
                };
                fails(match most_pods {
                    0 => format!("no node takes one more pod: {}{others}", some(&names_of(&open))),
                    _ => format!(
                        "the pod asks for {asks}; the most that a node has free is {most_cpu} m CPU and {} MiB{others}",
                        most_memory >> 20
                    ),
                })
                .about(&names_of(&open))
            }
            count if fit.iter().all(|node| node.arch != "amd64") => fails_as(
                Severity::Warn,
                format!(
                    "{count} nodes have {asks} free, none of them is amd64; the image must be built for theirs"
                ),
            ),
            count => passed(format!("{count} of {} Linux nodes have {asks} free", linux.len())),
        };
        verdict
            .number("wantedMilliCpu", nodes.wanted_cpu)
            .number("wantedMemory", nodes.wanted_memory)
            .number("freeMilliCpu", most_cpu)
            .number("freeMemory", most_memory)
    })
}

fn names_of(nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|node| node.name.clone()).collect()
}
