//! `cofferdam repository list`: snapshots, or the entries of one.

use super::open::Place;
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{Listed, Reader, Repo, Snapshot, SnapshotId};
use futures::TryStreamExt;
use serde_json::json;

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Id of a snapshot, or its beginning; all snapshots are listed when absent
    snapshot: Option<String>,
}

pub async fn run(args: ListArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let Some(id) = args.snapshot else {
        let snapshots = repo.snapshots().await?;
        let rows: Vec<_> = snapshots
            .iter()
            .map(|(id, snapshot)| json!({"id": id.to_string(), "snapshot": snapshot}))
            .collect();
        output::print(format, &rows, |_| {
            let rows = snapshots.iter().map(|(id, snapshot)| {
                [
                    id.to_string().chars().take(8).collect(),
                    snapshot.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                    snapshot.hostname.clone(),
                    snapshot.tags.join(","),
                    snapshot.paths.join(" "),
                ]
            });
            output::table(["id", "time (utc)", "host", "tags", "paths"], rows)
        })?;
        return Ok(Exit::Done);
    };
    let (_, snapshot) = find(&repo, &id).await?;
    let reader = Reader::open(&repo).await?;
    let listed: Vec<Listed> = engine::list(&reader, snapshot.tree).try_collect().await?;
    let rows: Vec<_> = listed
        .iter()
        .map(|entry| json!({"path": entry.path.to_string_lossy(), "size": size(entry)}))
        .collect();
    output::print(format, &rows, |_| {
        let rows = listed
            .iter()
            .map(|entry| [output::bytes(size(entry)), entry.path.to_string_lossy().into_owned()]);
        output::table(["size", "path"], rows)
    })?;
    Ok(Exit::Done)
}

/// The snapshot whose id begins with `id`; `latest` is the newest.
pub async fn find(repo: &Repo, id: &str) -> Result<(SnapshotId, Snapshot), Failure> {
    if id.is_empty() {
        return Err(Failure::usage("the id of the snapshot is empty").next("Name it, or write `latest`."));
    }
    let mut found = repo.snapshots().await?;
    if id == "latest" {
        return found.pop().ok_or_else(|| {
            Failure::precondition("the repository holds no snapshot")
                .next("Make one: `cofferdam repository backup DIR`.")
        });
    }
    found.retain(|(snapshot, _)| snapshot.to_string().starts_with(id));
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            Err(Failure::precondition(format!("several snapshots begin with {id}"))
                .next("Write more of the id."))
        }
        (None, _) => Err(Failure::precondition(format!("there is no snapshot {id}"))
            .next("See what there is: `cofferdam repository list`.")),
    }
}

fn size(entry: &Listed) -> u64 {
    entry.node.content().map(|content| content.size).unwrap_or_default()
}
