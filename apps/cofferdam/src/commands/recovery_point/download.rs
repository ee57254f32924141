//! `cofferdam recovery-point download`: a recovery point, or a part of it, as files.

use super::From;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{Job, RestoreOptions, restore};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};
use telemetry::SystemClock;

#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// Id of the recovery point, or its beginning
    id: String,
    /// Directory to write to; created when absent
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Directory of the recovery point, for example resources/secrets or volumes/shop/data; all when absent
    #[arg(long, default_value = "", value_name = "PATH")]
    path: String,
    #[command(flatten)]
    from: From,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    directory: PathBuf,
    files: u64,
    bytes: u64,
    problems: Vec<String>,
}

pub async fn run(args: DownloadArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let point = args.from.point(cluster, &args.id).await?;
    let root = point.point.snapshot_file().tree;
    let path = args.path.trim_matches('/');
    let tree = if path.is_empty() {
        root
    } else {
        let node = point.reader.lookup(root, path).await.map_err(Failure::failed)?;
        node.as_ref().and_then(engine::Node::subtree).ok_or_else(|| {
            Failure::precondition(format!("recovery point {} has no directory {path}", point.point.id))
                .next(format!("See what it holds: `cofferdam recovery-point browse {}`.", point.point.id))
        })?
    };
    let job = Job::new(Arc::new(SystemClock));
    let report = restore(&point.reader, tree, &args.to, RestoreOptions::default(), &job)
        .await
        .map_err(Failure::failed)?;
    let problems: Vec<String> =
        report.problems.iter().map(|(path, outcome)| format!("{}: {outcome:?}", path.display())).collect();
    let summary = Summary { directory: args.to, files: report.files, bytes: report.bytes, problems };
    output::print(format, &summary, |summary| {
        let mut text = format!(
            "{} files, {} written to {}",
            summary.files,
            output::bytes(summary.bytes),
            summary.directory.display()
        );
        for problem in &summary.problems {
            text.push_str(&format!("\nnot written: {problem}"));
        }
        text
    })?;
    Ok(if report.is_complete() { Exit::Done } else { Exit::Warnings })
}
