//! What a recovery point's object has that the live one lacks, as the smallest merge patch. Pure.

use crate::json;
use crate::transform::CONTROLLER_ANNOTATIONS;
use serde_json::{Map, Value};

/// How a captured object differs from a live one. Fields that only the live object has do not count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// A JSON merge patch; it never removes a field. A list is one value.
    pub patch: Value,
    /// Paths of the fields that the patch sets, such as `spec.replicas`.
    pub fields: Vec<String>,
}

impl Difference {
    /// Whether the live object already has everything.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// How much of an object is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Labels, annotations and everything outside `metadata` and `status`.
    Whole,
    /// Labels and annotations.
    MetadataOnly,
}

/// Compares a transformed object with a live one.
pub fn difference(desired: &Value, live: &Value, extent: Extent) -> Difference {
    let mut found = Found { patch: Map::new(), fields: Vec::new() };
    let mut metadata = Map::new();
    for part in ["labels", "annotations"] {
        let wanted = json::at(desired, &["metadata", part]).and_then(Value::as_object);
        let existing = json::at(live, &["metadata", part]).unwrap_or(&Value::Null);
        let mut changes = Map::new();
        for (key, value) in wanted.into_iter().flatten() {
            let ours_to_set = part == "labels" || !CONTROLLER_ANNOTATIONS.contains(&key.as_str());
            if ours_to_set && existing.get(key) != Some(value) {
                found.fields.push(path(&format!("metadata.{part}"), key));
                changes.insert(key.clone(), value.clone());
            }
        }
        if !changes.is_empty() {
            metadata.insert(part.to_owned(), Value::Object(changes));
        }
    }
    if !metadata.is_empty() {
        found.patch.insert("metadata".to_owned(), Value::Object(metadata));
    }
    if extent == Extent::Whole {
        for (key, value) in desired.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                found.compare("", key, value, live.get(key));
            }
        }
    }
    Difference { patch: Value::Object(found.patch), fields: found.fields }
}

/// What a captured service account adds to a live one: names of secrets, and labels and annotations that the
/// live one lacks. What the cluster has wins.
pub fn account_difference(desired: &Value, live: &Value) -> Difference {
    let mut patch = Value::Object(Map::new());
    let mut fields = Vec::new();
    for part in ["labels", "annotations"] {
        let wanted = json::at(desired, &["metadata", part]).and_then(Value::as_object);
        for (key, value) in wanted.into_iter().flatten() {
            if json::at(live, &["metadata", part, key]).is_none() {
                json::set(&mut patch, &["metadata", part, key], value.clone());
                fields.push(path(&format!("metadata.{part}"), key));
            }
        }
    }
    for list in ["secrets", "imagePullSecrets"] {
        let existing = json::items(live, &[list]);
        let name = |reference: &Value| reference.get("name").cloned();
        let added: Vec<Value> = json::items(desired, &[list])
            .iter()
            .filter(|wanted| !existing.iter().any(|one| name(one) == name(wanted)))
            .cloned()
            .collect();
        if !added.is_empty() {
            let all: Vec<Value> = existing.iter().cloned().chain(added).collect();
            json::set(&mut patch, &[list], Value::Array(all));
            fields.push(list.to_owned());
        }
    }
    Difference { patch, fields }
}

struct Found {
    patch: Map<String, Value>,
    fields: Vec<String>,
}

impl Found {
    fn compare(&mut self, parent: &str, key: &str, wanted: &Value, live: Option<&Value>) {
        let here = path(parent, key);
        if is_nothing(wanted) && live.is_none_or(is_nothing) {
            return;
        }
        match (wanted, live) {
            (Value::Null, _) => {}
            (Value::Object(wanted), Some(Value::Object(live))) => {
                let mut inner = Self { patch: Map::new(), fields: Vec::new() };
                for (key, value) in wanted {
                    inner.compare(&here, key, value, live.get(key));
                }
                if !inner.patch.is_empty() {
                    self.patch.insert(key.to_owned(), Value::Object(inner.patch));
                    self.fields.append(&mut inner.fields);
                }
            }
            (wanted, Some(live)) if covers(live, wanted) => {}
            (wanted, _) => {
                self.patch.insert(key.to_owned(), without_nulls(wanted));
                self.fields.push(here);
            }
        }
    }
}

/// Whether the live value has everything that is wanted of it.
fn covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (_, Value::Null) => true,
        (Value::Object(live), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| live.get(key).map_or_else(|| is_nothing(value), |live| covers(live, value))),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

/// To an API server, an absent field and an empty one are the same.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// In a merge patch a null would remove a field.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// Keys with dots stand in brackets, so that a path reads in one way only.
pub(crate) fn path(parent: &str, key: &str) -> String {
    match (parent, key.contains('.')) {
        ("", _) => key.to_owned(),
        (parent, true) => format!("{parent}[{key}]"),
        (parent, false) => format!("{parent}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn only_what_the_live_object_lacks_is_patched() {
        let desired = json!({
            "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web", "app.kubernetes.io/name": "web"}},
            "spec": {
                "replicas": 3, "paused": null, "tolerations": [],
                "template": {"spec": {"containers": [{"name": "c", "image": "1"}], "dns": "x"}},
            },
        });
        let live = json!({
            "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web", "extra": "1"}, "uid": "u"},
            "spec": {
                "replicas": 5, "other": 1,
                "template": {"spec": {"containers": [{"name": "c", "image": "1", "default": true}], "dns": "y"}},
            },
            "status": {"replicas": 5},
        });

        let found = difference(&desired, &live, Extent::Whole);

        assert_eq!(
            found.patch,
            json!({
                "metadata": {"labels": {"app.kubernetes.io/name": "web"}},
                "spec": {"replicas": 3, "template": {"spec": {"dns": "x"}}},
            })
        );
        assert_eq!(
            found.fields,
            ["metadata.labels[app.kubernetes.io/name]", "spec.replicas", "spec.template.spec.dns"]
        );
    }

    #[test]
    fn a_claim_is_compared_by_labels_and_annotations() {
        let desired = json!({"metadata": {"annotations": {"a": "1"}}, "spec": {"size": 2}});
        let live = json!({"metadata": {}, "spec": {"size": 1}});

        let found = difference(&desired, &live, Extent::MetadataOnly);

        assert_eq!(found.fields, ["metadata.annotations.a"]);
    }

    #[test]
    fn an_account_gets_what_it_lacks_and_keeps_what_it_has() {
        let desired = json!({
            "metadata": {"labels": {"a": "captured", "b": "captured"}},
            "imagePullSecrets": [{"name": "registry"}], "secrets": [{"name": "ci"}],
        });
        let live = json!({"metadata": {"labels": {"a": "live"}}, "secrets": [{"name": "ci"}, {"name": "x"}]});

        let found = account_difference(&desired, &live);

        assert_eq!(
            found.patch,
            json!({
                "metadata": {"labels": {"b": "captured"}}, "imagePullSecrets": [{"name": "registry"}],
            })
        );
        assert_eq!(found.fields, ["metadata.labels.b", "imagePullSecrets"]);
    }

    fn objects() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..4).prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        let tree = leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-d]", tree, 0..4)
            .prop_map(|map| json!({"metadata": {}, "spec": Value::Object(map.into_iter().collect())}))
    }

    proptest! {
        #[test]
        fn after_the_patch_nothing_differs_and_nothing_is_lost(desired in objects(), live in objects()) {
            let found = difference(&desired, &live, Extent::Whole);

            let mut patched = live.clone();
            json_patch::merge(&mut patched, &found.patch);

            let again = difference(&desired, &patched, Extent::Whole);
            prop_assert!(again.is_empty(), "{again:?}");
            for key in live["spec"].as_object().unwrap().keys() {
                prop_assert!(patched["spec"].get(key).is_some(), "{key} was removed");
            }
        }
    }
}
