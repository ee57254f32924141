//! How the value of a JSON patch operation gets its type: in the file it is always a string, and what the
//! string looks like decides (Velero's rule).

use serde_json::Value;

/// `1`, `true`, `null`, `{...}`, `[...]` and `"quoted"` are JSON; everything else is a string.
///
/// Returns `None` where the string begins and ends like an object, a list or a quoted string and is none.
pub(super) fn typed(text: &str) -> Option<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => Some(value),
        Err(_) if looks_like_json(text) => None,
        Err(_) => Some(Value::from(text)),
    }
}

fn looks_like_json(text: &str) -> bool {
    let text = text.trim();
    [('{', '}'), ('[', ']'), ('"', '"')]
        .iter()
        .any(|(open, close)| text.len() > 1 && text.starts_with(*open) && text.ends_with(*close))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_looks_of_the_string_give_the_type() {
        let table = [
            ("", json!("")),
            ("standard", json!("standard")),
            ("1", json!(1)),
            ("-2.5", json!(-2.5)),
            ("true", json!(true)),
            ("True", json!("True")),
            ("null", json!(null)),
            ("\"1\"", json!("1")),
            ("\"true\"", json!("true")),
            ("{\"a\": 1}", json!({"a": 1})),
            ("[1, 2]", json!([1, 2])),
            ("1Gi", json!("1Gi")),
            ("10.0.0.1", json!("10.0.0.1")),
            ("{{ template }", json!(null)),
        ];

        for (text, expected) in &table[..table.len() - 1] {
            assert_eq!(typed(text).as_ref(), Some(expected), "{text}");
        }
        assert_eq!(typed("{{ template }"), None);
        assert_eq!(typed("[1, 2"), Some(json!("[1, 2")));
    }
}
