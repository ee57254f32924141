//! Findings as JUnit's XML, for continuous integration: what blocks is a failure, what was not seen is skipped.

use super::show::{Row, View};
use prerequisites::Severity;

/// The document.
pub fn document(view: &View) -> String {
    let failures = view.checks.iter().filter(|row| blocks(row)).count();
    let skipped = view.checks.iter().filter(|row| is_skipped(row)).count();
    let cases: Vec<String> = view.checks.iter().map(case).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"cofferdam preflight\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">\n{}\n</testsuite>\n</testsuites>",
        view.checks.len(),
        cases.join("\n")
    )
}

fn blocks(row: &Row) -> bool {
    row.result == "Failed" && row.severity == Severity::Block
}

fn is_skipped(row: &Row) -> bool {
    ["Skipped", "NotObservable", "NotApplicable"].contains(&row.result)
}

fn case(row: &Row) -> String {
    let fix = row.fix.as_deref().map(|fix| format!("\nfix: {fix}")).unwrap_or_default();
    let said = escaped(&format!("{}{fix}", row.evidence));
    let inside = match row {
        _ if blocks(row) => {
            format!(
                "<failure message=\"{}\" type=\"{}\">{said}</failure>",
                escaped(&row.title),
                row.code.unwrap_or("Prerequisite")
            )
        }
        _ if is_skipped(row) => format!("<skipped message=\"{}: {said}\"/>", row.result),
        _ => format!("<system-out>{}: {said}</system-out>", row.word()),
    };
    format!(
        "  <testcase classname=\"{}\" name=\"{} {}\">{inside}</testcase>",
        row.scope.name(),
        row.id,
        escaped(&row.title)
    )
}

/// Text that means itself in XML and HTML.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(one),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::view;
    use super::*;

    #[test]
    fn what_blocks_is_a_failure_and_what_nobody_saw_is_skipped_never_passed() {
        let view = view();
        let shown = document(&view);

        let not_seen = view.checks.iter().filter(|row| is_skipped(row)).count();
        assert!(shown.contains(&format!("failures=\"1\" skipped=\"{not_seen}\"")), "{shown}");
        assert!(
            shown.contains("name=\"P12 The snapshot API is served and somebody handles it.\"><failure"),
            "{shown}"
        );
        assert!(shown.contains("<skipped message=\"NotObservable: nobody &lt;looked&gt;\"/>"), "{shown}");
        assert!(!shown.contains("<looked>"), "{shown}");
    }
}
