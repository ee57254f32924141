//! `cofferdam mover save`: a volume becomes a tree in the repository. No snapshot is written: only the extension
//! makes the tree part of a recovery point.

use super::{Failed, MoverArgs, named, open};
use clap::Args;
use engine::{FileMode, Metadata, Node, NodeKind, TreeId, Writer, save_directory, save_image};
use extension::MoverReport;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub struct SaveArgs {
    #[command(flatten)]
    pub mover: MoverArgs,
}

pub async fn run(args: &SaveArgs, stop: &CancellationToken) -> Result<MoverReport, Failed> {
    let repo = open::repository(&args.mover).await?;
    let writer = Writer::start(&repo, open::job(&args.mover, stop)).await?;
    let saved = super::until(stop, save(&writer, args)).await;
    let (tree, report) = match saved {
        Ok(saved) => saved,
        Err(failed) => {
            if let Err(error) = writer.abort().await {
                tracing::warn!(%error, "could not give the repository lock back");
            }
            return Err(failed);
        }
    };
    writer.finish().await?;
    Ok(MoverReport { tree: tree.to_string(), ..report })
}

/// Gives a tree with one entry: that keeps the owner, mode and attributes of the volume's own root.
async fn save(writer: &Writer, args: &SaveArgs) -> Result<(TreeId, MoverReport), Failed> {
    let volume = &args.mover.volume;
    let what = std::fs::metadata(volume)
        .map_err(|error| Failed::lasting(format!("could not look at {}: {error}", volume.display())))?;
    let (node, report) = if what.is_dir() {
        let saved = save_directory(writer, volume).await?;
        let kind = NodeKind::Dir { subtree: Some(saved.tree) };
        let node = Node { name: b"volume".to_vec(), kind, meta: saved.root };
        let problems = named(&saved.problems);
        let skipped = saved.problems.len() as u64;
        (
            node,
            MoverReport { files: saved.files, bytes: saved.bytes, skipped, problems, ..Default::default() },
        )
    } else {
        let content = save_image(writer, volume).await?;
        let report = MoverReport { files: 1, bytes: content.size, ..MoverReport::default() };
        let meta = Metadata::synthetic(FileMode::file(0o600), open::clock().now());
        (Node { name: b"volume.img".to_vec(), kind: NodeKind::File(content), meta }, report)
    };
    Ok((writer.tree(vec![node]).await?, report))
}
