//! The blocking checks once more, right before a backup touches the application. A handful of requests that do
//! not grow with the cluster.

use super::{account, bucket_path, store_name};
use crate::{
    context::Context,
    grants::GrantPurpose,
    locations::store_problem,
    manifests::{Scope, policy_rules},
    step::StepError,
};
use prerequisites::{Finding, Observed, Profile, Purpose, Report, evaluate};
use probes::{Account, Needed};
use protection::{
    Problem,
    claims::{ClaimVolume, SelectedClaim, VolumeSource},
    code,
};
use resources::BackupSpec;
use storage::StoreErrorKind;

/// Runs the checks that must pass before a backup of `claims` may touch the application.
pub async fn gate_backup(
    context: &Context,
    purpose: &GrantPurpose,
    spec: &BackupSpec,
    claims: &[SelectedClaim],
) -> Result<(), StepError> {
    let (record, location) = context.locations.look(&spec.storage_location, purpose).await?;
    // Asked for directly: the store's own words name the documented code.
    if let Err((_, error)) = probes::put_and_take(location.root.as_ref()).await
        && error.kind != StoreErrorKind::Retained
    {
        return Err(StepError::of(error.temporary, store_problem(&error)));
    }
    let subject = probes::Subject {
        namespace: context.config.namespace.clone(),
        pod: None,
        needed: Needed {
            account: Account::ThisExtension(account(&context.config.namespace)),
            rules: policy_rules(Scope::Backup),
            in_namespaces: Vec::new(),
        },
        location: Observed::Seen(probes::Location {
            root: location.root,
            bucket_path: bucket_path(&record.settings),
            store: store_name(&record.settings),
            writes: false,
            unrelated_allowed: record.allow_unrelated,
            // The location was opened before, which looks for its repository.
            initialised: false,
            noted: None,
            inside: true,
        }),
    };
    let facts = probes::glance(&context.client, &subject, &context.cluster.uid, context.clock.as_ref()).await;
    let report = evaluate(&facts, Profile::Cofferdam, Purpose::Backup);
    match stopping(&report, wants_snapshots(spec, claims)) {
        Some(finding) => Err(StepError::Permanent(problem(finding))),
        None => Ok(()),
    }
}

/// Whether the backup relies on the snapshot API.
fn wants_snapshots(spec: &BackupSpec, claims: &[SelectedClaim]) -> bool {
    let is_csi = |claim: &SelectedClaim| match &claim.volume {
        ClaimVolume::Bound(volume) => matches!(volume.source, VolumeSource::Csi(_)),
        ClaimVolume::Unbound | ClaimVolume::Missing { .. } => false,
    };
    spec.snapshot_volumes && !spec.file_copy_volumes && claims.iter().any(is_csi)
}

/// The first finding that stops this backup. What could not be observed stops nothing: the step that needs it
/// says so.
fn stopping(report: &Report, wants_snapshots: bool) -> Option<&Finding> {
    report.blocking().find(|finding| finding.id != "P12" || wants_snapshots)
}

fn problem(finding: &Finding) -> Problem {
    let text = format!("Prerequisite {} does not hold: {} {}.", finding.id, finding.title, finding.evidence);
    let mut problem = Problem::error(code::PREREQUISITE_NOT_MET, text);
    if let Some(fix) = &finding.fix {
        problem = problem.fix(fix.clone());
    }
    if finding.id == "P12" {
        problem = problem.fix("To back up without volume data, set snapshotVolumes to false.");
    }
    problem.fix("See everything with `cofferdam preflight`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use prerequisites::{Outcome, Severity};

    fn report(id: &str, outcome: Outcome) -> Report {
        Report {
            findings: vec![Finding {
                id: id.into(),
                title: "T.".into(),
                reason: "r".into(),
                severity: Severity::Block,
                outcome,
                evidence: "e".into(),
                fix: Some("mend it".into()),
            }],
        }
    }

    #[test]
    fn only_what_blocks_this_backup_stops_it() {
        let block = || Outcome::Failed { severity: Severity::Block };
        let unseen = Outcome::NotObservable { why: "denied".into() };

        assert!(stopping(&report("P4", block()), false).is_some());
        assert!(stopping(&report("P12", block()), true).is_some());
        assert!(stopping(&report("P12", block()), false).is_none());
        assert!(stopping(&report("P4", unseen), true).is_none());
        assert!(stopping(&report("P4", Outcome::Failed { severity: Severity::Warn }), true).is_none());
    }

    #[test]
    fn the_problem_says_how_to_go_on() {
        let report = report("P12", Outcome::Failed { severity: Severity::Block });

        let problem = problem(stopping(&report, true).unwrap());

        assert_eq!(problem.code, code::PREREQUISITE_NOT_MET);
        assert_eq!(problem.recommended_action.first().map(String::as_str), Some("mend it"));
        assert!(problem.recommended_action.iter().any(|step| step.contains("snapshotVolumes")));
    }
}
