//! `cofferdam recovery-point list`: of a location of the cluster, or of a vault.

use super::{From, managed};
use crate::note;
use crate::{
    cluster::ClusterArgs,
    commands::instance::Which,
    exit::{Exit, Outcome},
    managed::SessionArgs,
    output::{self, Format},
};
use clap::Args;
use extension::points;
use telemetry::{Clock, SystemClock};

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    from: From,
    /// Only those of this backup instance
    #[arg(long, visible_alias = "backup-instance-name", value_name = "NAME")]
    instance: Option<String>,
    /// Ask this Backup vault, instead of reading a location
    #[arg(
        short = 'v',
        long,
        visible_alias = "vault",
        requires = "group",
        conflicts_with = "location",
        value_name = "NAME"
    )]
    vault_name: Option<String>,
    /// Resource group of the vault
    #[arg(short = 'g', long = "resource-group", requires = "vault_name", value_name = "NAME")]
    group: Option<String>,
    #[command(flatten)]
    bounds: managed::Bounds,
    #[command(flatten)]
    session: SessionArgs,
}

pub async fn run(args: ListArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    if let (Some(vault), Some(group)) = (args.vault_name, args.group) {
        let which = Which::new(args.instance, vault, group);
        return managed::list(&which, &args.bounds, &args.session, cluster, format).await;
    }
    let mut found = match args.from.repo_if_created(cluster).await? {
        Some(repo) => points::list(&repo).await?,
        None => {
            note!("location {} holds no repository yet; the first backup creates it", args.from.location);
            Vec::new()
        }
    };
    if let Some(instance) = &args.instance {
        found.retain(|point| point.instance == *instance);
    }
    found.reverse();
    let now = SystemClock.now();
    output::print(format, &found, |found| {
        let rows = found.iter().map(|point| {
            [
                point.id.clone(),
                point.instance.clone(),
                point.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                output::age(Some(point.time), now),
                point.bytes.map_or_else(|| "-".to_owned(), output::bytes),
                point.stored.map_or_else(|| "-".to_owned(), output::bytes),
                point.cluster.clone(),
            ]
        });
        output::table(["id", "instance", "time (utc)", "age", "size", "added", "cluster"], rows)
    })?;
    Ok(Exit::Done)
}
