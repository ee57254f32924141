use super::*;
use serde_json::json;

fn rules() -> BTreeMap<String, SettingRule> {
    serde_json::from_value(json!({
        "resources.limits.memory": {"type": "quantity", "default": "1280Mi", "aliases": ["memoryLimit"]},
        "replicas": {"type": "integer", "default": 1, "minimum": 1, "maximum": 10},
        "restore.enabled": {"type": "boolean", "default": true},
        "bucket": {"type": "string", "required": true, "maxLength": 8},
        "secretName": {"type": "name"},
        "provider": {"type": "string", "choices": ["azure", "aws"]},
        "key": {"type": "string", "protected": true},
    }))
    .unwrap()
}

fn map(value: Value) -> BTreeMap<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[test]
fn values_get_their_types_and_defaults_and_short_keys_count() {
    let open = map(json!({"memoryLimit": "2Gi", "replicas": "3", "bucket": " b ", "provider": ""}));

    let judged = judge(&rules(), &open, &BTreeMap::new()).unwrap();

    let expected =
        json!({"resources.limits.memory": "2Gi", "replicas": 3, "restore.enabled": true, "bucket": "b"});
    assert_eq!(judged.values, map(expected));
    assert_eq!(judged.statuses, []);
}

#[test]
fn a_key_that_nobody_knows_is_dropped_with_a_warning() {
    let open = map(json!({"bucket": "b", "resources.limits.memroy": "1", "evil\u{1b}[2J": "x"}));

    let judged = judge(&rules(), &open, &BTreeMap::new()).unwrap();

    assert_eq!(judged.statuses.len(), 2);
    assert!(
        judged
            .statuses
            .iter()
            .all(|status| status.code == "UnknownSetting" && status.level == Level::Warning)
    );
    assert!(judged.statuses.iter().all(|status| !status.message.contains('\u{1b}')));
    assert!(!judged.values.contains_key("resources.limits.memroy"));
}

#[test]
fn every_bad_value_is_named_at_once_and_no_secret_is_repeated() {
    let open = map(json!({"memoryLimit": "much", "replicas": "11", "restore.enabled": "perhaps",
        "secretName": "../x", "provider": "gopher", "bucket": "123456789"}));
    let protected = map(json!({"key": "hunter2\u{7}"}));

    let error = judge(&rules(), &open, &protected).unwrap_err();

    for key in
        ["resources.limits.memory", "replicas", "restore.enabled", "secretName", "provider", "bucket", "key"]
    {
        assert!(error.what.contains(&format!("setting {key} ")), "{key}: {}", error.what);
    }
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn a_secret_that_was_given_openly_is_used_and_warned_of() {
    let open = map(json!({"bucket": "b", "key": "s"}));

    let judged = judge(&rules(), &open, &BTreeMap::new()).unwrap();

    assert_eq!(
        judged.statuses.first().map(|status| status.code.as_str()),
        Some("ProtectedSettingGivenOpenly")
    );
    assert_eq!(judged.values.get("key"), Some(&json!("s")));
}

#[test]
fn what_is_required_and_missing_is_said() {
    let error = judge(&rules(), &BTreeMap::new(), &BTreeMap::new()).unwrap_err();

    assert!(error.what.contains("setting bucket is missing"), "{}", error.what);
}

#[test]
fn quantities_are_those_of_kubernetes() {
    for good in ["0", "1", "500m", "1.5", "1280Mi", "2Gi", "10k"] {
        assert!(is_quantity(good), "{good}");
    }
    for bad in ["", "m", "1 Gi", "1gi", ".5", "5.", "1.2.3", "-1", "1Mi\n", "9999999999999999999"] {
        assert!(!is_quantity(bad), "{bad:?}");
    }
}
