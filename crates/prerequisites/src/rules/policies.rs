//! Admission policies and images.

use crate::catalogue::{Verdict, failed, passed, unseen, when_seen};
use crate::{DryRun, Facts, Profile, Severity};

pub(crate) fn image(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.registry, |registry| match &registry.pulled {
        Ok(who) => passed(format!("{who} {}", registry.image)),
        Err(reason) => failed(
            Severity::Block,
            format!("{}: {reason}", registry.image),
            "Mirror the image into a registry that the nodes reach and repeat with --image REGISTRY/cofferdam:TAG.",
        ),
    })
}

pub(crate) fn admission(facts: &Facts, _: Profile) -> Verdict {
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
            DryRun::Rejected(reason) => failed(
                Severity::Block,
                format!("a dry run of the pod was rejected: {reason}; {engines}"),
                format!(
                    "Exclude the namespace {namespace} from the policy that rejected it; see which: kubectl get validatingadmissionpolicies,validatingwebhookconfigurations; kubectl get namespace {namespace} --show-labels"
                ),
            ),
            DryRun::NotPossible(why) => unseen(format!("no dry run of the pod: {why}; seen: {engines}")),
            DryRun::NoNamespace => unseen(format!(
                "the namespace {namespace} does not exist yet, so no dry run was possible; seen: {engines}. Run preflight again once it exists"
            )),
        }
    })
}
