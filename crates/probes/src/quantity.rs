//! Quantities of Kubernetes as whole numbers: `500m` of CPU, `256Mi` of memory.

/// Thousandths of a core.
pub(crate) fn milli(text: &str) -> u64 {
    whole(value(text) * 1_000.0)
}

/// Bytes.
pub(crate) fn bytes(text: &str) -> u64 {
    whole(value(text))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(number: f64) -> u64 {
    number.ceil() as u64
}

fn value(text: &str) -> f64 {
    let text = text.trim();
    // `1e3` and `1E3` are numbers, `1E` is an exbyte.
    if let Ok(number) = text.parse::<f64>() {
        return number;
    }
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        _ => 1.0,
    };
    number.parse::<f64>().map_or(0.0, |number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_quantity_is_one_number() {
        assert_eq!(["500m", "1", "0.5", "100u", "2"].map(milli), [500, 1_000, 500, 1, 2_000]);
        assert_eq!(
            ["256Mi", "1Gi", "1e3", "1k", "1.5Ki"].map(bytes),
            [256 << 20, 1 << 30, 1_000, 1_000, 1_536]
        );
        assert_eq!(bytes("nonsense"), 0);
    }
}
