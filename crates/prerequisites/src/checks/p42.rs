//! P42: names of the extension's control plane lead where they should.

use super::{IN_CLUSTER, unseen_in_cluster};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

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
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::kubectl(
        "kubectl -n kube-system edit configmap coredns-custom (forward dp.kubernetesconfiguration.azure.com to a public resolver); kubectl -n kube-system rollout restart deployment coredns",
    )],
    tested_by: "unit test: it is never passed without an in-cluster probe",
    only_azure: true,
    rule: judge,
};

fn judge(_: &Facts, _: Profile) -> Verdict {
    unseen_in_cluster("what the cluster's DNS answers")
}
