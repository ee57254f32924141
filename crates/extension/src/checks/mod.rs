//! The seam to the catalogue of prerequisites: the checks that a validation lists, and those of them that stop a
//! backup before anything has happened.

mod gate;
mod report;
mod request;
mod subject;

pub use gate::gate_backup;
pub use subject::{INSTALLER_RULES, account, bucket_path, needed, pod_of, store_name};

use crate::{context::Context, grants::GrantPurpose, locations::Role, manifests::NAME};
use futures::FutureExt;
use prerequisites::{Observed, Profile, Purpose, judge};
use probes::{Account, Survey};
use resources::{BackupSpec, CheckReport, NamespacedName, RestoreSpec};

/// What the checks are run for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A backup with this configuration; whether nothing may be written to look.
    Backup(&'a BackupSpec, bool),
    /// A restore with this configuration.
    Restore(&'a RestoreSpec),
}

impl Subject<'_> {
    fn location(&self) -> &str {
        match self {
            Self::Backup(spec, _) => &spec.storage_location,
            Self::Restore(spec) => &spec.recovery_point.location,
        }
    }

    fn purpose(&self) -> Purpose {
        match self {
            Self::Backup(..) => Purpose::Backup,
            Self::Restore(_) => Purpose::Restore,
        }
    }

    /// Namespaces that a backup names; a pattern names none in particular.
    fn namespaces(&self) -> Vec<String> {
        match self {
            Self::Backup(spec, _) => {
                let named = spec.included_namespaces.iter().filter(|name| !name.contains(['*', '?', '[']));
                named.cloned().collect()
            }
            Self::Restore(_) => Vec::new(),
        }
    }

    /// Hooks that a backup names, as `<namespace>/<name>`.
    fn hooks(&self) -> Vec<String> {
        let name = |hook: &NamespacedName| format!("{}/{}", hook.namespace, hook.name);
        match self {
            Self::Backup(spec, _) => spec.backup_hook_references.iter().map(name).collect(),
            Self::Restore(_) => Vec::new(),
        }
    }
}

/// What the extension does not ask.
const NO_RESOURCE_MANAGER: &str =
    "the extension asks no resource manager; a vault that validates does, or `cofferdam preflight --arm URL`";
const NO_TOOLS: &str = "clients are on a person's machine: cofferdam preflight";

/// Runs the whole catalogue for `subject`, as far as it can be seen from inside of the cluster, and the checks of the
/// request itself. The location is looked at for `purpose`.
pub async fn run(context: &Context, subject: Subject<'_>, purpose: &GrantPurpose) -> Vec<CheckReport> {
    // Opening it for a backup claims a new location, so this comes before the question whose it is.
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
    let survey = Survey {
        subject: &seen,
        deployment: NAME,
        namespaces: &subject.namespaces(),
        hooks: &subject.hooks(),
        target: None,
        arm: Observed::NotObservable(NO_RESOURCE_MANAGER.to_owned()),
        shown: &|_| {},
    };
    let client = Observed::Seen(context.client.clone());
    // In a box, or the compiler does not see that whoever awaits this can be sent to another thread.
    let mut facts = probes::survey(client, survey, context.clock.as_ref()).boxed().await;
    facts.tools = Observed::NotObservable(NO_TOOLS.to_owned());
    let judged = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
    let known: Vec<String> = checks.iter().map(|check| check.id.clone()).collect();
    // What the request itself was judged by is closer to it than the catalogue.
    let others = judged.into_iter().filter(|one| !known.contains(&one.finding.id));
    checks.extend(others.map(|one| report::listed(one, subject.purpose())));
    checks
}

async fn seen_location(
    context: &Context,
    subject: Subject<'_>,
    purpose: &GrantPurpose,
) -> Observed<probes::Location> {
    match context.locations.look(subject.location(), purpose).await {
        Ok((record, location)) => Observed::Seen(probes::Location {
            initialised: context.locations.was_initialised(subject.location()).await.unwrap_or_default(),
            root: location.root,
            bucket_path: bucket_path(&record.settings),
            store: store_name(&record.settings),
            writes: matches!(subject, Subject::Backup(_, false)) && record.role == Role::Own,
            unrelated_allowed: record.allow_unrelated,
            noted: None,
            inside: true,
        }),
        Err(error) => Observed::NotObservable(error.to_string()),
    }
}
