//! Removes what the source cluster wrote into an object's metadata, and its status.

use crate::json;
use serde_json::Value;

/// Fields that only an API server writes.
const SERVER_FIELDS: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Annotations in which controllers keep their own books.
pub(crate) const CONTROLLER_ANNOTATIONS: &[&str] = &[
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "control-plane.alpha.kubernetes.io/leader",
];

/// Owner references are put back by the walk, with the UIDs of the target.
pub(super) fn reset(object: &mut Value) {
    json::take(object, &["status"]);
    if let Some(metadata) = json::map_mut(object, &["metadata"]) {
        for field in SERVER_FIELDS {
            metadata.remove(*field);
        }
    }
    drop_annotations(object, CONTROLLER_ANNOTATIONS);
}

/// Removes annotations, and the map of annotations when none is left.
pub(super) fn drop_annotations(object: &mut Value, names: &[&str]) {
    if let Some(annotations) = json::map_mut(object, &["metadata", "annotations"]) {
        annotations.retain(|name, _| !names.contains(&name.as_str()));
    }
    json::drop_if_empty(object, &["metadata", "annotations"]);
}

/// Removes labels, and the map of labels when none is left.
pub(super) fn drop_labels(object: &mut Value, metadata: &[&str], names: &[&str]) {
    let path: Vec<&str> = metadata.iter().copied().chain(["labels"]).collect();
    if let Some(labels) = json::map_mut(object, &path) {
        labels.retain(|name, _| !names.contains(&name.as_str()));
    }
    json::drop_if_empty(object, &path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_that_the_source_server_wrote_is_left() {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "1", "resourceVersion": "2", "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z", "selfLink": "/x", "generateName": "web-",
                "managedFields": [{}], "ownerReferences": [{}], "deletionTimestamp": "x",
                "deletionGracePeriodSeconds": 1,
                "labels": {"app": "web"},
                "annotations": {"deployment.kubernetes.io/revision": "4", "team": "blue"},
            },
            "spec": {"replicas": 2},
            "status": {"replicas": 2},
        });

        reset(&mut object);

        assert_eq!(
            object,
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {
                    "name": "web", "namespace": "shop",
                    "labels": {"app": "web"}, "annotations": {"team": "blue"},
                },
                "spec": {"replicas": 2},
            })
        );
    }

    #[test]
    fn fields_that_this_product_does_not_know_survive() {
        let mut object = json!({"metadata": {"name": "a", "future": 1}, "spec": {}, "extra": {"x": [1]}});

        reset(&mut object);

        assert_eq!(object, json!({"metadata": {"name": "a", "future": 1}, "spec": {}, "extra": {"x": [1]}}));
    }
}
