//! P4: the extension's rights cover the whole cluster.

use super::{ALWAYS, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight, Whose};

pub(crate) static CHECK: Check = Check {
    id: "P4",
    title: "The extension's rights cover the whole cluster.",
    reason: "It reads every object for a backup and creates objects in every namespace for a restore.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "SelfSubjectAccessReview or SubjectAccessReview for each right",
    code: None,
    causes: &[],
    purposes: ALWAYS,
    depends_on: &[],
    fixes: &[Fix::cofferdam("cofferdam install")],
    tested_by: "unit test; scenarios `preflight` and `preflight_cluster` with people who have no rights",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.rights, |rights| {
        let (who, fix) = match &rights.whose {
            Whose::Extension(user) => (user, "cofferdam install".to_owned()),
            Whose::Asking(user) => (user, grant(user)),
        };
        if rights.missing.is_empty() {
            return passed(format!("{who} holds every right that the extension needs"));
        }
        fails(format!("{who} lacks: {}", some(&rights.missing))).about(&rights.missing).fix(fix)
    })
}

/// Only somebody who holds a right can grant it.
fn grant(user: &str) -> String {
    let subject = match user.strip_prefix("system:serviceaccount:") {
        Some(account) => format!("--serviceaccount={account}"),
        None => format!("--user={user}"),
    };
    format!(
        "Have a cluster administrator run cofferdam install, or: kubectl create clusterrolebinding cofferdam-installer --clusterrole=cluster-admin {subject}"
    )
}
