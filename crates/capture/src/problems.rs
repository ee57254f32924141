//! What a capture has to tell a person. Texts only.

use crate::api::Failure;
use crate::discovery::Kind;
use crate::facts::{Facts, LeftOut};
use protection::selection::TypePattern;
use protection::{Problem, code};

/// A resource that could not be listed.
pub(crate) fn not_listed(kind: &Kind, namespace: Option<&str>, failure: &Failure) -> Problem {
    let name = kind.name();
    let place = namespace.map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
    let message = format!("No {name}{place} are in the recovery point: {failure}.");
    let (group, version) = (&kind.group, &kind.version);
    let fix = match failure.code().map(|code| code.as_u16()) {
        Some(401 | 403) => {
            format!(
                "Let the extension's ServiceAccount get and list {name}: its ClusterRole names every resource."
            )
        }
        Some(404 | 410) => format!(
            "If {name} were deleted on purpose, nothing. Otherwise restore their CustomResourceDefinition and back up again."
        ),
        Some(405) => format!("Exclude {name} from the backup: what serves them cannot list them."),
        _ => format!(
            "kubectl get apiservice {version}.{group} and kubectl get --raw {}: bring back what serves it, then back up again.",
            kind.path(namespace)
        ),
    };
    Problem::warning(code::RESOURCE_NOT_LISTED, message).about(name).fix(fix)
}

/// An included entry that matches no namespace.
pub(crate) fn no_namespace(entry: &str, is_glob: bool) -> Problem {
    let message = match is_glob {
        true => format!("No namespace matches the included entry {entry}."),
        false => format!("The included namespace {entry} does not exist."),
    };
    Problem::warning(code::NAMESPACE_NOT_FOUND, message)
        .about(format!("namespaces/{entry}"))
        .fix("Correct includedNamespaces, or create the namespace.")
}

/// An included namespace that no backup ever touches.
pub(crate) fn never_backed_up(name: &str) -> Problem {
    let message = format!(
        "Namespace {name} is included by name but belongs to the cluster or to the backup itself and is never backed up."
    );
    Problem::warning(code::NAMESPACE_NOT_FOUND, message)
        .about(format!("namespaces/{name}"))
        .fix(format!("Take {name} out of includedNamespaces."))
}

/// A selected namespace that is being deleted.
pub(crate) fn closing(name: &str, asked_for: bool) -> Problem {
    let message = format!("Namespace {name} is being deleted: nothing in it is captured.");
    let problem = match asked_for {
        true => Problem::warning(code::NAMESPACE_NOT_FOUND, message),
        false => Problem::information(code::NAMESPACE_NOT_FOUND, message),
    };
    problem.about(format!("namespaces/{name}"))
}

/// A selected namespace that was deleted meanwhile.
pub(crate) fn vanished(name: &str) -> Problem {
    let message = format!(
        "Namespace {name} was deleted while the backup ran: the recovery point holds what was still there when each resource was listed."
    );
    Problem::warning(code::OBJECT_NOT_CAPTURED, message)
        .about(format!("namespaces/{name}"))
        .fix("If it was not deleted on purpose, restore it from an earlier recovery point.")
}

/// An included resource type that the cluster does not have, or that no backup holds.
pub(crate) fn no_type(entry: &TypePattern) -> Problem {
    let message =
        format!("The included resource type {entry} is none that this cluster lists and a backup holds.");
    Problem::warning(code::RESOURCE_NOT_LISTED, message)
        .about(entry.to_string())
        .fix("kubectl api-resources --verbs=list shows what there is; correct includedResourceTypes.")
}

/// Velero's keys, named once.
pub(crate) fn velero_keys(facts: &Facts) -> Option<Problem> {
    let (_, example) = facts.velero.first_key_value()?;
    let keys: Vec<&str> = facts.velero.keys().map(String::as_str).collect();
    let message = format!(
        "These labels and annotations of Velero change nothing here: {}. Only velero.io/exclude-from-backup is obeyed.",
        keys.join(", ")
    );
    Some(
        Problem::information(code::VELERO_ANNOTATION, message).about(example.clone()).fix(
            "Use BackupHook and RestoreHook objects for hooks, and the backup's own filters for volumes.",
        ),
    )
}

/// What was left out, counted.
pub(crate) fn left_out(facts: &Facts) -> Vec<Problem> {
    let problem = |(why, names): (&LeftOut, &crate::facts::Names)| {
        let (count, first) = (names.count, names.first.join(", "));
        let why = match why {
            LeftOut::OptedOut => "opt out with velero.io/exclude-from-backup",
            LeftOut::Deleting => "were being deleted",
        };
        let more = if count > names.first.len() as u64 { " and more" } else { "" };
        Problem::information(code::OBJECTS_LEFT_OUT, format!("{count} objects {why}: {first}{more}."))
    };
    facts.left_out.iter().map(problem).collect()
}

/// A claim that opts out.
pub(crate) fn claims_left_out(facts: &Facts) -> Vec<Problem> {
    let Some(names) = facts.left_out.get(&LeftOut::OptedOut) else { return Vec::new() };
    let problem = |target: &String| {
        let message = "The claim opts out with velero.io/exclude-from-backup: its data is not protected.";
        Problem::information(code::VOLUME_NOT_PROTECTED, message).about(target.clone())
    };
    names.first.iter().map(problem).collect()
}

/// A captured claim about which no volume was asked.
pub(crate) fn claim_came_late(target: String) -> Problem {
    let message = "The claim appeared after the snapshots had been requested: the recovery point has the claim without its data.";
    Problem::warning(code::VOLUME_NOT_PROTECTED, message).about(target).fix("Back up again.")
}
