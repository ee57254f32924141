//! The seam to the catalogue of prerequisites: the checks that a validation lists, and those of them that stop a
//! backup before anything has happened.

mod gate;
mod report;
mod request;
mod subject;

pub use gate::gate_backup;
pub use subject::{INSTALLER_RULES, account, bucket_path, needed, pod_of};

use crate::{context::Context, grants::GrantPurpose, locations::Role};
use prerequisites::{Observed, Profile, Purpose, evaluate};
use probes::Account;
use resources::{BackupSpec, CheckReport, RestoreSpec};

/// What the checks are run for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A backup with this configuration.
    Backup(&'a BackupSpec),
    /// A restore with this configuration.
    Restore(&'a RestoreSpec),
}

impl Subject<'_> {
    fn location(&self) -> &str {
        match self {
            Self::Backup(spec) => &spec.storage_location,
            Self::Restore(spec) => &spec.recovery_point.location,
        }
    }

    fn purpose(&self) -> Purpose {
        match self {
            Self::Backup(_) => Purpose::Backup,
            Self::Restore(_) => Purpose::Restore,
        }
    }
}

/// Runs every check that exists for `subject`, which is looked at for `purpose`.
pub async fn run(context: &Context, subject: Subject<'_>, purpose: &GrantPurpose) -> Vec<CheckReport> {
    // Opening it claims a new location, so this comes before the question whose it is.
    let mut checks = request::checks(context, subject, purpose).await;
    let seen = probes::Subject {
        namespace: context.config.namespace.clone(),
        pod: subject::own_pod(&context.client, &context.config.namespace).await,
        needed: needed(
            Account::ThisExtension(account(&context.config.namespace)),
            &context.config.namespace,
            matches!(subject, Subject::Restore(_)),
        ),
        location: seen_location(context, subject, purpose).await,
    };
    let client = Observed::Seen(context.client.clone());
    let facts = probes::observe(client, &seen, context.clock.as_ref()).await;
    let report = evaluate(&facts, Profile::Cofferdam, subject.purpose());
    checks.extend(report.findings.into_iter().filter_map(report::listed));
    checks
}

async fn seen_location(
    context: &Context,
    subject: Subject<'_>,
    purpose: &GrantPurpose,
) -> Observed<probes::Location> {
    match context.locations.look(subject.location(), purpose).await {
        Ok((record, location)) => Observed::Seen(probes::Location {
            root: location.root,
            bucket_path: bucket_path(&record.settings),
            writes: matches!(subject, Subject::Backup(_)) && record.role == Role::Own,
            unrelated_allowed: record.allow_unrelated,
            noted: None,
            inside: true,
        }),
        Err(error) => Observed::NotObservable(error.to_string()),
    }
}
