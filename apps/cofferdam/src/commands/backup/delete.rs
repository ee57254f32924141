//! `cofferdam backup delete`: the recovery point of a backup, with its snapshots.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::Format,
    wait::wait,
};
use clap::Args;
use kube::{Api, Client, api::PostParams};
use resources::{Backup, DeleteBackup, DeleteBackupSpec, RecoveryPointRef};

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
    let point = if args.point {
        RecoveryPointRef { location: args.location.clone(), id: args.name.clone() }
    } else {
        point_of(&args.name, &client, &cluster.namespace).await?
    };
    if !args.yes {
        println!(
            "would delete recovery point {} in location {} and its volume snapshots; repeat with --yes to do it",
            point.id, point.location
        );
        return Ok(Exit::Done);
    }
    let api: Api<DeleteBackup> = Api::namespaced(client, &cluster.namespace);
    let name = format!("delete-{}", point.id);
    let object = DeleteBackup::new(&name, DeleteBackupSpec { recovery_point: point });
    match api.create(&PostParams::default(), &object).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {
            eprintln!("deletion {name} was requested before");
        }
        Err(error) => return Err(Failure::api(format!("create deletion {name}"), &error)),
    }
    if args.wait {
        return wait(&api, &name, format).await;
    }
    println!("deletion {name} accepted; watch it: kubectl get deletebackup {name} -n {}", cluster.namespace);
    Ok(Exit::Done)
}

async fn point_of(backup: &str, client: &Client, namespace: &str) -> Result<RecoveryPointRef, Failure> {
    let api: Api<Backup> = Api::namespaced(client.clone(), namespace);
    let found =
        api.get(backup).await.map_err(|error| Failure::api(format!("read backup {backup}"), &error))?;
    found.status.and_then(|status| status.recovery_point).ok_or_else(|| {
        Failure::precondition(format!("backup {backup} has no recovery point"))
            .next("Nothing is left to delete; remove the object with `kubectl delete backup`.")
    })
}
