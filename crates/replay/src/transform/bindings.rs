//! Subjects of role bindings follow a mapped namespace. A cluster role binding that others still use is left
//! alone: the mapped subjects get a binding of their own beside it.

use super::Draft;
use crate::json;
use crate::mapping::Mapping;
use protection::Problem;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashSet};

const ACCOUNT_GROUP: &str = "system:serviceaccounts:";
const ACCOUNT_USER: &str = "system:serviceaccount:";
const MAX_NAME: usize = 253;

pub(super) fn role(draft: &mut Draft, mapping: &Mapping) {
    for subject in json::items_mut(&mut draft.object, &["subjects"]) {
        map_subject(subject, mapping);
    }
}

/// `foreign` are the bindings of the target that this restore did not make.
pub(super) fn cluster_role(draft: &mut Draft, mapping: &Mapping, foreign: &HashSet<String>) {
    let name = json::text(&draft.object, &["metadata", "name"]).unwrap_or("").to_owned();
    let moved: Vec<String> = json::items(&draft.object, &["subjects"])
        .iter()
        .filter_map(subject_namespace)
        .filter(|namespace| mapping.moves(namespace))
        .collect();
    let shared = moved.iter().any(|namespace| mapping.is_living(namespace)) || foreign.contains(&name);
    if shared && !moved.is_empty() {
        json::retain(&mut draft.object, &["subjects"], |subject| {
            subject_namespace(subject).is_some_and(|namespace| mapping.moves(&namespace))
        });
        let targets: BTreeSet<&str> = moved.iter().map(|namespace| mapping.target(namespace)).collect();
        let copy = copy_name(&name, &targets);
        draft.note(Problem::information(
            crate::codes::CHANGED,
            format!("Others use the cluster role binding {name}; {copy} binds the restored accounts."),
        ));
        json::set(&mut draft.object, &["metadata", "name"], Value::from(copy));
    }
    role(draft, mapping);
}

/// `<name>-<namespace>`, or a name with a hash where that would be ambiguous or too long.
fn copy_name(name: &str, targets: &BTreeSet<&str>) -> String {
    if let (1, Some(target)) = (targets.len(), targets.first()) {
        let simple = format!("{name}-{target}");
        if simple.len() <= MAX_NAME {
            return simple;
        }
    }
    let all = targets.iter().copied().collect::<Vec<_>>().join(",");
    let hash = hex::encode(Sha256::digest(format!("{name}/{all}").as_bytes()));
    let short: String = name.chars().take(MAX_NAME - 17).collect();
    format!("{short}-{}", hash.get(..16).unwrap_or(&hash))
}

/// The namespace whose accounts a subject means.
fn subject_namespace(subject: &Value) -> Option<String> {
    let name = json::text(subject, &["name"]).unwrap_or("");
    match json::text(subject, &["kind"])? {
        "ServiceAccount" => json::text(subject, &["namespace"]).map(str::to_owned),
        "Group" => name.strip_prefix(ACCOUNT_GROUP).map(str::to_owned),
        "User" => {
            let (namespace, _) = name.strip_prefix(ACCOUNT_USER)?.split_once(':')?;
            Some(namespace.to_owned())
        }
        _ => None,
    }
}

fn map_subject(subject: &mut Value, mapping: &Mapping) {
    let Some(namespace) = subject_namespace(subject).filter(|namespace| mapping.moves(namespace)) else {
        return;
    };
    let target = mapping.target(&namespace);
    if json::text(subject, &["kind"]) == Some("ServiceAccount") {
        json::set(subject, &["namespace"], Value::from(target));
        return;
    }
    let name = json::text(subject, &["name"]).unwrap_or("");
    let mapped = match name.strip_prefix(ACCOUNT_USER).and_then(|rest| rest.split_once(':')) {
        Some((_, account)) => format!("{ACCOUNT_USER}{target}:{account}"),
        None => format!("{ACCOUNT_GROUP}{target}"),
    };
    json::set(subject, &["name"], Value::from(mapped));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn mapping(living: &[&str]) -> Mapping {
        let existing = living.iter().map(|name| (*name).to_owned()).collect();
        Mapping::new(&BTreeMap::from([("shop".to_owned(), "copy".to_owned())]), &existing)
    }

    fn binding() -> Draft {
        let object = json!({
            "metadata": {"name": "readers"},
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "ServiceAccount", "name": "web", "namespace": "shop"},
                {"kind": "ServiceAccount", "name": "web", "namespace": "other"},
                {"kind": "Group", "name": "system:serviceaccounts:shop"},
                {"kind": "User", "name": "system:serviceaccount:shop:web"},
                {"kind": "User", "name": "anna"},
            ],
        });
        Draft { object, notes: Vec::new() }
    }

    #[test]
    fn every_way_to_name_an_account_follows_the_mapping() {
        let mut draft = binding();

        role(&mut draft, &mapping(&[]));

        assert_eq!(
            draft.object["subjects"],
            json!([
                {"kind": "ServiceAccount", "name": "web", "namespace": "copy"},
                {"kind": "ServiceAccount", "name": "web", "namespace": "other"},
                {"kind": "Group", "name": "system:serviceaccounts:copy"},
                {"kind": "User", "name": "system:serviceaccount:copy:web"},
                {"kind": "User", "name": "anna"},
            ])
        );
    }

    #[test]
    fn while_the_source_lives_the_copy_has_its_own_binding_and_nobody_else_in_it() {
        let mut draft = binding();

        cluster_role(&mut draft, &mapping(&["shop"]), &HashSet::new());

        assert_eq!(draft.object["metadata"]["name"], "readers-copy");
        assert_eq!(draft.object["subjects"].as_array().unwrap().len(), 3);
        assert!(draft.notes[0].message.contains("readers-copy"));
    }

    #[test]
    fn a_binding_that_is_in_the_target_already_is_not_touched_either() {
        let mut draft = binding();

        cluster_role(&mut draft, &mapping(&[]), &HashSet::from(["readers".to_owned()]));

        assert_eq!(draft.object["metadata"]["name"], "readers-copy");
    }

    #[test]
    fn without_the_source_the_binding_keeps_its_name() {
        let mut draft = binding();

        cluster_role(&mut draft, &mapping(&[]), &HashSet::new());

        assert_eq!(draft.object["metadata"]["name"], "readers");
        assert_eq!(draft.object["subjects"].as_array().unwrap().len(), 5);
    }

    #[test]
    fn a_long_name_stays_within_the_limit_and_stays_unique() {
        let long = "x".repeat(250);

        let one = copy_name(&long, &BTreeSet::from(["copy"]));
        let other = copy_name(&long, &BTreeSet::from(["another"]));

        assert!(one.len() <= MAX_NAME && other.len() <= MAX_NAME);
        assert_ne!(one, other);
    }
}
