//! P36: the namespaces that a configuration names exist.

use super::some;
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P36",
    title: "The namespaces that the backup's configuration names exist.",
    reason: "A namespace that is not there is not backed up, and the backup ends with a warning.",
    scope: Scope::Cluster,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "namespaces of the cluster beside `--include-namespaces` or the instance's",
    code: Some("UserErrorNamespaceNotFound"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::kubectl("kubectl create namespace NAMESPACE"),
        Fix::cofferdam(
            "cofferdam instance update -n {instance} -g {group} --vault-name {vault} --backup-configuration FILE",
        ),
        Fix::az(
            "az dataprotection backup-instance update -n {instance} -g {group} --vault-name {vault} --backup-configuration FILE",
        ),
    ],
    tested_by: "unit test; scenario `preflight_cluster` with a namespace that is not there",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.namespaces, |namespaces| {
        if namespaces.wanted.is_empty() {
            return not_applicable("no configuration names namespaces (--include-namespaces, --instance)");
        }
        match namespaces.absent.is_empty() {
            true => passed(format!("all {} are there", namespaces.wanted.len())),
            false => fails(format!("not there: {}", some(&namespaces.absent))).about(&namespaces.absent),
        }
    })
}
