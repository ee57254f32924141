//! Admission webhooks and APIServices point at the mapped Service. Whether an existing one may be changed at
//! all is decided later.

use super::{Draft, policies};
use crate::json;
use crate::mapping::Mapping;
use protection::Problem;
use serde_json::Value;

pub(super) fn webhooks(draft: &mut Draft, mapping: &Mapping) {
    let mut moved = Vec::new();
    let mut named = Vec::new();
    for webhook in json::items_mut(&mut draft.object, &["webhooks"]) {
        moved.extend(map_service(webhook, &["clientConfig", "service", "namespace"], mapping));
        if let Some(selector) = json::at(webhook, &["namespaceSelector"]) {
            named.extend(policies::moved_names(selector, mapping));
        }
        // Only these two are accepted since admissionregistration.k8s.io/v1.
        let effects = json::text(webhook, &["sideEffects"]);
        if effects.is_some_and(|effects| !matches!(effects, "None" | "NoneOnDryRun")) {
            json::set(webhook, &["sideEffects"], Value::from("None"));
        }
    }
    let parameters = &["spec", "paramRef", "namespace"];
    if let Some(namespace) = json::text(&draft.object, parameters) {
        let target = Value::from(mapping.target(namespace));
        json::set(&mut draft.object, parameters, target);
    }
    if let Some(selector) = json::at(&draft.object, &["spec", "matchResources", "namespaceSelector"]) {
        named.extend(policies::moved_names(selector, mapping));
    }
    certificate_note(draft, &moved);
    policies::report(draft, named, "The admission rule");
}

pub(super) fn api_service(draft: &mut Draft, mapping: &Mapping) {
    let moved = map_service(&mut draft.object, &["spec", "service", "namespace"], mapping);
    certificate_note(draft, &moved.into_iter().collect::<Vec<_>>());
}

/// Points a reference to a mapped namespace at the target; returns the original namespace if it did.
pub(super) fn map_service(value: &mut Value, path: &[&str], mapping: &Mapping) -> Option<String> {
    let namespace = json::text(value, path).filter(|namespace| mapping.moves(namespace))?.to_owned();
    json::set(value, path, Value::from(mapping.target(&namespace)));
    Some(namespace)
}

/// The serving certificate was issued for the old name of the Service.
pub(super) fn certificate_note(draft: &mut Draft, moved: &[String]) {
    if let Some(namespace) = moved.first() {
        draft.note(
            Problem::warning(
                crate::codes::CHANGED,
                format!(
                    "It now points at the Service in the new namespace; a serving certificate for \
                     *.{namespace}.svc does not cover that name."
                ),
            )
            .fix(
                "Renew the certificate and its CA bundle, unless something in the cluster does so by itself.",
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    fn mapping() -> Mapping {
        Mapping::new(&BTreeMap::from([("shop".into(), "copy".into())]), &BTreeSet::new())
    }

    #[test]
    fn a_webhook_follows_its_service_and_the_certificate_is_named() {
        let object = json!({"webhooks": [
            {"clientConfig": {"service": {"namespace": "shop", "name": "hook"}}, "sideEffects": "Some"},
            {"clientConfig": {"url": "https://example.com"}, "sideEffects": "NoneOnDryRun"},
        ]});
        let mut draft = Draft { object, notes: Vec::new() };

        webhooks(&mut draft, &mapping());

        assert_eq!(
            draft.object,
            json!({"webhooks": [
                {"clientConfig": {"service": {"namespace": "copy", "name": "hook"}}, "sideEffects": "None"},
                {"clientConfig": {"url": "https://example.com"}, "sideEffects": "NoneOnDryRun"},
            ]})
        );
        assert!(draft.notes[0].message.contains("*.shop.svc"));
    }

    #[test]
    fn an_api_service_elsewhere_is_untouched() {
        let object = json!({"spec": {"service": {"namespace": "metrics", "name": "m"}}});
        let mut draft = Draft { object: object.clone(), notes: Vec::new() };

        api_service(&mut draft, &mapping());

        assert_eq!(draft.object, object);
        assert!(draft.notes.is_empty());
    }
}
