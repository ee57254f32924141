//! What all checks of a validation come to: its phase, how many ended how, and what is wrong in one line.

use resources::{CheckReport, CheckResult, Phase, ValidateStatus};

/// Ids that the summary names of a kind.
const MOST_NAMED: usize = 8;

/// Writes the checks and what they come to into a status.
pub(super) fn up(status: &mut ValidateStatus, checks: Vec<CheckReport>) {
    let count = |wanted: &dyn Fn(&&CheckReport) -> bool| checks.iter().filter(wanted).count() as u64;
    status.phase = phase(&checks);
    status.failed = count(&|check| check.result == CheckResult::Failed);
    status.blocking = count(&|check| blocks(check));
    status.passed = count(&|check| check.result == CheckResult::Passed);
    status.not_observed = count(&|check| check.result == CheckResult::NotObservable);
    status.summary = summary(&checks);
    status.checks = checks;
}

fn blocks(check: &CheckReport) -> bool {
    check.severity == "Block" && check.result == CheckResult::Failed
}

/// `Failed` when a blocking check failed. What the operation depends on and nobody could see is a warning, never a pass;
/// what it does not depend on weighs nothing unless it failed.
fn phase(checks: &[CheckReport]) -> Phase {
    let warns = |check: &CheckReport| match check.result {
        CheckResult::Failed => true,
        CheckResult::NotObservable => check.needed,
        CheckResult::Passed | CheckResult::Skipped | CheckResult::NotApplicable => false,
    };
    if checks.iter().any(blocks) {
        Phase::Failed
    } else if checks.iter().any(warns) {
        Phase::CompletedWithWarnings
    } else {
        Phase::Completed
    }
}

/// `P12, P4 block; P13 warns; 2 not observed: P6, P20; 17 more are seen elsewhere`.
fn summary(checks: &[CheckReport]) -> String {
    let ids = |wanted: &dyn Fn(&CheckReport) -> bool| -> Vec<&str> {
        checks.iter().filter(|check| wanted(check)).map(|check| check.id.as_str()).collect()
    };
    let is_unseen = |check: &CheckReport| check.result == CheckResult::NotObservable;
    let blocking = ids(&blocks);
    let warning = ids(&|check| check.result == CheckResult::Failed && !blocks(check));
    let unseen = ids(&|check| is_unseen(check) && check.needed);
    let elsewhere = ids(&|check| is_unseen(check) && !check.needed);
    let mut said = Vec::new();
    for (ids, one, many) in [(&blocking, "blocks", "block"), (&warning, "warns", "warn")] {
        match ids.len() {
            0 => {}
            1 => said.push(format!("{} {one}", named(ids))),
            _ => said.push(format!("{} {many}", named(ids))),
        }
    }
    if !unseen.is_empty() {
        said.push(format!("{} not observed: {}", unseen.len(), named(&unseen)));
    }
    if said.is_empty() {
        said.push("nothing is wrong".to_owned());
    }
    if !elsewhere.is_empty() {
        said.push(format!("{} are not seen from inside the cluster", elsewhere.len()));
    }
    said.join("; ")
}

fn named(ids: &[&str]) -> String {
    let shown = ids.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(MOST_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, severity: &str, result: CheckResult, needed: bool) -> CheckReport {
        CheckReport {
            id: id.to_owned(),
            title: "x".to_owned(),
            severity: severity.to_owned(),
            needed,
            result,
            code: None,
            evidence: String::new(),
            objects: Vec::new(),
            total: 0,
            fix: None,
            recommended_action: Vec::new(),
        }
    }

    #[test]
    fn what_cannot_be_observed_never_counts_as_passed() {
        let cases = [
            ("Block", CheckResult::Passed, true, Phase::Completed),
            ("Block", CheckResult::Failed, true, Phase::Failed),
            ("Warn", CheckResult::Failed, true, Phase::CompletedWithWarnings),
            ("Warn", CheckResult::Failed, false, Phase::CompletedWithWarnings),
            ("Block", CheckResult::NotObservable, true, Phase::CompletedWithWarnings),
            ("Warn", CheckResult::NotObservable, false, Phase::Completed),
            ("Warn", CheckResult::Skipped, true, Phase::Completed),
            ("Block", CheckResult::NotApplicable, true, Phase::Completed),
        ];

        for (severity, result, needed, expected) in cases {
            let mut status = ValidateStatus::default();
            up(&mut status, vec![check("x", severity, result, needed)]);
            assert_eq!(status.phase, expected, "{severity} {result:?} {needed}");
            assert_eq!(status.passed, u64::from(result == CheckResult::Passed));
        }
    }

    #[test]
    fn one_line_says_all_that_is_wrong_and_what_was_not_seen() {
        let mut checks: Vec<CheckReport> =
            (0..10).map(|n| check(&format!("B{n}"), "Block", CheckResult::Failed, true)).collect();
        checks.push(check("P13", "Warn", CheckResult::Failed, true));
        checks.push(check("P6", "Block", CheckResult::NotObservable, true));
        checks.push(check("P22", "Warn", CheckResult::NotObservable, false));
        let mut status = ValidateStatus::default();

        up(&mut status, checks);

        assert_eq!(
            status.summary,
            "B0, B1, B2, B3, B4, B5, B6, B7 and 2 more block; P13 warns; 1 not observed: P6; 1 are not seen from \
             inside the cluster"
        );
        assert_eq!((status.blocking, status.failed, status.not_observed), (10, 11, 2));
    }
}
