//! A namespace takes the name that the mapping gives it; the API server sets its finalizers and its name label.

use super::{Draft, metadata};
use crate::json;
use crate::mapping::Mapping;
use serde_json::Value;

pub(super) fn apply(draft: &mut Draft, mapping: &Mapping) {
    let object = &mut draft.object;
    json::take(object, &["spec", "finalizers"]);
    json::drop_if_empty(object, &["spec"]);
    metadata::drop_labels(object, &["metadata"], &["kubernetes.io/metadata.name"]);
    if let Some(name) = json::text(object, &["metadata", "name"]) {
        let target = Value::from(mapping.target(name));
        json::set(object, &["metadata", "name"], target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_mapped_namespace_keeps_its_own_labels_and_takes_the_new_name() {
        let mapping = Mapping::new(&BTreeMap::from([("shop".into(), "shop-copy".into())]), &BTreeSet::new());
        let object = json!({
            "metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop", "team": "blue"}},
            "spec": {"finalizers": ["kubernetes"]},
        });
        let mut draft = Draft { object, notes: Vec::new() };

        apply(&mut draft, &mapping);

        assert_eq!(draft.object, json!({"metadata": {"name": "shop-copy", "labels": {"team": "blue"}}}));
    }
}
