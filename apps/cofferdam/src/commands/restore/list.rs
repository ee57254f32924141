//! `cofferdam restore list`.

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::Operation,
    output::{self, Format},
};
use kube::{Api, ResourceExt, api::ListParams};
use resources::Restore;
use telemetry::{Clock, SystemClock};

pub async fn run(cluster: &ClusterArgs, format: Format) -> Outcome {
    let api: Api<Restore> = Api::namespaced(cluster.client().await?, &cluster.namespace);
    let list =
        api.list(&ListParams::default()).await.map_err(|error| Failure::api("list restores", &error))?;
    let mut restores = list.items;
    restores.sort_by_key(|restore| std::cmp::Reverse(restore.created()));
    let now = SystemClock.now();
    output::print(format, &restores, |restores| {
        let rows = restores.iter().map(|restore| {
            let counts = restore.status.clone().unwrap_or_default().outcomes;
            [
                restore.name_any(),
                restore.spec.operation.to_string(),
                restore.phase().to_string(),
                counts.created.to_string(),
                counts.updated.to_string(),
                counts.skipped.to_string(),
                counts.failed.to_string(),
                output::age(restore.created(), now),
                restore.spec.recovery_point.id.clone(),
            ]
        });
        let head = [
            "name",
            "operation",
            "phase",
            "created",
            "updated",
            "skipped",
            "failed",
            "age",
            "recovery point",
        ];
        output::table(head, rows)
    })?;
    Ok(Exit::Done)
}
