//! P42: names of the extension's control plane lead where they should.

use super::{IN_CLUSTER, unseen_in_cluster};
use crate::verdict::{fails, passed, unseen};
use crate::{Check, EndpointKind, Facts, Fix, Observed, Profile, Reached, Scope, Trouble, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P42",
    title: "No private DNS zone captures the extension's control plane.",
    reason: "A private endpoint of Azure Arc in the same network makes *.dp.kubernetesconfiguration.azure.com lead to the wrong place.",
    scope: Scope::Cluster,
    cofferdam: Weight::NotApplicable(
        "Cofferdam has no such control plane; its own names are looked up for P16",
    ),
    aks: Weight::Warns,
    observed_by: IN_CLUSTER,
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &["P15"],
    fixes: &[Fix::kubectl(
        "kubectl -n kube-system edit configmap coredns-custom (forward dp.kubernetesconfiguration.azure.com to a public resolver); kubectl -n kube-system rollout restart deployment coredns",
    )],
    tested_by: "unit tests alone, with private, public and missing answers",
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    let reached = match &facts.egress {
        Observed::NotObservable(why) => return unseen(why),
        Observed::Seen(None) => return unseen_in_cluster("what the cluster's DNS answers"),
        Observed::Seen(Some(reached)) => reached,
    };
    match reached.iter().find(|one| one.endpoint.kind == EndpointKind::ControlPlane) {
        Some(one) => answered(one),
        None => unseen(
            "no concrete name is known: the resource manager says the region of the cluster (--arm, --cluster-id)",
        ),
    }
}

fn answered(one: &Reached) -> Verdict {
    let host = one.endpoint.host.as_str();
    let shown: Vec<String> = one.sight.addresses.iter().map(ToString::to_string).collect();
    match &one.sight.failed {
        // A zone that captures the domain and lacks the name answers so.
        Some((_, trouble @ (Trouble::NameNotKnown | Trouble::WrongAddress))) => {
            fails(format!("{host}: {trouble}")).at(host)
        }
        Some((_, trouble)) => unseen(format!("{host}: {trouble}")),
        None if one.sight.is_private() => fails(format!(
            "{host} leads to {}, a private address: a private DNS zone answers",
            shown.join(", ")
        ))
        .at(host),
        None => passed(format!("{host} leads to {}", shown.join(", "))),
    }
}
