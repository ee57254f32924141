//! How findings are printed.

use prerequisites::{Finding, Outcome, Profile, Report, Severity};
use serde::Serialize;
use std::fmt::Write;

/// A report as JSON and YAML show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    profile: Profile,
    /// Nothing blocks.
    ready: bool,
    summary: String,
    checks: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    title: String,
    reason: String,
    severity: Severity,
    result: &'static str,
    evidence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl View {
    /// The report as it is printed.
    pub fn of(report: &Report, profile: Profile) -> Self {
        Self {
            profile,
            ready: report.blocking().next().is_none(),
            summary: summary(report),
            checks: report.findings.iter().map(row).collect(),
        }
    }
}

fn row(finding: &Finding) -> Row {
    let (result, severity, evidence) = match &finding.outcome {
        Outcome::Passed => ("Passed", finding.severity, &finding.evidence),
        Outcome::Failed { severity } => ("Failed", *severity, &finding.evidence),
        Outcome::Skipped { .. } => ("Skipped", finding.severity, &finding.evidence),
        Outcome::NotObservable { why } => ("NotObservable", finding.severity, why),
    };
    Row {
        id: finding.id.clone(),
        title: finding.title.clone(),
        reason: finding.reason.clone(),
        severity,
        result,
        evidence: evidence.clone(),
        fix: finding.fix.clone(),
    }
}

/// One word per result, as the table shows it.
fn word(row: &Row) -> &'static str {
    match (row.result, row.severity) {
        ("Passed", _) => "ok",
        ("Failed", Severity::Block) => "BLOCKS",
        ("Failed", Severity::Warn) => "warns",
        ("Skipped", _) => "skipped",
        _ => "not seen",
    }
}

/// Id, result and title in columns; what was seen and what to do below.
pub fn text(view: &View) -> String {
    let mut text = format!("{:<5} {:<9} CHECK\n", "ID", "RESULT");
    for row in &view.checks {
        push(&mut text, format_args!("{:<5} {:<9} {}", row.id, word(row), row.title));
        if !row.evidence.is_empty() {
            push(&mut text, format_args!("{:<15} seen: {}", "", row.evidence));
        }
        if let Some(fix) = &row.fix {
            push(&mut text, format_args!("{:<15} fix:  {fix}", ""));
        }
    }
    text.push('\n');
    text.push_str(&view.summary);
    text
}

/// Writing into a `String` cannot fail.
fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    if writeln!(text, "{line}").is_err() {
        text.push('\n');
    }
}

/// `9 ok, 1 blocks (P12), 1 not seen (P15)`.
pub fn summary(report: &Report) -> String {
    let rows: Vec<Row> = report.findings.iter().map(row).collect();
    let ids = |wanted: &str| -> Vec<&str> {
        rows.iter().filter(|row| word(row) == wanted).map(|row| row.id.as_str()).collect()
    };
    let mut parts = vec![format!("{} ok", ids("ok").len())];
    for (wanted, shown) in
        [("BLOCKS", "blocks"), ("warns", "warns"), ("skipped", "skipped"), ("not seen", "not seen")]
    {
        let ids = ids(wanted);
        if !ids.is_empty() {
            parts.push(format!("{} {shown} ({})", ids.len(), ids.join(", ")));
        }
    }
    parts.join(", ")
}

/// The findings that block and are not in `skipped`, and those that are.
pub fn blocking_of<'a>(report: &'a Report, skipped: &[String]) -> (Vec<&'a Finding>, Vec<&'a Finding>) {
    let is_skipped = |finding: &&Finding| skipped.iter().any(|id| *id == finding.id || id == "all");
    report.blocking().partition(|finding| !is_skipped(finding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, outcome: Outcome) -> Finding {
        Finding {
            id: id.into(),
            title: format!("{id} holds."),
            reason: "r".into(),
            severity: Severity::Block,
            outcome,
            evidence: "this".into(),
            fix: Some("do that".into()),
        }
    }

    fn report() -> Report {
        Report {
            findings: vec![
                Finding { fix: None, ..finding("P11", Outcome::Passed) },
                finding("P12", Outcome::Failed { severity: Severity::Block }),
                finding("P15", Outcome::NotObservable { why: "nobody looked".into() }),
            ],
        }
    }

    #[test]
    fn the_table_shows_evidence_and_fix_below_each_check() {
        let shown = text(&View::of(&report(), Profile::Generic));

        assert!(shown.contains("P11   ok        P11 holds.\n                seen: this\n"), "{shown}");
        assert!(shown.contains(
            "P12   BLOCKS    P12 holds.\n                seen: this\n                fix:  do that"
        ));
        assert!(shown.contains("P15   not seen  P15 holds.\n                seen: nobody looked"), "{shown}");
        assert!(shown.ends_with("1 ok, 1 blocks (P12), 1 not seen (P15)"), "{shown}");
    }

    #[test]
    fn an_override_names_what_it_skips() {
        let report = report();

        let left = |skipped: &[&str]| {
            let skipped: Vec<String> = skipped.iter().map(|id| (*id).to_owned()).collect();
            let (blocking, skipped) = blocking_of(&report, &skipped);
            (blocking.len(), skipped.len())
        };

        assert_eq!(
            [left(&[]), left(&["P12"]), left(&["all"]), left(&["P4"])],
            [(1, 0), (0, 1), (0, 1), (1, 0)]
        );
    }
}
