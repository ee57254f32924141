//! P44: admission webhooks answer.

use super::some;
use crate::verdict::{fails, passed, when_seen};
use crate::{BrokenWebhook, Check, Facts, Fix, Profile, Purpose, Scope, Verdict, Weight};
use std::collections::BTreeSet;

/// As many configurations as one command names.
const NAMED: usize = 5;

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
            false => fails(some(&told)).about(&told).fix(mend(broken)),
        }
    })
}

/// What is left of something that is gone is taken away; a service that is there has to answer.
fn mend(broken: &[BrokenWebhook]) -> String {
    let gone: BTreeSet<String> =
        broken.iter().filter(|hook| !hook.service_exists).filter_map(configuration).take(NAMED).collect();
    if !gone.is_empty() {
        let gone = gone.into_iter().collect::<Vec<_>>().join(" ");
        return format!(
            "kubectl delete {gone} # if what it belonged to is gone; else bring its service back"
        );
    }
    let service = broken.first().and_then(|hook| hook.service.split_once('/'));
    let (namespace, name) = service.unwrap_or(("NAMESPACE", "SERVICE"));
    format!("kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={name}")
}

/// The object that a webhook stands in, as `kubectl` names it.
fn configuration(hook: &BrokenWebhook) -> Option<String> {
    let mut parts = hook.name.split('/');
    let kind = parts.next().filter(|kind| ["validating", "mutating"].contains(kind))?;
    Some(format!("{kind}webhookconfiguration/{}", parts.next()?))
}
