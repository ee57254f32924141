//! P22: whoever sets backups up holds the roles for it.

use super::{ARM, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P22",
    title: "Whoever sets the backup up holds the roles for it.",
    reason: "Installing the extension, granting Trusted Access and assigning roles take rights on cluster, vault, storage account and snapshot resource group; an owner can grant them beforehand.",
    scope: Scope::Subscription,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: permissions at each scope",
    code: Some("AuthorizationFailed"),
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam(
            "cofferdam role assignment create --assignee-object-id {caller} --role ROLE --scope SCOPE",
        ),
        Fix::az("az role assignment create --assignee {caller} --role ROLE --scope SCOPE"),
    ],
    tested_by: ARM,
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.rights, |rights| {
            let missing: Vec<String> = rights
                .iter()
                .filter(|right| !right.held)
                .map(|right| {
                    format!("{}: {} on {} (role {})", right.id, right.action, right.scope, right.role)
                })
                .collect();
            match missing.is_empty() {
                true => passed(format!("all {} rights are held", rights.len())),
                false => fails(format!("missing: {}", some(&missing)))
                    .about(&missing)
                    .fix(format!("Ask an owner of the scope to assign the role: {}", some(&missing))),
            }
        })
    })
}
