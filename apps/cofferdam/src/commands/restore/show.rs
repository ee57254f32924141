//! `cofferdam restore show`: one restore with its problems, or every outcome.

use super::rows;
use crate::{
    cluster::ClusterArgs,
    commands::location::locations,
    exit::{Exit, Failure, Outcome},
    operation::{Operation, problems_text},
    output::{self, Format},
    selection::object_name,
    wait::wait,
};
use clap::Args;
use extension::{grants::GrantPurpose, locations::Access, results};
use kube::{Api, Client, ResourceExt};
use resources::Restore;
use serde_json::Value;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Name of the restore or plan
    name: String,
    /// Every outcome from the result file, not only the problems
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: rows::Filter,
    /// Wait for its end and exit with its code
    #[arg(short, long)]
    wait: bool,
}

pub async fn run(args: ShowArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    object_name(&args.name)?;
    let client = cluster.client().await?;
    let api: Api<Restore> = Api::namespaced(client.clone(), &cluster.namespace);
    if args.wait {
        return wait(&api, &args.name, format).await;
    }
    let restore = api
        .get(&args.name)
        .await
        .map_err(|error| Failure::api(format!("read restore {}", args.name), &error))?;
    if args.all || args.filter.is_set() {
        outcomes(&restore, client, cluster, format, &args.filter).await?;
    } else {
        output::print(format, &restore, text)?;
    }
    Ok(Exit::Done)
}

/// Prints every outcome of a restore, or the tree of a plan, from the result file.
pub async fn outcomes(
    restore: &Restore,
    client: Client,
    cluster: &ClusterArgs,
    format: Format,
    filter: &rows::Filter,
) -> Result<(), Failure> {
    let name = restore.name_any();
    let file = restore.status.as_ref().and_then(|status| status.result_file.as_deref());
    let Some((location, path)) = file.and_then(|file| file.split_once(':')) else {
        // It failed before there was anything to list.
        return output::print(format, &Vec::<Value>::new(), |_| text(restore));
    };
    let locations = locations(&client, &cluster.namespace).await?;
    let read = async {
        let open = locations.open(location, Access::Read, &GrantPurpose::Upkeep).await?;
        results::read(&open.repo, path).await.map_err(Failure::failed)
    };
    let lines = match read.await {
        Ok(lines) => lines,
        Err(failure) => {
            if format == Format::Table {
                output::line(&text(restore))?;
            }
            return Err(failure.next(format!(
                "The store cannot be read from here; `cofferdam restore show {name}` shows what the status holds."
            )));
        }
    };
    let rows: Vec<Value> =
        lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|error| {
            Failure::failed(format!("the result file of {name} cannot be understood: {error}"))
                .next("See whether the location is damaged: `cofferdam repository check`.")
        })?;
    if format == Format::Table
        && !filter.is_set()
        && let Some(tree) = rows::tree(&rows)
    {
        return output::line(&format!("{tree}\n{}", text(restore).trim_end()));
    }
    match format {
        Format::Table => {
            output::line(&format!("{}\n{}", rows::table(&filter.page(rows), &name), text(restore).trim_end()))
        }
        format => output::print(format, &filter.for_programs(rows), |_| String::new()),
    }
}

fn text(restore: &Restore) -> String {
    let mut lines = vec![
        format!("restore         {} ({})", restore.name_any(), restore.spec.operation),
        format!("recovery point  {}", restore.spec.recovery_point.id),
        format!("phase           {}", restore.phase()),
    ];
    if !restore.stage().is_empty() && !restore.phase().is_final() {
        lines.push(format!("stage           {}", restore.stage()));
    }
    lines.extend(restore.waits_for().map(|why| format!("waits           {why}")));
    lines.push(format!("took            {}", output::duration(restore.started(), restore.ended())));
    lines.push(format!("objects         {}", restore.progress()));
    format!("{}\n{}", lines.join("\n"), problems_text(restore))
}
