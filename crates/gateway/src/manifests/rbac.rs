//! What the gateway may do in a cluster: every rule with the reason for it.

use super::{GatewaySettings, labels};
use crate::{ACCESS_NAMESPACE, CLUSTER_ROLE_BINDING, NAME, role::CLUSTER_ROLE};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

/// Where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The gateway's own namespace.
    Own,
    /// The namespace of the bindings' ServiceAccounts.
    Access,
    /// The whole cluster.
    Cluster,
}

/// A rule and the reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// Where it applies.
    pub place: Place,
    /// API group.
    pub group: &'static str,
    /// Resources.
    pub resources: &'static [&'static str],
    /// The only objects; all when empty.
    pub names: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Why it is needed.
    pub reason: &'static str,
}

const RBAC: &str = "rbac.authorization.k8s.io";

const RULES: &[Explained] = &[
    Explained {
        place: Place::Own,
        group: "",
        resources: &["secrets"],
        names: &[NAME],
        verbs: &["get", "patch"],
        reason: "The gateway's own key and certificate.",
    },
    Explained {
        place: Place::Access,
        group: "",
        resources: &["serviceaccounts"],
        names: &[],
        verbs: &["get", "list", "create", "patch", "delete"],
        reason: "One ServiceAccount per Trusted Access binding; the namespace holds nothing else.",
    },
    Explained {
        place: Place::Access,
        group: "",
        resources: &["serviceaccounts/token"],
        names: &[],
        verbs: &["create"],
        reason: "Short-lived tokens, with which the vault's requests go to the API server.",
    },
    Explained {
        place: Place::Cluster,
        group: RBAC,
        resources: &["clusterrolebindings"],
        names: &[CLUSTER_ROLE_BINDING],
        verbs: &["get", "update", "patch", "delete"],
        reason: "Binds those ServiceAccounts to the one role, and unbinds them.",
    },
    Explained {
        place: Place::Cluster,
        group: RBAC,
        resources: &["clusterrolebindings"],
        names: &[],
        verbs: &["create"],
        reason: "Kubernetes cannot limit creation to a name; which role may be bound is limited by the next rule.",
    },
    Explained {
        place: Place::Cluster,
        group: RBAC,
        resources: &["clusterroles"],
        names: &[CLUSTER_ROLE],
        verbs: &["get", "bind"],
        reason: "Binds this role and no other, after a look whether it still grants what it should.",
    },
];

/// Every rule with its reason.
pub fn explained_rules() -> &'static [Explained] {
    RULES
}

/// The rules of one place, as Kubernetes knows them.
pub fn policy_rules(place: Place) -> Vec<PolicyRule> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    RULES
        .iter()
        .filter(|rule| rule.place == place)
        .map(|rule| PolicyRule {
            api_groups: Some(vec![rule.group.to_owned()]),
            resources: Some(owned(rule.resources)),
            resource_names: (!rule.names.is_empty()).then(|| owned(rule.names)),
            verbs: owned(rule.verbs),
            ..PolicyRule::default()
        })
        .collect()
}

pub(super) fn render(settings: &GatewaySettings) -> Result<Vec<Value>, serde_json::Error> {
    let mut documents = Vec::new();
    for (place, namespace) in [
        (Place::Own, Some(settings.namespace.as_str())),
        (Place::Access, Some(ACCESS_NAMESPACE)),
        (Place::Cluster, None),
    ] {
        let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
        let metadata = match namespace {
            Some(namespace) => json!({"name": NAME, "namespace": namespace}),
            None => json!({"name": NAME}),
        };
        documents.push(labelled(json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": metadata,
            "rules": serde_json::to_value(policy_rules(place))?,
        })));
        documents.push(labelled(json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": settings.namespace}],
        })));
    }
    Ok(documents)
}

/// A typed object does not say what it is.
pub(super) fn identify(document: &mut Value, kind: &str) {
    if let Some(fields) = document.as_object_mut() {
        fields.insert("apiVersion".to_owned(), format!("{RBAC}/v1").into());
        fields.insert("kind".to_owned(), kind.into());
    }
}

pub(super) fn labelled(mut document: Value) -> Value {
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("labels".to_owned(), labels());
    }
    document
}
