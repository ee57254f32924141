//! P51: the hooks that a configuration names exist.

use super::some;
use crate::verdict::{fails, not_applicable, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P51",
    title: "The hooks that the configuration names exist in the cluster.",
    reason: "A backup that cannot read its hooks does not start.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "BackupHook resources beside `--backup-hook` or the instance's",
    code: Some("UserErrorHookNotFound"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::kubectl("kubectl apply -f HOOK.yaml")],
    tested_by: "unit test; scenario `preflight_cluster` with a hook that is not there",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.hooks, |hooks| {
        if hooks.is_empty() {
            return not_applicable("no configuration names hooks (--backup-hook, --instance)");
        }
        let absent: Vec<String> =
            hooks.iter().filter(|hook| !hook.exists).map(|hook| hook.name.clone()).collect();
        match absent.is_empty() {
            true => passed(format!("all {} are there", hooks.len())),
            false => fails(format!("not there: {}", some(&absent))).about(&absent),
        }
    })
}
