//! P22: whoever sets backups up holds the roles for it.

use super::{ARM, quoted, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, UserRight, Verdict, Weight};
use std::collections::BTreeSet;

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
                false => fails(format!("missing: {}", some(&missing))).about(&missing).fix(format!(
                    "An Owner or User Access Administrator of the scope can grant it: {}",
                    some(&commands(rights.iter().filter(|right| !right.held)))
                )),
            }
        })
    })
}

/// One command for each role on each scope, whatever the number of rights that it gives.
fn commands<'r>(missing: impl Iterator<Item = &'r UserRight>) -> Vec<String> {
    let roles: BTreeSet<(&str, &str)> = missing.map(|right| (right.scope.as_str(), right.role)).collect();
    let command = |(scope, role): (&str, &str)| {
        format!(
            "cofferdam role assignment create --assignee-object-id YOUR_OBJECT_ID --role \"{role}\" --scope {}",
            quoted(scope)
        )
    };
    roles.into_iter().map(command).collect()
}
