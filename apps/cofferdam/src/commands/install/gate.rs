//! Stops an installation that cannot succeed, before anything is written.

use crate::note;
use crate::{
    commands::preflight::{ADMISSION, blocking_of, summary},
    exit::Failure,
};
use prerequisites::{Finding, Outcome, Report, catalogue};

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

/// Whether admission could not be asked yet, as in a namespace that is only made by the installation.
pub fn is_open(report: &Report) -> bool {
    let of_admission = report.findings.iter().find(|finding| finding.id == ADMISSION);
    of_admission.is_some_and(|finding| matches!(finding.outcome, Outcome::NotObservable { .. }))
}

/// An error when admission refuses the pod, now that its namespace is there, unless that is skipped by name.
pub fn admitted(report: &Report, skipped: &[String]) -> Result<(), Failure> {
    let (blocking, overridden) = blocking_of(report, skipped);
    for finding in overridden {
        note!("warning: skipped as asked for: {}", sentence(finding));
    }
    let Some(finding) = blocking.first() else { return Ok(()) };
    let failure = Failure::precondition(format!(
        "the extension's pod would be refused, nothing but namespaces was made\n       {}",
        sentence(finding)
    ));
    Err(failure
        .next(format!("{}: {}", finding.id, finding.fix.as_deref().unwrap_or(&finding.reason)))
        .next("Then run `cofferdam install` again.")
        .next(format!("To install in spite of it: --skip-preflight {}", finding.id)))
}

fn sentence(finding: &Finding) -> String {
    format!("{} {} Seen: {}", finding.id, finding.title, finding.evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prerequisites::Severity;

    /// A report of one check.
    fn only(id: &str, outcome: Outcome) -> Report {
        let finding = Finding {
            id: id.into(),
            title: "It holds.".into(),
            reason: String::new(),
            severity: Severity::Block,
            outcome,
            evidence: "it does not".into(),
            fix: Some("mend it".into()),
        };
        Report { findings: vec![finding] }
    }

    #[test]
    fn admission_is_asked_again_where_it_could_not_be_and_its_refusal_stops() {
        let unseen = only(ADMISSION, Outcome::NotObservable { why: "no namespace".into() });
        let refused = only(ADMISSION, Outcome::Failed { severity: Severity::Block });

        let stopped = admitted(&refused, &[]).unwrap_err().to_string();

        assert!(is_open(&unseen) && !is_open(&refused));
        for part in ["nothing but namespaces was made", "next: P20: mend it", "--skip-preflight P20"] {
            assert!(stopped.contains(part), "{part}: {stopped}");
        }
        admitted(&refused, &["P20".to_owned()]).unwrap();
        admitted(&unseen, &[]).unwrap();
    }

    #[test]
    fn ids_are_those_of_the_catalogue() {
        assert_eq!(check_id("p12"), Ok("P12".to_owned()));
        assert_eq!(check_id("all"), Ok("all".to_owned()));
        assert!(check_id("P99").unwrap_err().contains("P12"));
    }

    #[test]
    fn what_blocks_stops_with_its_fix_unless_it_is_named() {
        let report = only("P12", Outcome::Failed { severity: Severity::Block });

        let refused = pass(&report, &["P4".to_owned()]).unwrap_err().to_string();

        assert!(refused.contains("next: P12: mend it"), "{refused}");
        assert!(refused.contains("--skip-preflight P12"), "{refused}");
        pass(&report, &["P12".to_owned()]).unwrap();
    }
}
