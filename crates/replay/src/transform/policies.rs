//! Selectors that name a namespace cannot follow a mapping safely: they are reported, not rewritten, because
//! they may mean the original as well as the copy.

use super::Draft;
use crate::json;
use crate::mapping::Mapping;
use protection::Problem;
use serde_json::Value;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(super) fn apply(draft: &mut Draft, mapping: &Mapping) {
    let rules = [("ingress", "from"), ("egress", "to")];
    let peers = rules.iter().flat_map(|(direction, peers)| {
        json::items(&draft.object, &["spec", direction]).iter().flat_map(|rule| json::items(rule, &[*peers]))
    });
    let mut named = Vec::new();
    for peer in peers {
        if let Some(selector) = json::at(peer, &["namespaceSelector"]) {
            named.extend(moved_names(selector, mapping));
        }
    }
    report(draft, named, "The network policy");
}

/// Reports mapped namespaces that a selector names.
pub(super) fn report(draft: &mut Draft, mut named: Vec<String>, what: &str) {
    named.sort_unstable();
    named.dedup();
    if !named.is_empty() {
        draft.note(
            Problem::warning(
                crate::codes::REFERENCE_NOT_MAPPED,
                format!(
                    "{what} selects namespace {} by name; that reference does not follow the mapping.",
                    named.join(", ")
                ),
            )
            .fix("If it should mean the new namespace, change the selector with a resource modifier."),
        );
    }
}

/// The mapped namespaces that a label selector names.
pub(super) fn moved_names(selector: &Value, mapping: &Mapping) -> Vec<String> {
    let label = json::text(selector, &["matchLabels", NAME_LABEL]).into_iter();
    let expressions = json::items(selector, &["matchExpressions"])
        .iter()
        .filter(|expression| json::text(expression, &["key"]) == Some(NAME_LABEL))
        .flat_map(|expression| json::items(expression, &["values"]).iter().filter_map(Value::as_str));
    label.chain(expressions).filter(|name| mapping.moves(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_policy_that_names_a_mapped_namespace_is_reported_and_not_rewritten() {
        let object = json!({"spec": {
            "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {NAME_LABEL: "shop"}}}]}],
            "egress": [{"to": [{"namespaceSelector": {"matchExpressions": [
                {"key": NAME_LABEL, "operator": "In", "values": ["shop", "dns"]},
            ]}}]}],
        }});
        let mapping = Mapping::new(&BTreeMap::from([("shop".into(), "copy".into())]), &BTreeSet::new());
        let mut draft = Draft { object: object.clone(), notes: Vec::new() };

        apply(&mut draft, &mapping);

        assert_eq!(draft.object, object);
        assert_eq!(draft.notes.len(), 1);
        assert!(draft.notes[0].message.contains("shop") && !draft.notes[0].message.contains("dns"));
    }
}
