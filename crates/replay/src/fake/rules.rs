//! What a fake cluster serves and refuses.

use crate::api::{ApiError, Discovery, Refusal};
use crate::item::{Place, ResourceType};
use crate::json;
use serde_json::Value;

/// Group, kind, plural, whether it is namespaced.
const SERVED: &[(&str, &str, &str, bool)] = &[
    ("", "Namespace", "namespaces", false),
    ("", "ConfigMap", "configmaps", true),
    ("", "Secret", "secrets", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("", "Service", "services", true),
    ("", "Pod", "pods", true),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("apps", "Deployment", "deployments", true),
    ("apps", "ReplicaSet", "replicasets", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("storage.k8s.io", "StorageClass", "storageclasses", false),
    ("scheduling.k8s.io", "PriorityClass", "priorityclasses", false),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", true),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    ("rbac.authorization.k8s.io", "RoleBinding", "rolebindings", true),
    ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("apiregistration.k8s.io", "APIService", "apiservices", false),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", false),
];

/// The built-in types.
pub(super) fn built_in() -> Discovery {
    let mut discovery = Discovery::default();
    for (group, kind, resource, namespaced) in SERVED {
        discovery.add(ResourceType {
            group: (*group).to_owned(),
            version: "v1".to_owned(),
            kind: (*kind).to_owned(),
            resource: (*resource).to_owned(),
            namespaced: *namespaced,
        });
    }
    discovery
}

/// Fields that cannot be changed once an object exists.
pub(super) fn immutable_change(place: &Place, before: &Value, after: &Value) -> Option<&'static str> {
    let fixed: &[&str] = match (place.kind.group.as_str(), place.kind.resource.as_str()) {
        ("apps", "deployments" | "statefulsets") => &["spec", "selector"],
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => &["roleRef"],
        ("", "configmaps" | "secrets") if json::is_true(before, &["immutable"]) => &["data"],
        ("", "persistentvolumeclaims") => &["spec"],
        _ => return None,
    };
    let changed = json::at(before, fixed) != json::at(after, fixed);
    let path = match fixed {
        ["roleRef"] => "roleRef",
        ["data"] => "data",
        ["spec"] => "spec",
        _ => "spec.selector",
    };
    changed.then_some(path)
}

pub(super) fn error(tried: &str, place: &Place, refusal: Refusal, message: &str) -> ApiError {
    ApiError { tried: format!("{tried} {place}"), refusal, message: message.to_owned(), fields: Vec::new() }
}
