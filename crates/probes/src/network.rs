//! What stands between the extension's pods and others: network policies, and pod-managed identity.

use crate::{is_absent, seen};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, PodIdentity};
use std::collections::BTreeMap;

const APP: (&str, &str) = ("app.kubernetes.io/name", "dataprotection-microsoft-kubernetes");

/// Policies that restrict what the extension's pods may reach.
pub(crate) async fn policies(client: &Client, namespace: &str) -> Observed<Vec<String>> {
    let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let all = api.list(&ListParams::default()).await;
    seen(
        "listing network policies",
        all.map(|all| {
            let restricting = all.items.iter().filter(|one| one.spec.as_ref().is_some_and(restricts));
            restricting.map(|one| format!("{namespace}/{}", one.name_any())).collect()
        }),
    )
}

/// Whether it selects the extension's pods and lets them out only by rules that do not allow everything.
fn restricts(spec: &NetworkPolicySpec) -> bool {
    let labels = BTreeMap::from([(APP.0, APP.1), ("app.kubernetes.io/part-of", "cofferdam")]);
    let of_egress = spec.policy_types.iter().flatten().any(|kind| kind == "Egress") || spec.egress.is_some();
    let allows_all = spec.egress.iter().flatten().any(|rule| {
        rule.to.as_ref().is_none_or(Vec::is_empty) && rule.ports.as_ref().is_none_or(Vec::is_empty)
    });
    of_egress && !allows_all && spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, &labels))
}

fn selects(selector: &LabelSelector, labels: &BTreeMap<&str, &str>) -> bool {
    let mut equal = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    equal.all(|(key, value)| labels.get(key.as_str()) == Some(&value.as_str()))
        && expressions.all(|one| {
            let value = labels.get(one.key.as_str());
            let listed = value.is_some_and(|value| one.values.iter().flatten().any(|other| other == value));
            match one.operator.as_str() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

/// Pod-managed identity, and whether an exception covers the extension's pods.
pub(crate) async fn pod_identity(client: &Client, namespace: &str) -> Observed<PodIdentity> {
    let resource = ApiResource {
        group: "aadpodidentity.k8s.io".into(),
        version: "v1".into(),
        api_version: "aadpodidentity.k8s.io/v1".into(),
        kind: "AzurePodIdentityException".into(),
        plural: "azurepodidentityexceptions".into(),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            let excepted = list.items.iter().any(|one| {
                one.data.pointer("/spec/podLabels/app.kubernetes.io~1name").and_then(|v| v.as_str())
                    == Some(APP.1)
            });
            Observed::Seen(PodIdentity { installed: true, excepted })
        }
        Err(error) if is_absent(&error) => Observed::Seen(PodIdentity::default()),
        Err(error) => seen("looking for exceptions of pod-managed identity", Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_policy_that_selects_the_extension_and_leaves_egress_closed_restricts() {
        let restricts = |spec: serde_json::Value| restricts(&serde_json::from_value(spec).unwrap());

        assert!(restricts(json!({"podSelector": {}, "policyTypes": ["Egress"]})));
        assert!(restricts(
            json!({"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "cofferdam"}},
            "egress": [{"ports": [{"port": 53}]}]})
        ));
        assert!(!restricts(json!({"podSelector": {}, "policyTypes": ["Ingress"]})));
        assert!(!restricts(json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]})));
        assert!(!restricts(
            json!({"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Egress"]})
        ));
    }
}
