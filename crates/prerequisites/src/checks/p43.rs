//! P43: no network policy keeps the extension from the API server.

use super::some;
use crate::verdict::{fails, fails_as, informs, passed, when_seen};
use crate::{Check, EndpointKind, Facts, Fix, Profile, Reached, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P43",
    title: "No network policy keeps the extension's pods from the API server.",
    reason: "The installation otherwise fails with BackoffLimitExceeded, or the extension never becomes ready.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "NetworkPolicies of the extension's namespace, the extension's lease; with `--active`, a pod like the extension's in its namespace",
    code: None,
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam preflight egress --format networkpolicy | kubectl apply -f -"),
        Fix::kubectl("kubectl -n {namespace} get networkpolicies -o yaml"),
    ],
    tested_by: "unit test; scenario `preflight_egress` with a policy that lets nothing out and a packet filter that does what it says",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.network_policies, |seen| {
        if seen.restricting.is_empty() {
            return passed("no NetworkPolicy restricts what the extension's pods may reach");
        }
        let said = format!("restricted by {}", some(&seen.restricting));
        let installed = facts.extension.seen().and_then(Option::as_ref);
        let verdict = match (as_extension(facts), installed, seen.lets_some_out) {
            (Some(api_server), ..) => match api_server.problem() {
                None => informs(format!("{said}; a pod with the extension's labels reaches the API server")),
                Some(problem) => {
                    fails(format!("{said}, and a pod with the extension's labels finds: {problem}"))
                }
            },
            (None, Some(pods), _) if pods.leads => {
                informs(format!("{said}; the extension reaches the API server: it renews its lease"))
            }
            (None, _, true) => fails_as(
                Severity::Warn,
                format!("{said}; some traffic is let out, nothing shows that the API server is part of it"),
            ),
            (None, _, false) => fails(format!("{said}, and no rule lets anything out")),
        };
        verdict.about(&seen.restricting)
    })
}

/// How far a probe came with the API server. Only where the extension is installed does one run under its policies.
fn as_extension(facts: &Facts) -> Option<&Reached> {
    facts.extension.seen()?.as_ref()?;
    let reached = facts.egress.seen()?.as_ref()?;
    reached.iter().find(|one| one.endpoint.kind == EndpointKind::ApiServer)
}
