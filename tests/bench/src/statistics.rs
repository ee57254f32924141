//! What is said of several measurements of one thing: the middle one, the least and the most. Pure.

use serde::{Deserialize, Serialize};

/// Measurements of one thing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Adds a measurement.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one; of an even number the lower of the two in the middle.
    pub fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }

    /// The largest.
    pub fn most(&self) -> Option<f64> {
        self.sorted().last().copied()
    }

    /// The median with the least and the most behind it, without decimals when the numbers are large.
    pub fn shown(&self) -> String {
        let sorted = self.sorted();
        match (self.median(), sorted.first(), sorted.last()) {
            (Some(median), Some(least), Some(most)) if sorted.len() > 1 => {
                format!("{} ({}–{})", number(median), number(*least), number(*most))
            }
            (Some(median), ..) => number(median),
            _ => "–".to_owned(),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// A number as people read it: 12,345 or 1.23.
pub fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_told_with_its_spread() {
        let mut sample = Sample::default();
        for value in [12_000.0, 9_000.4, 10_500.0] {
            sample.add(value);
        }

        assert_eq!(sample.median(), Some(10_500.0));
        assert_eq!(sample.shown(), "10,500 (9,000–12,000)");
        assert_eq!(Sample::default().shown(), "–");
    }

    #[test]
    fn small_numbers_keep_their_decimals() {
        assert_eq!([0.714, 23.44, 999.6, 1_234_567.0].map(number), ["0.71", "23.4", "1,000", "1,234,567"]);
    }
}
