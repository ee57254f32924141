//! P32: nothing locks the snapshot resource group.

use super::{on_azure, some};
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P32",
    title: "The snapshot resource group has no lock.",
    reason: "A lock forbids to make snapshots, or to delete expired ones.",
    scope: Scope::Subscription,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: locks of the snapshot resource group",
    code: Some("UserErrorSnapshotResourceGroupHasLocks"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::az("az lock delete --ids LOCK"),
        Fix::person("Or choose another snapshot resource group for the instance."),
    ],
    tested_by: "unit test; test `vault_preflight` against a running vault",
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, profile: Profile) -> Verdict {
    if profile == Profile::Cofferdam && on_azure(facts) == Some(false) {
        return not_applicable(
            "no volume of this cluster lies on Azure, so no snapshot goes into a resource group",
        );
    }
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.locks, |locks| match locks.is_empty() {
            true => passed("there is no lock"),
            false => fails(format!("locked: {}", some(locks))).about(locks),
        })
    })
}
