//! The checks of the request itself: what a backup or a restore would refuse before it does anything.

use super::{Subject, report::shortened};
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
        Subject::Backup(spec, _) => {
            let selection = backup::selection(spec, &context.config.namespace);
            if let Ok(selection) = &selection {
                let taken = backup::taken_namespaces(&context.client, selection).await;
                checks.push(namespaces(taken.map(|taken| taken.len()), spec.most_namespaces));
            }
            checks.push(specification(selection.map(|_| understood())));
            let references = &spec.backup_hook_references;
            let read = read_hooks(&context.client, references).await;
            checks.extend(hooks("P51", references, read.map(|_| ())));
        }
        Subject::Restore(spec) => {
            checks.push(recovery_point(context, spec, opened.as_ref()).await);
            let options = request::options(context, "", context.clock.now(), spec).await;
            checks.push(specification(options.map(|_| understood())));
            let references = &spec.restore_hook_references;
            let read = request::read_hooks(&context.client, references).await;
            checks.extend(hooks("hooks", references, read.map(|_| ())));
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
    let title = format!("The storage location {name} can be used.");
    let opened = match subject {
        // Whether the store takes a write is P6's to say; what asks does not begin to use a location.
        Subject::Backup(..) => context.locations.inspect(name, purpose).await.map(|seen| (None, seen)),
        Subject::Restore(_) => opened(context, name, Access::Read, purpose).await,
    };
    match opened {
        Ok((open, seen)) => (open, check("location", title, Ok(seen))),
        Err(error @ LocationError::Cluster { .. }) => (None, not_seen("location", title, error.to_string())),
        // A store that does not answer now is one that a backup could not use now.
        Err(error) => (None, check("location", title, Err(StepError::Permanent(error.problem())))),
    }
}

async fn opened(
    context: &Context,
    name: &str,
    access: Access,
    purpose: &GrantPurpose,
) -> Result<(Option<OpenLocation>, String), LocationError> {
    let open = context.locations.open(name, access, purpose).await?;
    let seen = open.root.describe();
    Ok((Some(open), seen))
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

/// Whether the backup takes no more namespaces than are supported: also when it takes all that there are.
fn namespaces(taken: Result<usize, StepError>, most: u32) -> CheckReport {
    let judged = taken.and_then(|taken| match backup::too_many(taken, most) {
        None => Ok(format!("{taken} are selected.")),
        Some(problem) => Err(StepError::Permanent(problem)),
    });
    check("P37", format!("The backup takes at most {most} namespaces."), judged)
}

fn understood() -> String {
    "Every field can be understood.".to_owned()
}

/// Whether the hooks exist; nothing where none is named.
fn hooks(id: &str, references: &[NamespacedName], read: Result<(), StepError>) -> Option<CheckReport> {
    let names: Vec<String> =
        references.iter().map(|hook| format!("{}/{}", hook.namespace, hook.name)).collect();
    let seen = read.map(|()| format!("Found {}.", names.join(", ")));
    (!names.is_empty()).then(|| check(id, "The hooks exist.".to_owned(), seen))
}

/// A check that blocks: what was seen, or why it could not be.
fn check(id: &str, title: String, seen: Result<String, StepError>) -> CheckReport {
    match seen {
        Ok(evidence) => report(id, title, CheckResult::Passed, evidence),
        Err(StepError::Permanent(problem)) => {
            let Problem { code, message, recommended_action, .. } = problem;
            let evidence = format!("{code}: {message}");
            CheckReport {
                code: Some(code),
                fix: Some(recommended_action.join(" ")).filter(|fix| !fix.is_empty()),
                recommended_action,
                ..report(id, title, CheckResult::Failed, evidence)
            }
        }
        Err(error) => not_seen(id, title, error.to_string()),
    }
}

fn not_seen(id: &str, title: String, why: String) -> CheckReport {
    report(id, title, CheckResult::NotObservable, why)
}

fn report(id: &str, title: String, result: CheckResult, evidence: String) -> CheckReport {
    CheckReport {
        id: id.to_owned(),
        title,
        severity: "Block".to_owned(),
        needed: true,
        result,
        code: None,
        evidence: shortened(&evidence),
        objects: Vec::new(),
        total: 0,
        fix: None,
        recommended_action: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_namespaces_than_are_supported_block_and_what_was_not_counted_never_passes() {
        let too_many = namespaces(Ok(801), 800);
        let fits = namespaces(Ok(800), 800);
        let away = Problem::error("Away", "The API server is away.");
        let unseen = namespaces(Err(StepError::Temporary(away)), 800);

        assert_eq!((too_many.result, too_many.severity.as_str()), (CheckResult::Failed, "Block"));
        assert!(too_many.evidence.starts_with("UserErrorTooManyNamespaces: "), "{}", too_many.evidence);
        assert!(too_many.fix.is_some_and(|fix| fix.contains("includedNamespaces")));
        assert_eq!((fits.result, fits.evidence.as_str()), (CheckResult::Passed, "800 are selected."));
        assert_eq!(unseen.result, CheckResult::NotObservable);
    }
}
