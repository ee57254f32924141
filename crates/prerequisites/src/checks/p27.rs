//! P27: the cluster's version is a supported one.

use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

use super::{UNITS, some};

/// How many minor versions a kubelet may be older than its API server.
const SKEW: u32 = 3;

pub(crate) static CHECK: Check = Check {
    id: "P27",
    title: "Nodes run a version that their API server supports.",
    reason: "A kubelet outside of the supported skew mounts volumes wrongly. Which versions AKS supports today only Azure says.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "/version, the kubelet's version of each node",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P11"],
    fixes: &[
        Fix::az("az aks upgrade --name {cluster} -g {group} --kubernetes-version VERSION"),
        Fix::person("Upgrade the nodes to the version of the API server."),
    ],
    tested_by: UNITS,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.cluster, |cluster| {
        when_seen(&facts.nodes, |nodes| {
            let (major, minor, _) = cluster.version;
            let outside: Vec<String> = nodes
                .all
                .iter()
                .filter(|node| {
                    let (theirs, kubelet, _) = node.kubelet;
                    theirs != major || kubelet > minor || kubelet.saturating_add(SKEW) < minor
                })
                .map(|node| format!("{} ({}.{})", node.name, node.kubelet.0, node.kubelet.1))
                .collect();
            match outside.is_empty() {
                true => passed(format!("{}, {} nodes within its skew", cluster.git_version, nodes.all.len())),
                false => {
                    fails(format!("{}, and outside of its skew: {}", cluster.git_version, some(&outside)))
                        .about(&outside)
                }
            }
        })
    })
}
