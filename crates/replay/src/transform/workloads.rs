//! Pod templates and hand-written endpoints.

use super::{Draft, metadata};
use crate::json;
use crate::mapping::Mapping;
use serde_json::Value;

/// Templates carry a creation time of `null` in older captures; claim templates a status.
pub(super) fn apply(draft: &mut Draft) {
    let object = &mut draft.object;
    json::take(object, &["spec", "template", "metadata", "creationTimestamp"]);
    json::take(object, &["spec", "jobTemplate", "metadata", "creationTimestamp"]);
    json::take(object, &["spec", "jobTemplate", "spec", "template", "metadata", "creationTimestamp"]);
    for template in json::items_mut(object, &["spec", "volumeClaimTemplates"]) {
        json::take(template, &["status"]);
        json::take(template, &["metadata", "creationTimestamp"]);
        metadata::drop_labels(template, &["metadata"], &[]);
    }
}

/// References to objects of a mapped namespace follow it.
pub(super) fn endpoints(draft: &mut Draft, mapping: &Mapping) {
    for subset in json::items_mut(&mut draft.object, &["subsets"]) {
        for list in ["addresses", "notReadyAddresses"] {
            for address in json::items_mut(subset, &[list]) {
                if let Some(namespace) = json::text(address, &["targetRef", "namespace"]) {
                    let target = Value::from(mapping.target(namespace));
                    json::set(address, &["targetRef", "namespace"], target);
                }
            }
        }
    }
}
