//! Kubernetes quantities: `10Gi`, `1500M`, `500m`, `1e9`, `0.5`. Exact, without floating point.

const ONE: u128 = 1_000_000_000;

/// A quantity of bytes, rounded up; `None` when the text is none, is negative, or does not fit.
pub fn bytes(text: &str) -> Option<u64> {
    u64::try_from(billionths(text)?.div_ceil(ONE)).ok()
}

/// A quantity in billionths, the smallest step that Kubernetes knows, rounded up.
pub fn billionths(text: &str) -> Option<u128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let places = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(digits.checked_mul(unit(suffix)?)?.div_ceil(places))
}

/// What a suffix stands for, in billionths.
fn unit(suffix: &str) -> Option<u128> {
    let binary = |power: u32| Some(ONE * 1024_u128.pow(power));
    let decimal = |power: i32| 10_u128.checked_pow(u32::try_from(power.checked_add(9)?).ok()?);
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_bytes_are_rounded_up() {
        let table = [
            ("10Gi", Some(10 * 1024 * 1024 * 1024)),
            ("1500M", Some(1_500_000_000)),
            ("1.5Gi", Some(1_610_612_736)),
            ("0.5Mi", Some(524_288)),
            ("1e3", Some(1000)),
            ("5E", Some(5_000_000_000_000_000_000)),
            ("100m", Some(1)),
            ("1500m", Some(2)),
            ("0", Some(0)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("16Ei", None),
            ("ten", None),
            ("-1Gi", None),
            ("1 Gi", None),
            ("1Xi", None),
            ("99E99", None),
            ("", None),
            (".", None),
        ];

        for (given, expected) in table {
            assert_eq!(bytes(given), expected, "{given}");
        }
    }

    #[test]
    fn fractions_are_exact() {
        let rows = [
            ("1", Some(ONE)),
            ("1.5", Some(ONE * 3 / 2)),
            (".5", Some(ONE / 2)),
            ("500m", Some(ONE / 2)),
            ("1n", Some(1)),
            ("1E3", Some(1000 * ONE)),
            ("1E", Some(1_000_000_000_000_000_000 * ONE)),
            ("1.2.3", None),
            ("1GB", None),
            ("1e99", None),
        ];

        for (text, expected) in rows {
            assert_eq!(billionths(text), expected, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            bytes(&text);
        }
    }
}
