//! P44: admission webhooks answer.

use super::some;
use crate::verdict::{fails, passed, when_seen};
use crate::{Check, Facts, Fix, Profile, Purpose, Scope, Verdict, Weight};

pub(crate) static CHECK: Check = Check {
    id: "P44",
    title: "Every admission webhook has a service that answers.",
    reason: "One without makes the API server refuse what a restore creates.",
    scope: Scope::Target,
    cofferdam: Weight::Warns,
    aks: Weight::Warns,
    observed_by: "webhook configurations, Services and EndpointSlices",
    code: Some("KubernetesBackupGenericWarning"),
    causes: &[],
    purposes: &[Purpose::Restore],
    depends_on: &[],
    fixes: &[
        Fix::kubectl("kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE"),
        Fix::kubectl("kubectl delete validatingwebhookconfiguration NAME (if what it belonged to is gone)"),
    ],
    tested_by: "unit test; scenario `preflight_cluster` with a webhook without service",
    only_azure: false,
    rule: judge,
};

fn judge(facts: &Facts, _: Profile) -> Verdict {
    when_seen(&facts.webhooks, |broken| {
        let told: Vec<String> = broken
            .iter()
            .map(|hook| {
                let what = if hook.service_exists { "has no ready endpoint" } else { "does not exist" };
                let then = if hook.refuses { ", and objects are refused meanwhile" } else { "" };
                format!("{}: the service {} {what}{then}", hook.name, hook.service)
            })
            .collect();
        match told.is_empty() {
            true => passed("every webhook's service has ready endpoints"),
            false => fails(some(&told)).about(&told),
        }
    })
}
