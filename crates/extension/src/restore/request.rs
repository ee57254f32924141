//! What a restore asks for, read and judged before anything is written: the same for a restore, a plan and a
//! validation.

use crate::{
    context::Context,
    delete_backup::RETAINED,
    locations::OpenLocation,
    points::{self, Point},
    step::StepError,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Api, Client, ResourceExt, api::ListParams};
use protection::{Problem, code};
use replay::{ReplayError, RestoreOptions, Target, api::Pacing};
use resources::{DeleteBackup, NamespacedName, RecoveryPointRef, RestoreHook, RestoreHookSpec, RestoreSpec};

/// The recovery point that is to be restored.
pub(crate) async fn recovery_point(
    location: &OpenLocation,
    wanted: &RecoveryPointRef,
) -> Result<Point, StepError> {
    points::find(&location.repo, &wanted.id).await?.ok_or_else(|| {
        StepError::Permanent(
            Problem::error(
                code::RECOVERY_POINT_NOT_FOUND,
                format!("Location {} holds no recovery point {}.", wanted.location, wanted.id),
            )
            .fix(format!(
                "See what there is: `cofferdam recovery-point list --location {}`.",
                wanted.location
            )),
        )
    })
}

/// A deletion that was asked for by `by` takes the snapshots away in the midst of a restore; one that was asked for
/// later sees the restore and waits.
pub(crate) async fn nobody_deletes(
    context: &Context,
    point: &RecoveryPointRef,
    by: Option<&Time>,
) -> Result<(), StepError> {
    let deletions: Api<DeleteBackup> = Api::namespaced(context.client.clone(), &context.config.namespace);
    let listed = deletions.list(&ListParams::default()).await;
    let listed = listed.map_err(|error| StepError::api("list the deletions", &error))?;
    let deletes = listed.items.iter().find(|deletion| {
        let status = deletion.status.clone().unwrap_or_default();
        // The store holds this one up: nothing happens before the recovery point's retention ends.
        let retained = status.conditions.iter().any(|one| one.type_ == RETAINED && one.status == "True");
        let earlier = deletion.metadata.creation_timestamp.as_ref() <= by;
        deletion.spec.recovery_point.id == point.id && !status.phase.is_final() && earlier && !retained
    });
    deletes.map_or(Ok(()), |deletion| {
        Err(StepError::Permanent(
            Problem::error(
                code::RECOVERY_POINT_NOT_FOUND,
                format!("Recovery point {} is being deleted by {}.", point.id, deletion.name_any()),
            )
            .fix("Choose another recovery point."),
        ))
    })
}

/// The options of the restore with this UID, its modifiers included.
pub(crate) async fn options(
    context: &Context,
    uid: &str,
    requested: Timestamp,
    spec: &RestoreSpec,
) -> Result<RestoreOptions, StepError> {
    let mut options = RestoreOptions::new(uid, requested, spec, &context.config.namespace).map_err(failed)?;
    if let Some(reference) = &spec.resource_modifier_reference {
        options.modifiers = target(context).load_modifiers(reference).await.map_err(failed)?;
    }
    Ok(options)
}

/// The hooks that the restore names; all must exist before anything is written.
pub(crate) async fn read_hooks(
    client: &Client,
    references: &[NamespacedName],
) -> Result<Vec<(NamespacedName, RestoreHookSpec)>, StepError> {
    let mut hooks = Vec::new();
    for reference in references {
        let api: Api<RestoreHook> = Api::namespaced(client.clone(), &reference.namespace);
        let what = format!("{}/{}", reference.namespace, reference.name);
        match api.get_opt(&reference.name).await {
            Ok(Some(hook)) => hooks.push((reference.clone(), hook.spec)),
            Ok(None) => {
                let problem =
                    Problem::error(code::HOOK_NOT_FOUND, format!("There is no restore hook {what}."))
                        .fix("Create the hook in this cluster, or leave it out of restoreHookReferences.");
                return Err(StepError::Permanent(problem));
            }
            Err(error) => return Err(StepError::api(&format!("read restore hook {what}"), &error)),
        }
    }
    Ok(hooks)
}

/// The cluster that is restored into.
pub(super) fn target(context: &Context) -> Target {
    Target::connect(context.client.clone(), Pacing::default())
}

pub(super) fn failed(error: ReplayError) -> StepError {
    let temporary = match &error {
        ReplayError::Source(source) => source.temporary,
        ReplayError::Target(error) => error.is_temporary(),
        _ => false,
    };
    StepError::of(temporary, error.problem())
}
