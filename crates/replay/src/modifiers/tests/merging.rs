//! Strategic merges against a schema in memory. The API server's own results are compared with ours in
//! `tests/strategic_merge.rs`.

use super::*;
use proptest::prelude::*;

fn schemas() -> Schemas {
    Schemas::read(&json!({"components": {"schemas": {
        "Pod": {
            "properties": {"spec": {"allOf": [{"$ref": "#/components/schemas/Spec"}]}},
            "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}],
        },
        "Spec": {"properties": {
            "containers": {
                "type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/Container"}]},
                "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
            },
            "finalizers": {"type": "array", "x-kubernetes-patch-strategy": "merge"},
            "args": {"type": "array"},
            "strategy": {"$ref": "#/components/schemas/Strategy"},
        }},
        "Container": {"properties": {
            "env": {
                "type": "array", "items": {"$ref": "#/components/schemas/Env"},
                "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "name",
            },
        }},
        "Env": {"properties": {"value": {"type": "string"}}},
        "Strategy": {"properties": {"type": {"type": "string"}, "rolling": {"type": "object"}}},
    }}}))
}

fn merged(spec: Value, patch: Value) -> Result<Value, MergeError> {
    let schemas = schemas();
    let mut object = json!({"spec": spec});
    strategic_merge(&mut object, &json!({"spec": patch}), &schemas.kind("", "v1", "Pod").unwrap())?;
    Ok(object["spec"].take())
}

#[test]
fn lists_of_maps_merge_by_their_key_and_new_elements_come_first() {
    let spec = json!({"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}]});

    let result = merged(
        spec,
        json!({"containers": [
            {"name": "b", "image": "2"},
            {"name": "a", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": null}]},
        ]}),
    );

    assert_eq!(
        result.unwrap(),
        json!({"containers": [
            {"name": "b", "image": "2"},
            {"name": "a", "image": "1", "env": [{"name": "Y", "value": "2"}, {"name": "X"}]},
        ]})
    );
}

#[test]
fn directives_delete_replace_and_retain() {
    let table = [
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b"}]}),
        ),
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({"containers": [{"$patch": "replace"}, {"name": "c", "env": null}]}),
            json!({"containers": [{"name": "c"}]}),
        ),
        (
            json!({"strategy": {"type": "Rolling", "rolling": {"surge": 1}}}),
            json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
            json!({"strategy": {"type": "Recreate"}}),
        ),
        (
            json!({"strategy": {"type": "Rolling", "rolling": {"surge": 1}}}),
            json!({"strategy": {"$patch": "replace", "type": "Recreate"}}),
            json!({"strategy": {"type": "Recreate"}}),
        ),
        (
            json!({"strategy": {"type": "Rolling"}}),
            json!({"strategy": {"$patch": "delete"}}),
            json!({"strategy": {}}),
        ),
        (
            json!({"finalizers": ["a", "b", "c"]}),
            json!({"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}),
            json!({"finalizers": ["d", "a", "c"]}),
        ),
        (
            json!({"finalizers": ["a", "b"]}),
            json!({"$setElementOrder/finalizers": ["b", "a"]}),
            json!({"finalizers": ["b", "a"]}),
        ),
        (
            json!({"containers": [{"name": "a"}, {"name": "b"}]}),
            json!({
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "containers": [{"name": "a", "image": "2"}],
            }),
            json!({"containers": [{"name": "b"}, {"name": "a", "image": "2"}]}),
        ),
        (json!({"args": ["a", "b"]}), json!({"args": ["c"]}), json!({"args": ["c"]})),
        (json!({"unknown": {"x": 1, "y": 2}}), json!({"unknown": {"x": null}}), json!({"unknown": {"y": 2}})),
    ];

    for (spec, patch, expected) in table {
        assert_eq!(merged(spec, patch.clone()).unwrap(), expected, "{patch}");
    }
}

#[test]
fn a_patch_that_makes_no_sense_is_refused() {
    let spec = json!({"containers": [{"name": "a"}], "strategy": {"type": "Rolling"}});
    let table = [
        json!({"containers": [{"image": "x"}]}),
        json!({"containers": ["plain"]}),
        json!({"strategy": {"$patch": "destroy"}}),
        json!({"strategy": {"$retainKeys": ["type"], "rolling": {}}}),
        json!({"$deleteFromPrimitiveList/finalizers": "a", "finalizers": []}),
        json!({"containers": [{"$patch": "delete"}]}),
    ];

    for patch in table {
        let mut spec = spec.clone();
        spec["finalizers"] = json!(["a"]);
        assert!(merged(spec, patch.clone()).is_err(), "{patch}");
    }
}

fn containers() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::btree_map("[a-d]", "[0-9]", 0..4)
        .prop_map(|map| map.into_iter().map(|(name, image)| json!({"name": name, "image": image})).collect())
}

proptest! {
    #[test]
    fn every_named_element_is_as_the_patch_says_and_no_other_is_lost(
        old in containers(), change in containers()
    ) {
        let result = merged(json!({"containers": old}), json!({"containers": change})).unwrap();

        let result = result["containers"].as_array().unwrap();
        for element in &change {
            prop_assert!(result.contains(element));
        }
        for element in &old {
            prop_assert!(result.iter().any(|other| other["name"] == element["name"]));
        }
        let mut names: Vec<_> = result.iter().map(|element| element["name"].to_string()).collect();
        names.sort();
        names.dedup();
        prop_assert_eq!(names.len(), result.len());
    }

    #[test]
    fn a_patch_applied_twice_is_a_patch_applied_once(old in containers(), change in containers()) {
        let patch = json!({"containers": change});

        let once = merged(json!({"containers": old}), patch.clone()).unwrap();
        let twice = merged(once.clone(), patch).unwrap();

        prop_assert_eq!(once, twice);
    }
}
