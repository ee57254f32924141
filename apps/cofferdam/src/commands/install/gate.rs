//! Stops an installation that cannot succeed, before anything is written.

use crate::note;
use crate::{
    commands::preflight::{blocking_of, summary},
    exit::Failure,
};
use prerequisites::{Finding, Report, catalogue};

/// Skips every check.
const ALL: &str = "all";

/// Reads the id of a check.
pub fn check_id(text: &str) -> Result<String, String> {
    let known = || catalogue().iter().map(|check| check.id);
    let wanted = text.trim().to_uppercase();
    if text.trim() == ALL {
        return Ok(ALL.to_owned());
    }
    if known().any(|id| id == wanted) {
        return Ok(wanted);
    }
    Err(format!("there is no check {text}; known are {ALL}, {}", known().collect::<Vec<_>>().join(", ")))
}

/// Says what the checks found; an error when something blocks that is not skipped by name.
pub fn pass(report: &Report, skipped: &[String]) -> Result<(), Failure> {
    note!("preflight: {}", summary(report));
    for finding in report.warning() {
        note!("warning: {}", sentence(finding));
    }
    let (blocking, overridden) = blocking_of(report, skipped);
    for finding in overridden {
        note!("warning: skipped as asked for: {}", sentence(finding));
    }
    let ids: Vec<&str> = blocking.iter().map(|finding| finding.id.as_str()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let found: Vec<String> = blocking.iter().map(|finding| sentence(finding)).collect();
    let mut failure = Failure::precondition(format!(
        "the cluster or the store is not ready, nothing was installed\n       {}",
        found.join("\n       ")
    ));
    for finding in blocking {
        if let Some(fix) = &finding.fix {
            failure = failure.next(format!("{}: {fix}", finding.id));
        }
    }
    Err(failure
        .next("See every check: `cofferdam preflight` with the same settings.")
        .next(format!("To install in spite of it: --skip-preflight {}", ids.join(","))))
}

fn sentence(finding: &Finding) -> String {
    format!("{} {} Seen: {}", finding.id, finding.title, finding.evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prerequisites::{Outcome, Severity};

    #[test]
    fn ids_are_those_of_the_catalogue() {
        assert_eq!(check_id("p12"), Ok("P12".to_owned()));
        assert_eq!(check_id("all"), Ok("all".to_owned()));
        assert!(check_id("P99").unwrap_err().contains("P12"));
    }

    #[test]
    fn what_blocks_stops_with_its_fix_unless_it_is_named() {
        let finding = Finding {
            id: "P12".into(),
            title: "It is served.".into(),
            reason: String::new(),
            severity: Severity::Block,
            outcome: Outcome::Failed { severity: Severity::Block },
            evidence: "it is not".into(),
            fix: Some("serve it".into()),
        };
        let report = Report { findings: vec![finding] };

        let refused = pass(&report, &["P4".to_owned()]).unwrap_err().to_string();

        assert!(refused.contains("next: P12: serve it"), "{refused}");
        assert!(refused.contains("--skip-preflight P12"), "{refused}");
        pass(&report, &["P12".to_owned()]).unwrap();
    }
}
