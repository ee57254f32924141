//! The table of preflight, and what was aimed at. Pure.

use super::{most, provenance};
use crate::results::Preflight;
use crate::statistics::number;

/// Seconds at most, and MiB.
const AIMS: (f64, f64) = (10.0, 100.0);

/// The table.
pub fn table(one: &Preflight) -> String {
    format!(
        "| Objects | seconds | peak MiB | checks that passed or are not applicable |\n|---:|---:|---:|---:|\n\
         | {} | {} | {} | {} of {} |\n\nMeasured {}.",
        number(one.objects as f64),
        one.seconds.shown(),
        most(&one.peak),
        one.well.0,
        one.well.1,
        provenance(&one.environment)
    )
}

/// Whether it is fast and small enough; the worst of all rounds counts.
pub fn targets(one: &Preflight) -> Vec<String> {
    let row = |name: &str, value: Option<f64>, aim: f64| {
        let value = value?;
        let verdict = if value < aim { "met" } else { "**missed**" };
        let objects = number(one.objects as f64);
        Some(format!("| preflight of {objects} objects | {name} | < {aim} | {} | {verdict} |", number(value)))
    };
    let rows = [row("seconds", one.seconds.most(), AIMS.0), row("peak MiB", one.peak.most(), AIMS.1)];
    rows.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_round_is_judged() {
        let mut one = Preflight { objects: 20_000, well: (30, 54), ..Preflight::default() };
        for (seconds, peak) in [(2.0, 60.0), (11.0, 70.0), (3.0, 65.0)] {
            one.seconds.add(seconds);
            one.peak.add(peak);
        }

        let rows = targets(&one);

        assert_eq!(rows[0], "| preflight of 20,000 objects | seconds | < 10 | 11.0 | **missed** |");
        assert_eq!(rows[1], "| preflight of 20,000 objects | peak MiB | < 100 | 70.0 | met |");
        assert!(table(&one).contains("30 of 54"));
    }
}
