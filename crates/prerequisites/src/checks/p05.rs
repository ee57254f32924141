//! P5: the extension has an identity.

use super::{UNITS, no_extension};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P5",
    title: "The extension has an identity of its own.",
    reason: "With it the extension reaches the storage account; roles are given to it.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: aksAssignedIdentity of the extension",
    code: Some("UserErrorKubernetesBackupExtensionIdentityNotFound"),
    causes: &[],
    purposes: &[],
    depends_on: &["P7"],
    fixes: &[
        Fix::cofferdam(
            "cofferdam k8s-extension delete -n {extension} --cluster-name {cluster} -g {group} --cluster-type managedClusters, then create it again: that makes a new identity",
        ),
        Fix::az(
            "az k8s-extension delete --name {extension} --cluster-name {cluster} -g {group} --cluster-type managedClusters, then create it again: that makes a new identity",
        ),
    ],
    tested_by: UNITS,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.extension, |extension| match extension {
            None => no_extension(),
            Some(extension) => match extension.principal.as_deref().filter(|id| !id.is_empty()) {
                Some(principal) => passed(format!("{} acts as {principal}", extension.name)),
                None => fails(format!("{} has no identity (aksAssignedIdentity)", extension.name)),
            },
        })
    })
}
