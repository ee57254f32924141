//! P20: admission lets the extension's pods pass.

use super::ALWAYS;
use crate::refused::refuser;
use crate::verdict::{fails, fails_as, passed, unseen, when_seen};
use crate::{Check, DryRun, Facts, Fix, Policies, Profile, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P20",
    title: "No admission policy rejects the extension's pods.",
    reason: "A rejected pod makes the installation hang.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "a server-side dry run of the pod, policy engines, pod security labels",
    code: None,
    causes: &[],
    purposes: ALWAYS,
    depends_on: &["P4"],
    fixes: &[
        Fix::kubectl("kubectl get validatingadmissionpolicies,validatingwebhookconfigurations"),
        Fix::az(
            "az policy assignment update --name ASSIGNMENT --params '{\"excludedNamespaces\": {\"value\": [\"{namespace}\"]}}'",
        ),
    ],
    tested_by: "unit test; scenarios `preflight` and `preflight_others` with a ValidatingAdmissionPolicy and pod security; scenario `preflight_gatekeeper` with a real Gatekeeper; scenario `preflight_fix`; scenario `preflight_room` with a ResourceQuota and a LimitRange",
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
            DryRun::Rejected(reason) if full_quota(reason).is_some() => no_room(facts, &namespace, reason),
            DryRun::Rejected(reason) => rejected(reason, policies, &engines, &namespace),
            DryRun::NotPossible(why) => unseen(format!("no dry run of the pod: {why}; seen: {engines}")),
            DryRun::NoNamespace => unseen(format!(
                "the namespace {namespace} does not exist yet, so no dry run was possible; seen: {engines}. Run preflight again once it exists"
            )),
        }
    })
}

/// Names who rejected it, where the API server's words do.
fn rejected(reason: &str, policies: &Policies, engines: &str, namespace: &str) -> Verdict {
    let said = format!("a dry run of the pod was rejected: {reason}; {engines}");
    match refuser(reason, namespace, &policies.constraints) {
        Some(refuser) => fails(said).about(&refuser.names).fix(refuser.remedy),
        None => fails(said).fix(format!(
            "Exclude the namespace {namespace} from the policy that rejected it; see which: kubectl get validatingadmissionpolicies,validatingwebhookconfigurations; kubectl get namespace {namespace} --show-labels"
        )),
    }
}

/// The ResourceQuota that a refusal names, in the words of the API server: `exceeded quota: NAME, requested: …` where it is
/// used up, `failed quota: NAME: must specify …` where the pod does not say what it asks for, `status unknown for quota: NAME,
/// …` where nobody has counted yet.
fn full_quota(reason: &str) -> Option<&str> {
    let words = ["exceeded quota: ", "failed quota: ", "status unknown for quota: "];
    let (_, rest) = words.iter().find_map(|words| reason.split_once(words))?;
    rest.split([',', ':', ' ']).next().filter(|name| !name.is_empty())
}

/// A quota is nobody's policy: it is raised, not excepted from.
fn no_room(facts: &Facts, namespace: &str, reason: &str) -> Verdict {
    let quota = full_quota(reason).unwrap_or("QUOTA");
    let said = format!("the ResourceQuota {namespace}/{quota} leaves no room for the pod: {reason}");
    match facts.extension.seen() {
        // What runs counts in its own quota.
        Some(Some(pods)) if pods.available > 0 => fails_as(
            Severity::Warn,
            format!(
                "{said}; {} runs, and another pod beside it, as in an upgrade, is not made",
                pods.deployment
            ),
        ),
        _ => fails(said),
    }
    .about(&[format!("{namespace}/{quota}")])
    .fix(format!("kubectl edit resourcequota {quota} -n {namespace}"))
}
