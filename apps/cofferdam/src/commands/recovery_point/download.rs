//! `cofferdam recovery-point download`: a recovery point, or a part of it, as files.

use super::{From, empty_directory};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{Job, Node, RestoreOptions, Zeros, restore, write_content};
use extension::points::OpenPoint;
use serde::Serialize;
use std::{
    fs::OpenOptions,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::PathBuf,
    sync::Arc,
};
use telemetry::SystemClock;

#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// Id of the recovery point, or its beginning
    id: String,
    /// Directory to write to; created when absent, and empty unless a single file is downloaded
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Directory or file of the recovery point, for example resources/secrets, volumes/shop/data or
    /// volumes/shop/raw.img; all when absent
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
        let node = point.reader.lookup(root, path).await?;
        let node = node.ok_or_else(|| {
            Failure::precondition(format!("recovery point {} has no {path}", point.point.id))
                .next(format!("See what it holds: `cofferdam recovery-point browse {}`.", point.point.id))
        })?;
        match node.subtree() {
            Some(tree) => tree,
            None => return single(&point, &node, args.to, format).await,
        }
    };
    empty_directory(&args.to)?;
    let job = Job::new(Arc::new(SystemClock));
    let report = restore(&point.reader, tree, &args.to, RestoreOptions::default(), &job).await?;
    let problems: Vec<String> = report.problems.iter().map(output::file_problem).collect();
    let summary = Summary { directory: args.to, files: report.files, bytes: report.bytes, problems };
    show(&summary, format)?;
    Ok(if report.is_complete() { Exit::Done } else { Exit::Warnings })
}

/// One file, for example the image of a raw block volume: content only, readable by its new owner.
async fn single(point: &OpenPoint, node: &Node, to: PathBuf, format: Format) -> Outcome {
    let content = node.content().ok_or_else(|| {
        Failure::precondition(format!("{} is neither a directory nor a file", node.name_lossy()))
            .next("Download the directory that it is in.")
    })?;
    let path = to.join(std::ffi::OsStr::from_bytes(&node.name));
    let unusable = |error: std::io::Error| {
        Failure::precondition(format!("could not create {}: {error}", path.display()))
            .next("Name a directory that does not exist yet, or one without a file of that name.")
    };
    std::fs::create_dir_all(&to).map_err(unusable)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(unusable)?;
    let file = Arc::new(file);
    let job = Job::new(Arc::new(SystemClock));
    let bytes = write_content(&point.reader, node, file.clone(), Zeros::LeaveOut, &job).await?;
    file.set_len(content.size).and_then(|()| file.sync_all()).map_err(|error| {
        Failure::failed(format!("could not write {}: {error}", path.display()))
            .next("Check the disk, remove the file and repeat.")
    })?;
    show(&Summary { directory: to, files: 1, bytes, problems: Vec::new() }, format)?;
    Ok(Exit::Done)
}

fn show(summary: &Summary, format: Format) -> Result<(), Failure> {
    output::print(format, summary, |summary| {
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
    })
}
