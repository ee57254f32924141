//! P41: pod-managed identity leaves the extension alone.

use super::UNITS;
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P41",
    title: "Pod-managed identity makes an exception for the extension's pods.",
    reason: "It answers in the place of the machine's identity service, knows no identity for these pods, and the store stays unavailable.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "AzurePodIdentityExceptions in the extension's namespace",
    code: Some("UserErrorBackupStorageLocationNotReady"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::az(
        "az aks pod-identity exception add --cluster-name {cluster} -g {group} --namespace {namespace} --pod-labels app.kubernetes.io/name=dataprotection-microsoft-kubernetes",
    )],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.pod_identity, |identity| match (identity.installed, identity.excepted) {
        (false, _) => not_applicable("pod-managed identity is not installed"),
        (true, true) => passed("an exception covers the extension's pods"),
        (true, false) => {
            fails("pod-managed identity is installed, and no exception covers the extension's pods")
        }
    })
}
