use super::*;
use serde_json::json;

mod merging;

fn parse(yaml: &str) -> Result<Modifiers, ModifierError> {
    Modifiers::parse(&BTreeMap::from([("rules.yaml".to_owned(), yaml.to_owned())]))
}

fn kind(group: &str, resource: &str) -> ResourceType {
    ResourceType {
        group: group.into(),
        version: "v1".into(),
        kind: "Any".into(),
        resource: resource.into(),
        namespaced: true,
    }
}

fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "mysql-0", "namespace": "bar", "labels": {"foo": "bar"}},
        "spec": {"storageClassName": "premium", "accessModes": ["ReadWriteOnce"]},
    })
}

const RULES: &str = r#"
version: v1
resourceModifierRules:
- conditions:
    groupResource: persistentvolumeclaims
    resourceNameRegex: "^mysql.*$"
    namespaces: [bar, foo]
    labelSelector: {matchLabels: {foo: bar}}
    matches: [{path: "/spec/storageClassName", value: "premium"}]
  patches:
  - operation: replace
    path: "/spec/storageClassName"
    value: "standard"
- conditions: {groupResource: "*"}
  mergePatches:
  - patchData: '{"metadata":{"annotations":{"moved":"yes"},"labels":{"foo":null}}}'
"#;

#[test]
fn rules_match_the_captured_object_and_add_up() {
    let modifiers = parse(RULES).unwrap();
    let mut object = claim();

    for rule in modifiers.matching(&kind("", "persistentvolumeclaims"), &claim()) {
        rule.apply(&mut object, None).unwrap();
    }

    assert_eq!(object["spec"]["storageClassName"], "standard");
    assert_eq!(object["metadata"]["annotations"], json!({"moved": "yes"}));
    assert_eq!(object["metadata"]["labels"], json!({}));
}

#[test]
fn every_condition_must_hold() {
    let modifiers = parse(RULES).unwrap();
    let matched = |change: fn(&mut Value)| {
        let mut object = claim();
        change(&mut object);
        modifiers.matching(&kind("", "persistentvolumeclaims"), &object).len()
    };

    assert_eq!(matched(|_| {}), 2);
    assert_eq!(matched(|o| o["metadata"]["name"] = json!("redis-0")), 1);
    assert_eq!(matched(|o| o["metadata"]["namespace"] = json!("baz")), 1);
    assert_eq!(matched(|o| o["metadata"]["labels"] = json!({})), 1);
    assert_eq!(matched(|o| o["spec"] = json!({})), 1);
}

#[test]
fn a_star_does_not_reach_over_a_dot() {
    let rules = |pattern: &str| {
        let yaml =
            format!("version: v1\nresourceModifierRules:\n- conditions: {{groupResource: \"{pattern}\"}}\n");
        let modifiers = parse(&yaml).unwrap();
        let core = modifiers.matching(&kind("", "pods"), &claim()).len();
        let apps = modifiers.matching(&kind("apps", "deployments"), &claim()).len();
        (core, apps)
    };

    assert_eq!(rules("*"), (1, 0));
    assert_eq!(rules("*.apps"), (0, 1));
    assert_eq!(rules("deployments.*"), (0, 1));
    assert_eq!(rules("pods"), (1, 0));
    assert_eq!(rules("{pods,deployments.apps}"), (1, 1));
    assert_eq!(rules("pod?"), (1, 0));
}

#[test]
fn every_operation_does_what_rfc_6902_says() {
    let modifiers = parse(
        r#"
version: v1
resourceModifierRules:
- conditions: {groupResource: persistentvolumeclaims}
  patches:
  - {operation: test, path: /spec/storageClassName, value: premium}
  - {operation: copy, from: /spec/storageClassName, path: /metadata/labels/class}
  - {operation: move, from: /metadata/labels/foo, path: /metadata/labels/was}
  - {operation: remove, path: /spec/accessModes}
  - {operation: add, path: /spec/count, value: 3}
  - {operation: add, path: /spec/text, value: "\"3\""}
"#,
    )
    .unwrap();
    let mut object = claim();

    for rule in modifiers.matching(&kind("", "persistentvolumeclaims"), &claim()) {
        rule.apply(&mut object, None).unwrap();
    }

    assert_eq!(object["metadata"]["labels"], json!({"class": "premium", "was": "bar"}));
    assert_eq!(object["spec"], json!({"storageClassName": "premium", "count": 3, "text": "3"}));
}

#[test]
fn a_failed_test_changes_nothing_and_a_missing_path_is_an_error() {
    let rule = |operations: &str| {
        let yaml = format!(
            "version: v1\nresourceModifierRules:\n- conditions: {{groupResource: pods}}\n  patches: {operations}\n"
        );
        parse(&yaml).unwrap().rules.remove(0)
    };
    let mut object = claim();
    let failed_test =
        rule("[{operation: remove, path: /spec}, {operation: test, path: /metadata/name, value: other}]");
    let missing = rule("[{operation: replace, path: /spec/nothing/here, value: x}]");

    let unchanged = failed_test.apply(&mut object, None);
    let error = missing.apply(&mut object, None).unwrap_err();

    assert_eq!(unchanged, Ok(()));
    assert_eq!(object, claim());
    assert_eq!(error.line, 3);
    assert!(error.to_string().contains("/spec/nothing/here"), "{error}");
}

#[test]
fn a_modifier_may_choose_another_version_and_not_another_kind() {
    let rule = |patch: &str| {
        let yaml = format!(
            "version: v1\nresourceModifierRules:\n- conditions: {{groupResource: pods}}\n  mergePatches: [{{patchData: '{patch}'}}]\n"
        );
        parse(&yaml).unwrap().rules.remove(0)
    };
    let mut object = json!({"apiVersion": "example.com/v1beta1", "kind": "Widget"});

    let version = rule(r#"{"apiVersion": "example.com/v1"}"#).apply(&mut object, None);
    let kind = rule(r#"{"kind": "Gadget"}"#).apply(&mut object, None);

    assert_eq!(version, Ok(()));
    assert!(kind.is_err());
    assert_eq!(object, json!({"apiVersion": "example.com/v1", "kind": "Widget"}));
}

#[test]
fn mistakes_are_named_with_their_line() {
    let rule = "version: v1\nresourceModifierRules:\n- conditions:\n    groupResource: pods\n";
    let table = [
        ("version: v2\nresourceModifierRules: [{conditions: {groupResource: pods}}]\n".to_owned(), 1, "v2"),
        ("version: v1\nresourceModifierRules: []\n".to_owned(), 2, "no rule"),
        (format!("{rule}    resourceNameRegexp: x\n"), 5, "resourceNameRegexp"),
        (format!("{rule}    resourceNameRegex: '('\n"), 4, "resourceNameRegex"),
        (format!("{rule}    labelSelector: {{matchLabel: {{a: b}}}}\n"), 5, "matchLabel"),
        (format!("{rule}  patches:\n  - operation: replce\n    path: /a\n    value: b\n"), 6, "replce"),
        (format!("{rule}  patches:\n  - operation: add\n    path: a/b\n    value: b\n"), 7, "a/b"),
        (format!("{rule}  patches:\n  - operation: add\n    path: ''\n    value: b\n"), 7, "empty"),
        (format!("{rule}  patches:\n  - operation: copy\n    path: /a\n"), 6, "from"),
        (format!("{rule}  patches:\n  - operation: add\n    path: /a\n    value: '{{x}}'\n"), 8, "JSON"),
        (format!("{rule}  patches:\n  - operation: add\n    path: /a\n    value: {{x: y}}\n"), 8, ""),
        (format!("{rule}  mergePatches:\n  - patchData: '[]'\n"), 6, "not a map"),
        (
            format!(
                "{rule}  patches: [{{operation: remove, path: /a}}]\n  mergePatches: [{{patchData: '{{}}'}}]\n"
            ),
            3,
            "not several",
        ),
        (
            "version: v1\nresourceModifierRules:\n- conditions:\n    groupResource: ''\n".to_owned(),
            4,
            "groupResource",
        ),
        ("version: v1\nresourceModifierRules:\n- patches: []\n".to_owned(), 3, "conditions"),
    ];

    for (yaml, line, word) in table {
        let error = parse(&yaml).expect_err(&yaml);

        assert_eq!(error.line, Some(line), "{error}\n{yaml}");
        assert!(error.to_string().contains(word), "{error}\n{yaml}");
    }
}

#[test]
fn a_config_map_has_exactly_one_data_key() {
    let none = Modifiers::parse(&BTreeMap::new()).unwrap_err();
    let two =
        Modifiers::parse(&BTreeMap::from([("a".to_owned(), String::new()), ("b".to_owned(), String::new())]))
            .unwrap_err();

    assert!(none.to_string().contains("has 0"), "{none}");
    assert!(two.to_string().contains("has 2"), "{two}");
}
