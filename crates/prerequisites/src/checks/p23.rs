//! P23: the identities of vault, cluster and extension hold their roles.

use super::{ARM_MENDED, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, RoleNeed, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P23",
    title: "The identities of vault and cluster hold their roles.",
    reason: "The vault reads the cluster and the snapshot resource group; the cluster writes snapshots there.",
    scope: Scope::Subscription,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: roleAssignments of each identity at each scope",
    code: Some("UserErrorMissingPermissions"),
    purposes: &[],
    depends_on: &["P14"],
    fixes: &[
        Fix::cofferdam(
            "cofferdam role assignment create --assignee-object-id PRINCIPAL --role ROLE --scope SCOPE",
        ),
        Fix::az(
            "az role assignment create --assignee-object-id PRINCIPAL --assignee-principal-type ServicePrincipal --role ROLE --scope SCOPE",
        ),
    ],
    tested_by: ARM_MENDED,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.roles, |roles| {
            // R4 is P6's, R13 is P3's.
            let asked: Vec<&RoleNeed> =
                roles.iter().filter(|role| !["R4", "R13"].contains(&role.id)).collect();
            let missing: Vec<String> = asked
                .iter()
                .filter(|role| !role.held)
                .map(|role| format!("{} {} of the {} on {}", role.id, role.role, role.identity, role.scope))
                .collect();
            if missing.is_empty() {
                return passed(format!("all {} roles are assigned", asked.len()));
            }
            let by = if facts.names.0.contains_key("azure") { "az" } else { "cofferdam" };
            let commands: Vec<String> = asked
                .iter()
                .filter(|role| !role.held)
                .take(5)
                .map(|role| {
                    format!(
                        "{by} role assignment create --assignee-object-id {} --role \"{}\" --scope {}",
                        role.principal, role.role, role.scope
                    )
                })
                .collect();
            fails(format!("missing: {}", some(&missing))).about(&missing).fix(commands.join("; "))
        })
    })
}
