//! `cofferdam backup show`.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::{Operation, problems_text},
    output::{self, Format},
    selection::object_name,
    wait::wait,
};
use clap::Args;
use kube::{Api, ResourceExt};
use resources::Backup;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name of the backup
    name: String,
    /// Wait for its end and exit with its code
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(args: ShowArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    object_name(&args.name)?;
    let api: Api<Backup> = Api::namespaced(cluster.client().await?, &cluster.namespace);
    if args.wait {
        return wait(&api, &args.name, format).await;
    }
    let backup = api
        .get(&args.name)
        .await
        .map_err(|error| Failure::api(format!("read backup {}", args.name), &error))?;
    output::print(format, &backup, text)?;
    Ok(Exit::Done)
}

fn text(backup: &Backup) -> String {
    let status = backup.status.clone().unwrap_or_default();
    let mut lines = vec![
        format!("backup          {}", backup.name_any()),
        format!("instance        {}", backup.spec.backup_instance),
        format!("phase           {}", backup.phase()),
    ];
    if !status.stage.is_empty() && !backup.phase().is_final() {
        lines.push(format!("stage           {}", status.stage));
    }
    lines.extend(backup.waits_for().map(|why| format!("waits           {why}")));
    if let Some(point) = &status.recovery_point {
        lines.push(format!("recovery point  {} in location {}", point.id, point.location));
    }
    lines.push(format!("took            {}", output::duration(backup.started(), backup.ended())));
    lines.push(format!("captured        {}", backup.progress()));
    lines.push(format!("stored          {} more in the repository", output::bytes(status.bytes_added)));
    if !status.frozen.is_empty() {
        let pods: Vec<String> = status.frozen.iter().map(|f| format!("{}/{}", f.namespace, f.pod)).collect();
        lines.push(format!("frozen          {}", pods.join(", ")));
    }
    for (kind, count) in &status.kinds {
        lines.push(format!("  {count:>7} {kind}"));
    }
    format!("{}\n{}", lines.join("\n"), problems_text(backup))
}
