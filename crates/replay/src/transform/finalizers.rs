//! Finalizers of built-in types belong to controllers that add them again; those of custom resources guard
//! something outside and are kept, except the two by which a deletion that never happened was to go on.

use crate::item::ResourceType;
use crate::json;
use serde_json::Value;

const DELETION_FINALIZERS: &[&str] = &["foregroundDeletion", "orphan"];

pub(super) fn apply(object: &mut Value, kind: &ResourceType) {
    if is_built_in(kind) {
        json::take(object, &["metadata", "finalizers"]);
    } else {
        json::retain(object, &["metadata", "finalizers"], |finalizer| {
            finalizer.as_str().is_none_or(|name| !DELETION_FINALIZERS.contains(&name))
        });
    }
}

/// Groups whose types the API server itself serves.
fn is_built_in(kind: &ResourceType) -> bool {
    matches!(
        kind.group.as_str(),
        "" | "admissionregistration.k8s.io"
            | "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "apps"
            | "autoscaling"
            | "batch"
            | "discovery.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "networking.k8s.io"
            | "node.k8s.io"
            | "policy"
            | "rbac.authorization.k8s.io"
            | "resource.k8s.io"
            | "scheduling.k8s.io"
            | "storage.k8s.io"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kind(group: &str) -> ResourceType {
        ResourceType {
            group: group.into(),
            version: "v1".into(),
            kind: "Any".into(),
            resource: "anys".into(),
            namespaced: true,
        }
    }

    #[test]
    fn a_custom_resource_keeps_the_finalizers_of_its_operator() {
        let mut custom = json!({"metadata": {"finalizers": ["foregroundDeletion", "example.com/bucket"]}});
        let mut service =
            json!({"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}});

        apply(&mut custom, &kind("example.com"));
        apply(&mut service, &kind(""));

        assert_eq!(custom, json!({"metadata": {"finalizers": ["example.com/bucket"]}}));
        assert_eq!(service, json!({"metadata": {}}));
    }
}
