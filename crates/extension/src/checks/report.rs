//! A finding of the catalogue as a custom resource lists it: short, whatever was found.

use prerequisites::{Judged, Outcome, Purpose, Severity};
use resources::{CheckReport, CheckResult};

/// Ways to mend one thing that are listed.
const MOST_FIXES: usize = 6;
/// Characters of a text. The evidence has names of objects beside it, and their number.
const LONGEST: usize = 1_000;
/// Of a name, which can be that of a namespace, an object and more.
const LONGEST_NAME: usize = 300;

/// A check as an operation of this purpose reads it. What nobody depends on for it blocks nothing: a backup does not wait
/// for the agent in kube-system.
pub(super) fn listed(judged: Judged, purpose: Purpose) -> CheckReport {
    let check = judged.check;
    let needed = check.purposes.contains(&purpose);
    let finding = judged.finding;
    let severity = match finding.outcome {
        Outcome::Failed { severity } => severity,
        _ => finding.severity,
    };
    let severity = if needed { severity } else { Severity::Warn };
    let (result, evidence) = match finding.outcome {
        // A restore reads where another cluster writes: what must hold for writing says nothing about it.
        _ if is_of_another(check.purposes, purpose) => {
            (CheckResult::NotApplicable, format!("a {} does not depend on it", name_of(purpose)))
        }
        Outcome::Passed => (CheckResult::Passed, finding.evidence),
        Outcome::Failed { .. } => (CheckResult::Failed, finding.evidence),
        Outcome::Skipped { .. } => (CheckResult::Skipped, finding.evidence),
        Outcome::NotObservable { why } => (CheckResult::NotObservable, why),
        Outcome::NotApplicable { why } => (CheckResult::NotApplicable, why),
    };
    let has_failed = result == CheckResult::Failed;
    let fixes = judged.fixes.into_iter().filter(|_| has_failed).take(MOST_FIXES);
    CheckReport {
        id: finding.id,
        title: finding.title,
        severity: name(severity).to_owned(),
        needed,
        result,
        code: judged.code.filter(|_| has_failed).map(str::to_owned),
        evidence: shortened(&evidence),
        objects: judged.evidence.objects.iter().map(|name| cut(name, LONGEST_NAME)).collect(),
        total: judged.evidence.total,
        fix: finding.fix.filter(|_| has_failed).map(|fix| shortened(&fix)),
        recommended_action: fixes.map(|(_, text)| shortened(&text)).collect(),
    }
}

/// Whether only backups depend on a check, and this is a restore.
fn is_of_another(purposes: &[Purpose], purpose: Purpose) -> bool {
    purpose == Purpose::Restore
        && purposes.contains(&Purpose::Backup)
        && !purposes.contains(&Purpose::Restore)
}

fn name_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Restore => "restore",
        Purpose::Backup | Purpose::Install | Purpose::Preflight => "backup",
    }
}

pub(super) fn shortened(text: &str) -> String {
    cut(text, LONGEST)
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
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
    use crate::locations::store_problem;
    use prerequisites::{
        ClusterVolume, Contents, Facts, LocationFacts, Observed, Owner, Profile, Refusal, StoreProbe,
        SystemParts, VolumeKind, judge,
    };
    use protection::code;
    use storage::{StoreError, StoreErrorKind};

    fn found(facts: &Facts, id: &str, purpose: Purpose) -> CheckReport {
        let all = judge(facts, Profile::Cofferdam, Purpose::Preflight);
        listed(all.into_iter().find(|one| one.finding.id == id).unwrap(), purpose)
    }

    #[test]
    fn every_check_of_the_catalogue_is_listed_and_none_passes_that_nobody_saw() {
        let facts = Facts::unseen("denied");

        let all: Vec<CheckReport> = judge(&facts, Profile::Cofferdam, Purpose::Preflight)
            .into_iter()
            .map(|one| listed(one, Purpose::Backup))
            .collect();

        assert_eq!(all.len(), prerequisites::catalogue().len());
        assert!(all.iter().all(|one| one.result != CheckResult::Passed), "{all:?}");
        let unseen = all.iter().find(|one| one.id == "P4").unwrap();
        assert_eq!((unseen.evidence.as_str(), unseen.result), ("denied", CheckResult::NotObservable));
    }

    #[test]
    fn what_a_backup_does_not_depend_on_is_told_and_does_not_block_it() {
        let parts = SystemParts { deployments: vec![("cofferdam-agent".to_owned(), false)] };
        let facts = Facts { system: Observed::Seen(parts), ..Facts::unseen("not looked at") };

        let agent = found(&facts, "P8", Purpose::Backup);

        assert_eq!(
            (agent.result, agent.severity.as_str(), agent.needed),
            (CheckResult::Failed, "Warn", false)
        );
        assert!(!agent.recommended_action.is_empty());
        assert!(found(&facts, "P4", Purpose::Backup).needed);
    }

    #[test]
    fn what_must_hold_for_writing_says_nothing_about_a_restore() {
        let facts = Facts::unseen("denied");

        assert_eq!(found(&facts, "P10", Purpose::Restore).result, CheckResult::NotApplicable);
        assert_eq!(found(&facts, "P10", Purpose::Backup).result, CheckResult::NotObservable);
        assert_eq!(found(&facts, "P4", Purpose::Restore).result, CheckResult::NotObservable);
    }

    #[test]
    fn a_location_that_cannot_be_used_has_the_code_with_which_a_backup_would_end() {
        let of = |id: &str, owner: Owner, probe: StoreProbe| {
            let contents = Contents { owner, has_repository: false, unrelated: Vec::new() };
            let location = LocationFacts {
                describe: "bucket b".to_owned(),
                bucket_path: "b/".to_owned(),
                store: None,
                contents: Observed::Seen(contents),
                unrelated_allowed: false,
                initialised: false,
                probe,
                noted: None,
            };
            let facts = Facts { location: Observed::Seen(location), ..Facts::unseen("not looked at") };
            found(&facts, id, Purpose::Backup).code
        };
        let refused = |refusal| StoreProbe::Failed {
            operation: "create".to_owned(),
            refusal,
            cause: "no".to_owned(),
            remedy: "Mend it.".to_owned(),
        };
        let cases = [
            (Refusal::NoBucket, StoreErrorKind::BucketMissing),
            (Refusal::ReadOnly, StoreErrorKind::Denied),
            (Refusal::NoPermission, StoreErrorKind::BadCredentials),
            (Refusal::Full, StoreErrorKind::Full),
            (Refusal::WrongClock, StoreErrorKind::WrongClock),
            (Refusal::NotReady, StoreErrorKind::Unreachable),
        ];

        for (refusal, kind) in cases {
            let backup = store_problem(&StoreError::new("create", "b", kind, "no")).code;
            assert_eq!(of("P6", Owner::Nobody, refused(refusal)), Some(backup), "{kind:?}");
        }
        let others = of("P26", Owner::Other("x".to_owned()), StoreProbe::Works);
        assert_eq!(others.as_deref(), Some(code::LOCATION_OWNED_BY_OTHER_CLUSTER));
    }

    #[test]
    fn ten_thousand_findings_are_a_few_names_and_their_number() {
        let name = |n: usize| format!("{}-{n}", "long-name".repeat(20));
        let volumes: Vec<ClusterVolume> =
            (0..10_000).map(|n| ClusterVolume::new(name(n), VolumeKind::InTree("hostPath".into()))).collect();
        let facts = Facts { volumes: Observed::Seen(volumes), ..Facts::unseen("not looked at") };

        let report = found(&facts, "P33", Purpose::Backup);

        assert_eq!((report.total, report.objects.len()), (10_000, 20));
        assert!(serde_json::to_string(&report).unwrap().len() < 20_000);
    }
}
