//! Kubernetes quantities in bytes: `10Gi`, `1500M`, `1e9`, `0.5Ti`. Pure.

/// Bytes of a quantity, rounded up; nothing when the text is none.
pub fn parse_quantity(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(split)?;
    let scale = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => {
            let power = exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
            10f64.powi(power)
        }
    };
    if scale == 1.0
        && let Ok(whole) = number.parse::<u64>()
    {
        return Some(whole);
    }
    let bytes = (number.parse::<f64>().ok()? * scale).ceil();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..18e18).contains(&bytes).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_bytes_rounded_up() {
        let rows = [
            ("1Gi", Some(1 << 30)),
            ("10G", Some(10_000_000_000)),
            ("1073741825", Some(1_073_741_825)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("0.5Mi", Some(524_288)),
            ("1e3", Some(1_000)),
            ("1500m", Some(2)),
            ("12E", Some(12_000_000_000_000_000_000)),
            ("", None),
            ("Gi", None),
            ("-1Gi", None),
            ("1Xi", None),
            ("99E99", None),
        ];

        for (text, expected) in rows {
            assert_eq!(parse_quantity(text), expected, "{text}");
        }
    }
}
