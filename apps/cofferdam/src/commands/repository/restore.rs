//! `cofferdam repository restore`.

use super::{
    list::find,
    open::{Place, job},
};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{Existing, Node, Reader, RestoreOptions, restore};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Id of the snapshot, its beginning, or `latest`
    snapshot: String,
    /// Directory to write to
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Directory inside the snapshot; all of it when absent
    #[arg(long, default_value = "", value_name = "PATH")]
    path: String,
    /// Replace files that exist
    #[arg(long)]
    replace: bool,
}

pub async fn run(args: RestoreArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let (_, snapshot) = find(&repo, &args.snapshot).await?;
    let reader = Reader::open(&repo).await?;
    let path = args.path.trim_matches('/');
    let (tree, root) = if path.is_empty() {
        (snapshot.tree, None)
    } else {
        let node = reader.lookup(snapshot.tree, path).await?;
        let tree = node.as_ref().and_then(Node::subtree).ok_or_else(|| {
            Failure::precondition(format!("the snapshot has no directory {path}"))
                .next(format!("See what it holds: `cofferdam repository list {}`.", args.snapshot))
        })?;
        (tree, node.map(|node| node.meta))
    };
    let existing = if args.replace { Existing::Replace } else { Existing::Keep };
    let options = RestoreOptions { existing, root, ..RestoreOptions::default() };
    let report = restore(&reader, tree, &args.to, options, &job()).await?;
    let problems: Vec<String> = report.problems.iter().map(output::file_problem).collect();
    let value = json!({
        "files": report.files, "directories": report.directories, "bytes": report.bytes,
        "problems": problems, "moreProblems": report.more_problems,
    });
    output::print(format, &value, |_| {
        let mut text = format!(
            "{} files, {} written to {}",
            report.files,
            output::bytes(report.bytes),
            args.to.display()
        );
        for problem in &problems {
            text.push_str(&format!("\nnot restored: {problem}"));
        }
        text
    })?;
    Ok(if report.is_complete() { Exit::Done } else { Exit::Warnings })
}
