//! `cofferdam backup list`.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::Operation,
    output::{self, Format},
};
use kube::{Api, ResourceExt, api::ListParams};
use resources::Backup;
use telemetry::{Clock, SystemClock};

pub async fn run(cluster: &ClusterArgs, format: Format) -> Outcome {
    let api: Api<Backup> = Api::namespaced(cluster.client().await?, &cluster.namespace);
    let list =
        api.list(&ListParams::default()).await.map_err(|error| Failure::api("list backups", &error))?;
    let mut backups = list.items;
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.created()));
    let now = SystemClock.now();
    output::print(format, &backups, |backups| {
        let rows = backups.iter().map(|backup| {
            let status = backup.status.clone().unwrap_or_default();
            let point = status.recovery_point.map(|point| point.id).unwrap_or_else(|| "-".to_owned());
            [
                backup.name_any(),
                backup.spec.backup_instance.clone(),
                backup.phase().to_string(),
                status.objects.to_string(),
                status.volumes.snapshots.to_string(),
                status.problem_count.to_string(),
                output::duration(backup.started(), backup.ended()),
                output::age(backup.created(), now),
                point,
            ]
        });
        let head = [
            "name",
            "instance",
            "phase",
            "objects",
            "snapshots",
            "problems",
            "took",
            "age",
            "recovery point",
        ];
        output::table(head, rows)
    })?;
    Ok(Exit::Done)
}
