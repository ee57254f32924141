//! `cofferdam backup delete`: the recovery point of a backup, with its snapshots.

use super::preview;
use crate::note;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::Operation,
    output::{self, Format},
    selection::object_name,
    wait::wait,
};
use clap::Args;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};
use resources::{Backup, DeleteBackup, DeleteBackupSpec, Phase, RecoveryPointRef};

#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Name of the backup, or with --point the id of a recovery point
    name: String,
    /// NAME is the id of a recovery point
    #[arg(long)]
    point: bool,
    /// Location of the recovery point (with --point)
    #[arg(long, default_value = "default")]
    location: String,
    /// Do it; without this, what would be deleted is shown
    #[arg(long)]
    yes: bool,
    /// Wait for the end
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(args: DeleteArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let client = cluster.client().await?;
    let (point, backup) = if args.point {
        (RecoveryPointRef { location: args.location.clone(), id: args.name.clone() }, None)
    } else {
        let (point, backup) = point_of(&args.name, &client, &cluster.namespace).await?;
        (point, Some(backup))
    };
    if !args.yes {
        let preview = preview::of(&point, backup.as_ref(), &client, &cluster.namespace).await?;
        output::print(format, &preview, preview::text)?;
        note!("nothing was deleted; repeat with --yes to do it");
        return Ok(Exit::Done);
    }
    let api: Api<DeleteBackup> = Api::namespaced(client, &cluster.namespace);
    let name = format!("delete-{}", point.id);
    let object = DeleteBackup::new(&name, DeleteBackupSpec { recovery_point: point });
    let requested = request(&api, &object).await?;
    if args.wait {
        return wait(&api, &name, format).await;
    }
    output::print(format, &requested, |_| {
        format!(
            "deletion {name} accepted; watch it: kubectl get deletebackup {name} -n {}",
            cluster.namespace
        )
    })?;
    Ok(Exit::Done)
}

/// Asks for the deletion. One that failed is asked for again; one that runs or has succeeded is not.
async fn request(api: &Api<DeleteBackup>, object: &DeleteBackup) -> Result<DeleteBackup, Failure> {
    let name = object.name_any();
    let create = async || match api.create(&PostParams::default(), object).await {
        Ok(created) => Ok(Some(created)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
        Err(error) => Err(Failure::api(format!("create deletion {name}"), &error)),
    };
    if let Some(created) = create().await? {
        return Ok(created);
    }
    let known =
        api.get(&name).await.map_err(|error| Failure::api(format!("read deletion {name}"), &error))?;
    if known.phase() != Phase::Failed {
        note!("deletion {name} was requested before");
        return Ok(known);
    }
    note!("deletion {name} failed before; it is tried again");
    let this = Preconditions { uid: known.uid(), ..Preconditions::default() };
    let params = DeleteParams { preconditions: Some(this), ..DeleteParams::default() };
    match api.delete(&name, &params).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
        Err(error) => return Err(Failure::api(format!("remove the failed deletion {name}"), &error)),
    }
    create().await?.ok_or_else(|| {
        Failure::failed(format!("deletion {name} comes and goes"))
            .next("Somebody else deletes the same recovery point; see `kubectl get deletebackups`.")
    })
}

async fn point_of(
    backup: &str,
    client: &Client,
    namespace: &str,
) -> Result<(RecoveryPointRef, Backup), Failure> {
    object_name(backup)?;
    let api: Api<Backup> = Api::namespaced(client.clone(), namespace);
    let found =
        api.get(backup).await.map_err(|error| Failure::api(format!("read backup {backup}"), &error))?;
    let point = found.status.as_ref().and_then(|status| status.recovery_point.clone()).ok_or_else(|| {
        Failure::precondition(format!("backup {backup} has no recovery point")).next(format!(
            "Nothing is left to delete; remove the object: `kubectl delete backup {backup} -n {namespace}`."
        ))
    })?;
    Ok((point, found))
}
