//! The install gate: prerequisites that a package names, judged before anything is written.

use super::Actor;
use crate::error::{ActError, Failure, code};
use packages::wire::{ErrorInfo, Level, Status};
use prerequisites::{Finding, Outcome, Profile, Purpose, Report, Severity, evaluate};

/// Judges `ids`. What does not hold stops the installation; what cannot be seen is reported and stops nothing.
pub(super) async fn pass(actor: &Actor, ids: &[String], namespace: &str) -> Result<Vec<Status>, ActError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let facts = probes::before_install(&actor.client, namespace, actor.clock.as_ref()).await;
    judge(ids, &evaluate(&facts, Profile::Generic, Purpose::Install))
}

fn judge(ids: &[String], report: &Report) -> Result<Vec<Status>, ActError> {
    let (mut statuses, mut blocking) = (Vec::new(), Vec::new());
    for id in ids {
        let note = |level, text: String| Status::new(code::NOT_SEEN, "Prerequisite", level, text);
        match report.findings.iter().find(|finding| finding.id == *id) {
            None => statuses.push(note(Level::Information, format!("{id}: this agent cannot judge it."))),
            Some(finding) => match &finding.outcome {
                Outcome::Passed | Outcome::NotApplicable { .. } => {}
                Outcome::Failed { severity: Severity::Block } => blocking.push(finding),
                Outcome::Failed { severity: Severity::Warn } => {
                    let text = sentence(finding);
                    statuses.push(Status::new(code::PREREQUISITES, "Prerequisite", Level::Warning, text));
                }
                Outcome::Skipped { because } => {
                    statuses
                        .push(note(Level::Information, format!("{id}: not judged because of {because}.")));
                }
                Outcome::NotObservable { why } => {
                    statuses.push(note(Level::Information, format!("{id}: not seen: {why}.")));
                }
            },
        }
    }
    if blocking.is_empty() {
        return Ok(statuses);
    }
    let ids: Vec<&str> = blocking.iter().map(|finding| finding.id.as_str()).collect();
    let mut failure = Failure::new(
        code::PREREQUISITES,
        format!(
            "Nothing was installed: {} not met. {}",
            ids.join(", "),
            blocking.iter().map(|f| sentence(f)).collect::<Vec<_>>().join(" ")
        ),
    );
    failure.error.details =
        blocking.iter().map(|finding| ErrorInfo::new(&finding.id, sentence(finding))).collect();
    failure.statuses = statuses;
    Err(ActError::Permanent(failure))
}

fn sentence(finding: &Finding) -> String {
    let fix = finding.fix.as_deref().unwrap_or_default();
    format!("{} {} Seen: {}. {fix}", finding.id, finding.title, finding.evidence).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[(&str, Outcome)]) -> Report {
        let finding = |(id, outcome): &(&str, Outcome)| Finding {
            id: (*id).to_owned(),
            title: "It holds.".to_owned(),
            reason: String::new(),
            severity: Severity::Block,
            outcome: outcome.clone(),
            evidence: "it does not".to_owned(),
            fix: Some("Mend it.".to_owned()),
        };
        Report { findings: outcomes.iter().map(finding).collect() }
    }

    #[test]
    fn what_blocks_stops_and_only_what_the_package_names_counts() {
        let block = || Outcome::Failed { severity: Severity::Block };
        let report = report(&[
            ("P11", Outcome::Passed),
            ("P12", block()),
            ("P17", Outcome::Failed { severity: Severity::Warn }),
            ("P20", Outcome::NotObservable { why: "denied".to_owned() }),
        ]);
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();

        let refused = judge(&ids(&["P11", "P12", "P20"]), &report).unwrap_err().to_string();
        let statuses = judge(&ids(&["P11", "P17", "P20", "P99"]), &report).unwrap();

        assert!(refused.starts_with("PrerequisitesNotMet: Nothing was installed: P12 not met."), "{refused}");
        assert!(refused.contains("Mend it."), "{refused}");
        let seen: Vec<_> = statuses.iter().map(|status| (status.code.as_str(), status.level)).collect();
        assert_eq!(
            seen,
            [
                ("PrerequisitesNotMet", Level::Warning),
                ("PrerequisiteNotObservable", Level::Information),
                ("PrerequisiteNotObservable", Level::Information),
            ]
        );
    }
}
