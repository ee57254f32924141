//! A CustomResourceDefinition says in today's words that unknown fields are kept, and its conversion webhook
//! follows a mapped Service.

use super::{Draft, extensions};
use crate::json;
use crate::mapping::Mapping;
use serde_json::Value;

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

pub(super) fn apply(draft: &mut Draft, mapping: &Mapping) {
    if json::is_true(&draft.object, &["spec", "preserveUnknownFields"]) {
        for version in json::items_mut(&mut draft.object, &["spec", "versions"]) {
            let schema = &["schema", "openAPIV3Schema"];
            if json::at(version, schema).is_none() {
                json::set(version, &["schema", "openAPIV3Schema", "type"], Value::from("object"));
            }
            json::set(version, &["schema", "openAPIV3Schema", PRESERVE], Value::from(true));
        }
    }
    json::take(&mut draft.object, &["spec", "preserveUnknownFields"]);
    let service = &["spec", "conversion", "webhook", "clientConfig", "service", "namespace"];
    let moved = extensions::map_service(&mut draft.object, service, mapping);
    extensions::certificate_note(draft, &moved.into_iter().collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_old_way_to_keep_unknown_fields_becomes_the_new_one() {
        let object = json!({"spec": {
            "preserveUnknownFields": true,
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"type": "object"}}}, {"name": "v2"}],
        }});
        let mut draft = Draft { object, notes: Vec::new() };

        apply(&mut draft, &Mapping::default());

        assert_eq!(
            draft.object,
            json!({"spec": {"versions": [
                {"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", PRESERVE: true}}},
                {"name": "v2", "schema": {"openAPIV3Schema": {"type": "object", PRESERVE: true}}},
            ]}})
        );
    }
}
