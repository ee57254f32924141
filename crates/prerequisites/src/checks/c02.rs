//! C2: the original's own extension is not installed.

use super::some;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Purpose, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "C2",
    title: "The extension of AKS backup itself is not installed.",
    reason: "It uses the same custom resources and the same namespace: two controllers would act on one Backup.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::NotApplicable("under the rules of AKS backup it is what shall be there"),
    observed_by: "Deployments with the original's label that are not Cofferdam's",
    code: None,
    causes: &[],
    purposes: &[Purpose::Install],
    depends_on: &[],
    fixes: &[
        Fix::az(
            "az k8s-extension delete --name azure-aks-backup --cluster-name {cluster} -g {group} --cluster-type managedClusters",
        ),
        Fix::kubectl(
            "kubectl get deployment -A -l app.kubernetes.io/name=dataprotection-microsoft-kubernetes",
        ),
        Fix::kubectl("kubectl delete deployment NAME -n NAMESPACE # if only this is left of the extension"),
    ],
    tested_by: "unit test; scenario `preflight_cluster` with a Deployment like the original's",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.original, |found| match found.is_empty() {
        true => passed("it is not there"),
        false => fails(format!("it is there: {}", some(found))).about(found),
    })
}
