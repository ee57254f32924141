//! `cofferdam backup cancel`.

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
    Api,
    api::{Patch, PatchParams},
};
use resources::{Backup, Phase};

#[derive(Debug, Args)]
pub struct CancelArgs {
    /// Name of the backup
    name: String,
    /// Wait until it has stopped
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(args: CancelArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    object_name(&args.name)?;
    let api: Api<Backup> = Api::namespaced(cluster.client().await?, &cluster.namespace);
    let patch = Patch::Merge(serde_json::json!({"spec": {"cancel": true}}));
    let backup = api
        .patch(&args.name, &PatchParams::default(), &patch)
        .await
        .map_err(|error| Failure::api(format!("cancel backup {}", args.name), &error))?;
    if backup.phase().is_final() {
        return Err(Failure::precondition(format!(
            "backup {} has ended already: {}",
            args.name,
            backup.phase()
        ))
        .next(format!("See its result: `cofferdam backup show {}`.", args.name)));
    }
    if args.wait {
        let exit = wait(&api, &args.name, format).await?;
        // Stopped is what was asked for; that it was complete before is worth another code.
        return Ok(if exit == Exit::of(Phase::Cancelled) { Exit::Done } else { exit });
    }
    output::print(format, &backup, |_| format!("backup {} is being stopped", args.name))?;
    Ok(Exit::Done)
}
