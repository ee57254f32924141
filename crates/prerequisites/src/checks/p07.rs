//! P7: the resource providers are registered.

use super::{ARM_MENDED, some};
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P7",
    title: "The resource providers are registered in the subscription.",
    reason: "Without Microsoft.KubernetesConfiguration no extension, without Microsoft.DataProtection no vault and without Microsoft.ContainerService no cluster is accepted.",
    scope: Scope::Subscription,
    cofferdam: Weight::Blocks,
    aks: Weight::Blocks,
    observed_by: "resource manager: registrationState of the three providers",
    code: Some("MissingSubscriptionRegistration"),
    causes: &[],
    purposes: &[],
    depends_on: &[],
    fixes: &[
        Fix::cofferdam("cofferdam provider register --namespace Microsoft.KubernetesConfiguration --wait"),
        Fix::az("az provider register --namespace Microsoft.KubernetesConfiguration --wait"),
    ],
    tested_by: ARM_MENDED,
    only_azure: true,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.arm, |arm| {
        when_seen(&arm.providers, |providers| {
            let not: Vec<&(String, String)> =
                providers.iter().filter(|(_, state)| state != "Registered").collect();
            let told: Vec<String> = not.iter().map(|(name, state)| format!("{name} is {state}")).collect();
            if told.is_empty() {
                let names: Vec<String> = providers.iter().map(|(name, _)| name.clone()).collect();
                return passed(format!("{} are registered", names.join(", ")));
            }
            let by = if facts.names.0.contains_key("azure") { "az" } else { "cofferdam" };
            let commands: Vec<String> = not
                .iter()
                .map(|(name, _)| format!("{by} provider register --namespace {name} --wait"))
                .collect();
            fails(some(&told)).about(&told).fix(commands.join("; "))
        })
    })
}
