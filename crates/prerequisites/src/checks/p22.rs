//! P22: whoever sets backups up holds the roles for it.

use super::{quoted, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Cause, Check, Facts, Fix, Profile, Scope, UserRight, Verdict, Weight};
use std::collections::BTreeSet;

const READ_CLUSTER: &str = "Microsoft.ContainerService/managedClusters/read";
/// What a restore says to somebody who may not see the cluster.
const LINKED: &str = "LinkedAuthorizationFailed";

pub(crate) static CHECK: Check = Check {
    id: "P22",
    title: "Whoever sets the backup up holds the roles for it.",
    reason: "Installing the extension, granting Trusted Access and assigning roles take rights on cluster, vault, storage account and snapshot resource group; an owner can grant them beforehand.",
    scope: Scope::Subscription,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: permissions at each scope",
    code: Some("AuthorizationFailed"),
    causes: &[Cause::new(LINKED, "what is missing is to read the cluster that is, or was, backed up")],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam(
            "cofferdam role assignment create --assignee-object-id {caller} --role ROLE --scope SCOPE",
        ),
        Fix::az("az role assignment create --assignee {caller} --role ROLE --scope SCOPE"),
    ],
    tested_by: "unit test; test `vault_preflight` against a running vault",
    only_azure: true,
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
            let mut lacking = rights.iter().filter(|right| !right.held);
            let linked = lacking.all(|right| right.action == READ_CLUSTER).then_some(LINKED);
            match missing.is_empty() {
                true => passed(format!("all {} rights are held", rights.len())),
                false => {
                    fails(format!("missing: {}", some(&missing))).about(&missing).code(linked).fix(format!(
                        "An Owner or User Access Administrator of the scope can grant it: {}",
                        some(&commands(rights.iter().filter(|right| !right.held)))
                    ))
                }
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
