use super::*;
use serde_json::json;

fn values() -> Values {
    Values {
        settings: BTreeMap::from([
            ("text".to_owned(), json!("a\n- b: {\"$setting\": \"number\"}")),
            ("number".to_owned(), json!(3)),
            ("on".to_owned(), json!(true)),
        ]),
        agent: BTreeMap::from([("namespace", "backups".to_owned())]),
    }
}

fn filled(node: Value) -> Option<Value> {
    let mut left = 10_000;
    fill(&node, &values(), &mut left).unwrap()
}

#[test]
fn places_are_replaced_by_typed_values_and_nothing_else_happens_to_them() {
    let node = json!({
        "replicas": {"$setting": "number"},
        "text": {"$setting": "text"},
        "args": ["run", {"$concat": ["--namespace=", {"$agent": "namespace"}, "/", {"$setting": "number"}]}],
        "kept": {"$literal": {"$setting": "number"}},
    });

    let object = filled(node).unwrap();

    assert_eq!(
        object,
        json!({
            "replicas": 3,
            "text": "a\n- b: {\"$setting\": \"number\"}",
            "args": ["run", "--namespace=backups/3"],
            "kept": {"$setting": "number"},
        })
    );
}

#[test]
fn what_has_no_value_is_left_out() {
    let node = json!({
        "field": {"$setting": "absent"},
        "list": [1, {"$agent": "clientId"}, {"$concat": ["x", {"$setting": "absent"}]}, 2],
        "chosen": {"$if": {"equals": {"setting": "on", "value": true}}, "then": "yes", "else": "no"},
        "other": {"$if": {"set": "absent"}, "then": "yes", "else": "no"},
        "gone": {"$if": {"known": "clientId"}, "then": "yes"},
    });

    let object = filled(node).unwrap();

    assert_eq!(object, json!({"list": [1, 2], "chosen": "yes", "other": "no"}));
}

#[test]
fn any_of_several_conditions_is_enough() {
    let any = |of: Value| filled(json!({"x": {"$if": {"any": of}, "then": "yes"}})).unwrap();

    assert_eq!(any(json!([{"set": "absent"}, {"known": "namespace"}])), json!({"x": "yes"}));
    assert_eq!(any(json!([{"set": "absent"}, {"known": "httpsProxy"}])), json!({}));
    for wrong in [json!([]), json!([{"set": "absent"}]), json!([{"known": "nothing"}])] {
        let condition: Condition = serde_json::from_value(json!({"any": wrong})).unwrap();
        assert!(condition.check(&BTreeMap::new()).is_err(), "{wrong}");
    }
}

#[test]
fn few_bytes_of_a_package_cannot_become_many() {
    let parts = vec![json!({"$setting": "big"}); 200];
    let package: Package = serde_json::from_value(json!({
        "formatVersion": 1, "type": "example.bomb", "version": "1.0.0", "releaseTrain": "stable", "namespace": "n",
        "settings": {"big": {"type": "string"}},
        "objects": [{"resource": "configmaps", "object": {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "bomb", "namespace": {"$agent": "namespace"}},
            "data": {"x": {"$concat": parts}},
        }}],
    }))
    .unwrap();
    let values = Values {
        settings: BTreeMap::from([("big".to_owned(), json!("x".repeat(16 << 10)))]),
        agent: BTreeMap::from([("namespace", "n".to_owned())]),
    };

    let error = render(&package, &values).unwrap_err();

    assert_eq!(error.code, code::RENDER);
}

#[test]
fn objects_that_are_not_wanted_are_left_out_and_the_others_know_their_place() {
    let package: Package = serde_json::from_value(json!({
        "formatVersion": 1, "type": "example.two", "version": "1.0.0", "releaseTrain": "stable", "namespace": "n",
        "settings": {"on": {"type": "boolean"}},
        "objects": [
            {"resource": "namespaces", "object": {"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": {"$agent": "namespace"}}}},
            {"resource": "roles", "when": {"equals": {"setting": "on", "value": false}},
             "object": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"name": "r", "namespace": {"$agent": "namespace"}}}},
        ],
    }))
    .unwrap();
    package.check().unwrap();

    let objects = render(&package, &values()).unwrap();

    assert_eq!(objects.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), ["Namespace backups"]);
}

#[test]
fn a_namespace_that_is_no_name_never_becomes_part_of_a_url() {
    let package: Package = serde_json::from_value(json!({
        "formatVersion": 1, "type": "example.two", "version": "1.0.0", "releaseTrain": "stable", "namespace": "n",
        "objects": [{"resource": "roles", "object": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "r", "namespace": {"$agent": "namespace"}}}}],
    }))
    .unwrap();
    let values =
        Values { agent: BTreeMap::from([("namespace", "../kube-system".to_owned())]), ..Values::default() };

    assert_eq!(render(&package, &values).unwrap_err().code, code::RENDER);
}
