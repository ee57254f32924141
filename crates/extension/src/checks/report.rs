//! A finding of the catalogue as a custom resource lists it.

use prerequisites::{Finding, Outcome, Severity};
use resources::{CheckReport, CheckResult};

/// Nothing for a check that does not apply here.
pub(super) fn listed(finding: Finding) -> Option<CheckReport> {
    let severity = match finding.outcome {
        Outcome::Failed { severity } => severity,
        _ => finding.severity,
    };
    let (result, evidence) = match finding.outcome {
        Outcome::Passed => (CheckResult::Passed, finding.evidence),
        Outcome::Failed { .. } => (CheckResult::Failed, finding.evidence),
        Outcome::Skipped { .. } => (CheckResult::Skipped, finding.evidence),
        Outcome::NotObservable { why } => (CheckResult::NotObservable, why),
        Outcome::NotApplicable { .. } => return None,
    };
    Some(CheckReport {
        id: finding.id,
        title: finding.title,
        severity: name(severity).to_owned(),
        result,
        evidence,
        fix: finding.fix,
    })
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Block => "Block",
        Severity::Warn => "Warn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_weighs_what_it_weighs_here_and_the_reason_is_the_evidence() {
        let finding = |outcome| Finding {
            id: "P11".into(),
            title: "t".into(),
            reason: "r".into(),
            severity: Severity::Block,
            outcome,
            evidence: String::new(),
            fix: None,
        };

        let weak = listed(finding(Outcome::Failed { severity: Severity::Warn })).unwrap();
        let unseen = listed(finding(Outcome::NotObservable { why: "denied".into() })).unwrap();
        let elsewhere = listed(finding(Outcome::NotApplicable { why: "no target".into() }));

        assert_eq!((weak.severity.as_str(), weak.result), ("Warn", CheckResult::Failed));
        assert_eq!((unseen.evidence.as_str(), unseen.result), ("denied", CheckResult::NotObservable));
        assert!(elsewhere.is_none());
    }
}
