//! `cofferdam recovery-point list`.

use super::From;
use crate::note;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Outcome},
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
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

pub async fn run(args: ListArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
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
