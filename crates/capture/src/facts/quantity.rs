//! Quantities of bytes as objects hold them: a text, or a plain number.

use protection::quantity;
use serde_json::Value;

/// The number of bytes, rounded up; `None` when it is not a quantity or does not fit.
pub(super) fn bytes(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => quantity::bytes(text.trim()),
        Value::Number(number) => number.as_u64().or_else(|| quantity::bytes(&number.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_quantity_is_a_text_or_a_number() {
        let table = [
            (json!("10Gi"), Some(10 * 1024 * 1024 * 1024)),
            (json!(512), Some(512)),
            (json!(1e3), Some(1000)),
            (json!(true), None),
        ];

        for (given, expected) in table {
            assert_eq!(bytes(&given), expected, "{given}");
        }
    }
}
