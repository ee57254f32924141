//! What stands between the extension's pods and others: network policies, and pod-managed identity.

use crate::{is_absent, seen};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{NetworkPolicies, Observed, PodIdentity};
use std::collections::BTreeMap;

const APP: (&str, &str) = ("app.kubernetes.io/name", "dataprotection-microsoft-kubernetes");

/// What the policies of the namespace let the extension's pods reach.
pub(crate) async fn policies(client: &Client, namespace: &str) -> Observed<NetworkPolicies> {
    let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
    let all = api.list(&ListParams::default()).await;
    seen("listing network policies", all.map(|all| judged(&all.items)))
}

/// Policies add up: what one of them lets out is out.
fn judged(policies: &[NetworkPolicy]) -> NetworkPolicies {
    let labels = BTreeMap::from([(APP.0, APP.1), ("app.kubernetes.io/part-of", "cofferdam")]);
    let of_egress = |spec: &NetworkPolicySpec| {
        (spec.policy_types.iter().flatten().any(|kind| kind == "Egress") || spec.egress.is_some())
            && spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, &labels))
    };
    let ours: Vec<(&NetworkPolicy, &NetworkPolicySpec)> = policies
        .iter()
        .filter_map(|policy| Some((policy, policy.spec.as_ref()?)))
        .filter(|(_, spec)| of_egress(spec))
        .collect();
    let rules = || ours.iter().flat_map(|(_, spec)| spec.egress.iter().flatten());
    let allows_all = |rule: &NetworkPolicyEgressRule| {
        rule.to.as_ref().is_none_or(Vec::is_empty) && rule.ports.as_ref().is_none_or(Vec::is_empty)
    };
    if rules().any(allows_all) {
        return NetworkPolicies::default();
    }
    let name =
        |policy: &NetworkPolicy| format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
    NetworkPolicies {
        restricting: ours.iter().map(|(policy, _)| name(policy)).collect(),
        lets_some_out: rules().next().is_some(),
    }
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
    fn only_policies_that_select_the_extension_and_leave_egress_closed_restrict_it() {
        let judged = |specs: &[serde_json::Value]| {
            let policy = |spec: &serde_json::Value| {
                serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "n"}, "spec": spec}))
                    .unwrap()
            };
            let seen = judged(&specs.iter().map(policy).collect::<Vec<_>>());
            (seen.restricting.len(), seen.lets_some_out)
        };
        let closed = json!({"podSelector": {}, "policyTypes": ["Egress"]});
        let dns = json!({"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "cofferdam"}},
            "egress": [{"ports": [{"port": 53}]}]});
        let open = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]});
        let ingress = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
        let others = json!({"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Egress"]});

        assert_eq!(judged(std::slice::from_ref(&closed)), (1, false));
        assert_eq!(judged(&[closed.clone(), dns]), (2, true));
        assert_eq!(judged(&[closed, open]), (0, false), "what one policy lets out is out");
        assert_eq!(judged(&[ingress, others]), (0, false));
    }
}
