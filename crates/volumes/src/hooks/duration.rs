//! Durations as Go writes them: `30s`, `1h15m`, `1.5s`, `250ms`. Pure.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: write it like 30s, 5m or 1h30m")]
pub struct InvalidDuration {
    /// The text.
    pub text: String,
}

/// Reads a duration that is not negative.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration { text: text.to_owned() };
    let mut rest = text.trim();
    rest = rest.strip_prefix('+').unwrap_or(rest);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at_checked(digits).ok_or_else(invalid)?;
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(letters).ok_or_else(invalid)?;
        let part = seconds(unit)
            .zip(number.parse::<f64>().ok())
            .and_then(|(seconds, count)| Duration::try_from_secs_f64(seconds * count).ok())
            .ok_or_else(invalid)?;
        sum = sum.checked_add(part).ok_or_else(invalid)?;
        rest = tail;
    }
    Ok(sum)
}

fn seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        let rows = [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("2h0m1s", 7_201_000),
            ("0", 0),
            ("+1m", 60_000),
            (".5s", 500),
        ];

        for (text, milliseconds) in rows {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in ["", "30", "-5s", "5 m", "s", "1x", "1.2.3s", "ten", "1h30", "99999999999999999999h"] {
            let error = parse_duration(text).unwrap_err();

            assert!(error.to_string().contains("30s"), "{text}");
        }
    }
}
