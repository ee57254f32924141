//! P43: no network policy keeps the extension from the API server.

use super::some;
use crate::verdict::{fails, fails_as, informs, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Severity, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P43",
    title: "No network policy keeps the extension's pods from the API server.",
    reason: "The installation otherwise fails with BackoffLimitExceeded, or the extension never becomes ready.",
    scope: Scope::Cluster,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "NetworkPolicies of the extension's namespace, the extension's lease",
    code: None,
    purposes: &[],
    depends_on: &[],
    fixes: &[Fix::kubectl(
        "kubectl -n {namespace} create -f - (a NetworkPolicy that allows egress of the extension's pods to the API server, DNS, the vault and the store)",
    )],
    tested_by: "unit test; scenario `preflight` on a healthy cluster",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.network_policies, |seen| {
        if seen.restricting.is_empty() {
            return passed("no NetworkPolicy restricts what the extension's pods may reach");
        }
        let said = format!("restricted by {}", some(&seen.restricting));
        let verdict = match (facts.extension.seen(), seen.lets_some_out) {
            (Some(Some(pods)), _) if pods.leads => {
                informs(format!("{said}; the extension reaches the API server: it renews its lease"))
            }
            (_, true) => fails_as(
                Severity::Warn,
                format!("{said}; some traffic is let out, nothing shows that the API server is part of it"),
            ),
            (_, false) => fails(format!("{said}, and no rule lets anything out")),
        };
        verdict.about(&seen.restricting)
    })
}
