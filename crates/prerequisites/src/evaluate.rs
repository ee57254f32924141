//! Runs the catalogue over the facts: dependencies first, nothing judged twice.

use crate::{Facts, Finding, Outcome, Profile, Purpose, Report, catalogue};

/// Judges the checks of the catalogue that `purpose` depends on.
pub fn evaluate(facts: &Facts, profile: Profile, purpose: Purpose) -> Report {
    let mut findings: Vec<Finding> = Vec::new();
    for check in catalogue().iter().filter(|check| check.purposes.contains(&purpose)) {
        let unmet = check.depends_on.iter().find(|id| {
            findings.iter().any(|f| {
                f.id == **id
                    && matches!(
                        f.outcome,
                        Outcome::Failed { severity: crate::Severity::Block } | Outcome::Skipped { .. }
                    )
            })
        });
        let (outcome, evidence, fix) = match unmet {
            Some(id) => {
                (Outcome::Skipped { because: (*id).to_owned() }, format!("{id} has to be mended first"), None)
            }
            None => (check.rule)(facts, profile),
        };
        findings.push(Finding {
            id: check.id.to_owned(),
            title: check.title.to_owned(),
            reason: check.reason.to_owned(),
            severity: check.severity,
            outcome,
            evidence,
            fix,
        });
    }
    Report { findings }
}

#[cfg(test)]
mod tests;
