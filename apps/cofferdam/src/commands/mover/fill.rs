//! `cofferdam mover fill`: a fresh volume gets the files (or the blocks) that a recovery point holds, with owners,
//! modes, times and attributes.

use super::{Failed, MoverArgs, named, open};
use clap::Args;
use engine::{Existing, Job, Node, Ownership, Reader, RestoreOptions, TreeId, Zeros, restore, write_content};
use extension::MoverReport;
use std::{fs::OpenOptions, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub struct FillArgs {
    #[command(flatten)]
    pub mover: MoverArgs,
    /// Id of the recovery point's root tree
    #[arg(long, value_name = "ID")]
    tree: String,
    /// Path of the volume's data in the recovery point
    #[arg(long, value_name = "PATH")]
    path: String,
}

pub async fn run(args: &FillArgs, stop: &CancellationToken) -> Result<MoverReport, Failed> {
    let root: TreeId =
        args.tree.parse().map_err(|_| Failed::lasting(format!("{} is not the id of a tree", args.tree)))?;
    let repo = open::repository(&args.mover).await?;
    let job = open::job(&args.mover, stop);
    let reader = Reader::with_budget(&repo, &job.budget).await?;
    let node = reader.lookup(root, &args.path).await?;
    let node =
        node.ok_or_else(|| Failed::lasting(format!("the recovery point does not hold {}", args.path)))?;
    super::until(stop, async {
        match node.subtree() {
            Some(tree) => files(args, &reader, tree, &node, &job).await,
            None => blocks(args, &reader, &node, &job).await,
        }
    })
    .await
}

/// A mover that is tried again meets what the first one wrote, and replaces it.
async fn files(
    args: &FillArgs,
    reader: &Reader,
    tree: TreeId,
    node: &Node,
    job: &Job,
) -> Result<MoverReport, Failed> {
    let options = RestoreOptions {
        existing: Existing::Replace,
        ownership: Ownership::Restore,
        sparse: true,
        root: Some(node.meta.clone()),
    };
    let done = restore(reader, tree, &args.mover.volume, options, job).await?;
    Ok(MoverReport {
        files: done.files,
        bytes: done.bytes,
        skipped: done.problems.len() as u64 + done.more_problems,
        problems: named(&done.problems),
        ..MoverReport::default()
    })
}

/// Zeros are written, too: what a fresh device holds is not known.
async fn blocks(args: &FillArgs, reader: &Reader, node: &Node, job: &Job) -> Result<MoverReport, Failed> {
    let volume = &args.mover.volume;
    let fail = |tried: &str, error: &std::io::Error| Failed {
        text: format!("could not {tried} {}: {error}", volume.display()),
        temporary: false,
    };
    let device = OpenOptions::new().write(true).open(volume).map_err(|error| fail("open", &error))?;
    let device = Arc::new(device);
    let bytes = write_content(reader, node, device.clone(), Zeros::Write, job).await?;
    device.sync_all().map_err(|error| fail("sync", &error))?;
    Ok(MoverReport { files: 1, bytes, ..MoverReport::default() })
}
