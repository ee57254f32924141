//! The checks of the request itself: what a backup or a restore would refuse before it does anything.

use super::Subject;
use crate::{
    backup::{self, read_hooks},
    context::Context,
    grants::GrantPurpose,
    locations::{Access, LocationError, OpenLocation},
    points::OpenPoint,
    restore::request,
    step::StepError,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use protection::Problem;
use resources::{CheckReport, CheckResult, NamespacedName, RestoreSpec};

/// Whether the location opens (settings, credential, owner marker, repository and its password), whether the
/// specification makes sense, and whether everything that it refers to is there.
pub(super) async fn checks(
    context: &Context,
    subject: Subject<'_>,
    purpose: &GrantPurpose,
) -> Vec<CheckReport> {
    let (opened, location) = location(context, subject, purpose).await;
    let mut checks = vec![location];
    match subject {
        Subject::Backup(spec) => {
            let judged = backup::selection(spec, &context.config.namespace).map(|_| understood());
            checks.push(specification(judged));
            let references = &spec.backup_hook_references;
            let read = read_hooks(&context.client, references).await;
            checks.extend(hooks(references, read.map(|_| ())));
        }
        Subject::Restore(spec) => {
            checks.push(recovery_point(context, spec, opened.as_ref()).await);
            let options = request::options(context, "", context.clock.now(), spec).await;
            checks.push(specification(options.map(|_| understood())));
            let references = &spec.restore_hook_references;
            let read = request::read_hooks(&context.client, references).await;
            checks.extend(hooks(references, read.map(|_| ())));
        }
    }
    checks
}

async fn location(
    context: &Context,
    subject: Subject<'_>,
    purpose: &GrantPurpose,
) -> (Option<OpenLocation>, CheckReport) {
    let name = subject.location();
    let access = match subject {
        Subject::Backup(_) => Access::Write,
        Subject::Restore(_) => Access::Read,
    };
    let title = format!("The storage location {name} can be used.");
    match context.locations.open(name, access, purpose).await {
        Ok(open) => {
            let check = check("location", title, Ok(open.root.describe()));
            (Some(open), check)
        }
        Err(error @ LocationError::Cluster { .. }) => (None, not_seen("location", title, error.to_string())),
        // A store that does not answer now is one that a backup could not use now.
        Err(error) => (None, check("location", title, Err(StepError::Permanent(error.problem())))),
    }
}

/// Whether the recovery point is there, can be read, and nobody is about to delete it.
async fn recovery_point(
    context: &Context,
    spec: &RestoreSpec,
    location: Option<&OpenLocation>,
) -> CheckReport {
    let wanted = &spec.recovery_point;
    let title = format!("Recovery point {} can be read.", wanted.id);
    let Some(location) = location else {
        return not_seen("recovery-point", title, format!("Location {} does not open.", wanted.location));
    };
    let now = Time(context.clock.now());
    let seen = async {
        request::nobody_deletes(context, wanted, Some(&now)).await?;
        let point = request::recovery_point(location, wanted).await?;
        let manifest = OpenPoint::open(&location.repo, point).await?.manifest().await?;
        Ok(format!("Taken on {} in cluster {}.", manifest.started, manifest.cluster.uid))
    };
    check("recovery-point", title, seen.await)
}

fn specification(judged: Result<String, StepError>) -> CheckReport {
    check("specification", "Filters, names and modifiers can be understood.".to_owned(), judged)
}

fn understood() -> String {
    "Every field can be understood.".to_owned()
}

/// Whether the hooks exist; nothing where none is named.
fn hooks(references: &[NamespacedName], read: Result<(), StepError>) -> Option<CheckReport> {
    let names: Vec<String> =
        references.iter().map(|hook| format!("{}/{}", hook.namespace, hook.name)).collect();
    let seen = read.map(|()| format!("Found {}.", names.join(", ")));
    (!names.is_empty()).then(|| check("hooks", "The hooks exist.".to_owned(), seen))
}

/// A check that blocks: what was seen, or why it could not be.
fn check(id: &str, title: String, seen: Result<String, StepError>) -> CheckReport {
    match seen {
        Ok(evidence) => report(id, title, CheckResult::Passed, evidence, None),
        Err(StepError::Permanent(problem)) => {
            let Problem { code, message, recommended_action, .. } = problem;
            let fix = Some(recommended_action.join(" ")).filter(|fix| !fix.is_empty());
            report(id, title, CheckResult::Failed, format!("{code}: {message}"), fix)
        }
        Err(error) => not_seen(id, title, error.to_string()),
    }
}

fn not_seen(id: &str, title: String, why: String) -> CheckReport {
    report(id, title, CheckResult::NotObservable, why, None)
}

fn report(
    id: &str,
    title: String,
    result: CheckResult,
    evidence: String,
    fix: Option<String>,
) -> CheckReport {
    CheckReport { id: id.to_owned(), title, severity: "Block".to_owned(), result, evidence, fix }
}
