//! Kubernetes quantities of bytes: `10Gi`, `1500M`, `1e9`, `12884901888`.

use serde_json::Value;

/// The number of bytes, rounded up; `None` when it is not a quantity or does not fit.
pub(super) fn bytes(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => number.as_u64().or_else(|| parse(&number.to_string())),
        _ => None,
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let places = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let (times, by) = factor(suffix)?;
    let value = digits.checked_mul(times)?.div_ceil(places.checked_mul(by)?);
    u64::try_from(value).ok()
}

/// What a suffix multiplies with and divides by.
fn factor(suffix: &str) -> Option<(u128, u128)> {
    let binary = |power: u32| Some((1024_u128.pow(power), 1));
    let decimal = |power: u32| Some((1000_u128.pow(power), 1));
    match suffix {
        "" => Some((1, 1)),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "m" => Some((1, 1000)),
        "u" => Some((1, 1_000_000)),
        "n" => Some((1, 1_000_000_000)),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let ten = 10_u128.checked_pow(power.unsigned_abs().min(30))?;
            Some(if power < 0 { (1, ten) } else { (ten, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_what_kubernetes_says_they_are() {
        let table = [
            (json!("10Gi"), Some(10 * 1024 * 1024 * 1024)),
            (json!("1500M"), Some(1_500_000_000)),
            (json!("1.5Gi"), Some(1_610_612_736)),
            (json!("1e3"), Some(1000)),
            (json!("5E"), Some(5_000_000_000_000_000_000)),
            (json!("100m"), Some(1)),
            (json!("0"), Some(0)),
            (json!(512), Some(512)),
            (json!("12884901888"), Some(12_884_901_888)),
            (json!("16Ei"), None),
            (json!("ten"), None),
            (json!("-1Gi"), None),
            (json!("1 Gi"), None),
            (json!(""), None),
            (json!("."), None),
            (json!(true), None),
        ];

        for (given, expected) in table {
            assert_eq!(bytes(&given), expected, "{given}");
        }
    }
}
