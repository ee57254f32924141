//! P20: admission lets the extension's pods pass.

use super::ALWAYS;
use crate::refused::refuser;
use crate::verdict::{fails, passed, unseen, when_seen};
use crate::{Check, DryRun, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P20",
    title: "No admission policy rejects the extension's pods.",
    reason: "A rejected pod makes the installation hang.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "a server-side dry run of the pod, policy engines, pod security labels",
    code: None,
    purposes: ALWAYS,
    depends_on: &["P4"],
    fixes: &[
        Fix::kubectl("kubectl get validatingadmissionpolicies,validatingwebhookconfigurations"),
        Fix::az(
            "az policy assignment update --name ASSIGNMENT --params '{\"excludedNamespaces\": {\"value\": [\"{namespace}\"]}}'",
        ),
    ],
    tested_by: "unit test; scenarios `preflight` and `preflight_others` with a ValidatingAdmissionPolicy and pod security; scenario `preflight_fix`",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.policies, |policies| {
        let engines = policies
            .engines
            .iter()
            .map(|(name, rules)| format!("{name} ({rules} rules)"))
            .chain(policies.unlisted.iter().map(|name| format!("{name} (not listed: no right)")))
            .collect::<Vec<_>>()
            .join(", ");
        let engines = if engines.is_empty() { "no policy engine".to_owned() } else { engines };
        let namespace = facts
            .cluster
            .seen()
            .map_or_else(|| "the extension's namespace".to_owned(), |c| c.extension_namespace.clone());
        match &policies.dry_run {
            DryRun::Admitted => passed(format!("a dry run of the pod was admitted; {engines}")),
            DryRun::Rejected(reason) => rejected(reason, &engines, &namespace),
            DryRun::NotPossible(why) => unseen(format!("no dry run of the pod: {why}; seen: {engines}")),
            DryRun::NoNamespace => unseen(format!(
                "the namespace {namespace} does not exist yet, so no dry run was possible; seen: {engines}. Run preflight again once it exists"
            )),
        }
    })
}

/// Names who rejected it, where the API server's words do.
fn rejected(reason: &str, engines: &str, namespace: &str) -> Verdict {
    let said = format!("a dry run of the pod was rejected: {reason}; {engines}");
    match refuser(reason, namespace) {
        Some(refuser) => fails(said).about(&[refuser.name]).fix(refuser.remedy),
        None => fails(said).fix(format!(
            "Exclude the namespace {namespace} from the policy that rejected it; see which: kubectl get validatingadmissionpolicies,validatingwebhookconfigurations; kubectl get namespace {namespace} --show-labels"
        )),
    }
}
