//! The seam to the catalogue of prerequisites: the checks that a validation lists, and those of them that stop a
//! backup before anything has happened.

use crate::{
    context::Context,
    locations::{Access, LocationError},
    step::StepError,
};
use resources::{BackupSpec, CheckReport, CheckResult, RestoreSpec};

/// What the checks are run for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A backup with this configuration.
    Backup(&'a BackupSpec),
    /// A restore with this configuration.
    Restore(&'a RestoreSpec),
}

/// Runs every check that exists for `subject`.
pub async fn run(context: &Context, subject: Subject<'_>) -> Vec<CheckReport> {
    vec![location(context, subject).await]
}

/// Runs the checks that must pass before a backup may touch the application.
pub async fn gate_backup(_context: &Context, _spec: &BackupSpec) -> Result<(), StepError> {
    // The location is open by now, which is the only blocking check that exists here so far.
    Ok(())
}

async fn location(context: &Context, subject: Subject<'_>) -> CheckReport {
    let (name, access) = match subject {
        Subject::Backup(spec) => (spec.storage_location.as_str(), Access::Write),
        Subject::Restore(spec) => (spec.recovery_point.location.as_str(), Access::Read),
    };
    let opened = context.locations.open(name, access).await;
    let (result, evidence, fix) = match &opened {
        Ok(open) => (CheckResult::Passed, open.root.describe(), None),
        Err(error @ LocationError::Cluster { .. }) => (CheckResult::NotObservable, error.to_string(), None),
        Err(error) => {
            let fix = error.problem().recommended_action.join(" ");
            (CheckResult::Failed, error.to_string(), Some(fix).filter(|fix| !fix.is_empty()))
        }
    };
    CheckReport {
        id: "location".to_owned(),
        title: format!("The storage location {name} can be used."),
        severity: "Block".to_owned(),
        result,
        evidence,
        fix,
    }
}
