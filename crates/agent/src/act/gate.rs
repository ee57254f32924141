//! The install gate: prerequisites that a package names, judged before anything is written.
//!
//! A check that could not be observed is never taken for passed. When that can be different in a moment (the API server
//! answered with an error of its own, or not at all) and the check blocks, nothing is installed yet and it is looked
//! again, in the end for as long as a package may be out of reach; then the installation has failed, with the name of
//! the check. When it lies in how things are (the agent has no right to look, or the package does not say what to compare
//! with), trying again helps nobody: the installation goes on, and a warning with the name of the check stays on the
//! extension for as long as this release of it does.

mod look;
mod pods;

use super::Actor;
use crate::error::{ActError, Failure, code};
use look::Sight;
use packages::{
    Gate, ObjectKey,
    wire::{ErrorInfo, Level, Status},
};
use pods::WithAccount;
use prerequisites::{DryRun, Finding, Outcome, Profile, Purpose, Report, Severity, evaluate};
use serde_json::Value;

/// What is asked of the gate.
pub(super) struct Asked<'a> {
    /// Ids of checks.
    pub ids: &'a [String],
    /// Where the extension will live.
    pub namespace: &'a str,
    /// Where in a store it will write, as `<bucket>/<prefix>`.
    pub place: Option<String>,
    /// All that will be applied.
    pub objects: &'a [(ObjectKey, Value)],
    /// Whether its namespaces and its pods' accounts were made already.
    pub in_place: bool,
}

/// What let the installation through.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What is said beside.
    pub statuses: Vec<Status>,
    /// Checks that can only be judged when the extension's namespaces and its pods' accounts are there.
    pub later: Vec<String>,
}

/// Judges the checks. Writes nothing.
pub(super) async fn pass(actor: &Actor, asked: &Asked<'_>) -> Result<Passed, ActError> {
    if asked.ids.is_empty() {
        return Ok(Passed::default());
    }
    let Sight { facts, pods, unclear } = look::look(actor, asked).await?;
    let is_open = match &pods {
        Some((DryRun::NoNamespace, _)) => true,
        // Let in with another account than it will have: that is asked again with its own. Refused so, it is refused, and
        // nothing was written for it.
        Some((DryRun::Admitted, WithAccount::Another)) => !asked.in_place,
        _ => false,
    };
    let is_later = |id: &String| id == Gate::ADMISSION && is_open;
    let (later, now): (Vec<String>, Vec<String>) = asked.ids.iter().cloned().partition(is_later);
    let statuses = judge(&now, &evaluate(&facts, Profile::Cofferdam, Purpose::Install), &unclear)?;
    Ok(Passed { statuses, later })
}

/// `unclear` is what could not be observed and may be a moment later.
fn judge(ids: &[String], report: &Report, unclear: &[String]) -> Result<Vec<Status>, ActError> {
    let of = |id: &str| report.findings.iter().find(|finding| finding.id == id);
    let (mut statuses, mut blocking, mut again) = (Vec::new(), Vec::<&Finding>::new(), Vec::new());
    let mut block = |finding| {
        if !blocking.contains(&finding) {
            blocking.push(finding);
        }
    };
    for id in ids {
        let mut warn = |code, text| statuses.push(Status::new(code, "Prerequisite", Level::Warning, text));
        let Some(finding) = of(id) else {
            warn(code::NOT_SEEN, format!("{id} was not judged: this agent does not know it."));
            continue;
        };
        match &finding.outcome {
            Outcome::Passed | Outcome::NotApplicable { .. } => {}
            Outcome::Failed { severity: Severity::Block } => block(finding),
            Outcome::Failed { severity: Severity::Warn } => warn(code::PREREQUISITES, sentence(finding)),
            // What it depends on does not hold, whether the package named that or not.
            Outcome::Skipped { because } => root(report, because).into_iter().for_each(&mut block),
            Outcome::NotObservable { why } if !unclear.is_empty() && finding.severity == Severity::Block => {
                again.push(format!("{id} ({why})"));
            }
            Outcome::NotObservable { why } => {
                warn(
                    code::NOT_SEEN,
                    format!("{id} was not judged, and may not hold. {} Not seen: {why}.", finding.title),
                );
            }
        }
    }
    if !blocking.is_empty() {
        return Err(ActError::Permanent(refusal(&blocking, statuses)));
    }
    if !again.is_empty() {
        let message = format!(
            "Nothing is installed before it is known whether it can work. Not seen yet: {}. The API server said: {}.",
            again.join("; "),
            unclear.join("; ")
        );
        return Err(ActError::Temporary { code: code::NOT_SEEN, message });
    }
    Ok(statuses)
}

/// The check at the end of a chain of checks that were not judged because of each other.
fn root<'a>(report: &'a Report, id: &str) -> Option<&'a Finding> {
    let mut id = id;
    for _ in 0..report.findings.len() {
        let finding = report.findings.iter().find(|finding| finding.id == id)?;
        match &finding.outcome {
            Outcome::Skipped { because } => id = because,
            _ => return Some(finding),
        }
    }
    None
}

fn refusal(blocking: &[&Finding], statuses: Vec<Status>) -> Failure {
    let ids: Vec<&str> = blocking.iter().map(|finding| finding.id.as_str()).collect();
    let mut failure = Failure::new(
        code::PREREQUISITES,
        format!(
            "Nothing was installed: {} not met. {}",
            ids.join(", "),
            blocking.iter().map(|finding| sentence(finding)).collect::<Vec<_>>().join(" ")
        ),
    );
    failure.error.details =
        blocking.iter().map(|finding| ErrorInfo::new(&finding.id, sentence(finding))).collect();
    failure.statuses = statuses;
    failure
}

fn sentence(finding: &Finding) -> String {
    let fix = finding.fix.as_deref().unwrap_or_default();
    format!("{} {} Seen: {}. {fix}", finding.id, finding.title, finding.evidence).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
