//! `cofferdam repository unlock`: removes the locks of processes that are gone.

use super::open::Place;
use crate::note;
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{OtherLock, Repo, locks, remove_stale};
use jiff::Timestamp;
use repository::{FileKind, LockId, LockMode};
use serde::Serialize;
use telemetry::{Clock, SystemClock};

#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// All locks, also those that still count: shows them, and removes them with --yes
    #[arg(long)]
    remove_all: bool,
    /// Do it (with --remove-all)
    #[arg(long, requires = "remove_all")]
    yes: bool,
}

/// A lock, and whether it is gone now. What a damaged one says is not known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    holder: Option<String>,
    exclusive: Option<bool>,
    refreshed: Option<Timestamp>,
    stale: bool,
    removed: bool,
}

pub async fn run(args: UnlockArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let rows = if args.remove_all { all(&repo, args.yes).await? } else { stale(&repo).await? };
    output::print(format, &rows, |rows| text(rows))?;
    let left = rows.iter().filter(|row| !row.removed).count();
    if left > 0 && args.remove_all {
        note!("nothing was removed; repeat with --yes to do it");
    } else if left > 0 {
        note!(
            "{left} still count, for their processes may be at work; --remove-all removes them all the same"
        );
    }
    Ok(Exit::Done)
}

async fn stale(repo: &Repo) -> Result<Vec<Row>, Failure> {
    let found = remove_stale(repo, &SystemClock).await.map_err(|error| {
        let hint = "A damaged lock goes with `cofferdam repository unlock --remove-all`.";
        let hint = if error.is_damage() { hint } else { "" };
        Failure::from(error).next(hint)
    })?;
    Ok(found.iter().map(|lock| row(lock.id, Some(lock), lock.stale)).collect())
}

async fn all(repo: &Repo, remove: bool) -> Result<Vec<Row>, Failure> {
    let ids: Vec<LockId> = repo.list(FileKind::Lock).await?;
    let known = match locks(repo, SystemClock.now()).await {
        Err(error) if error.is_damage() => Vec::new(),
        read => read?,
    };
    if !ids.is_empty() {
        note!(
            "warning: a lock that still counts protects a process at work. Without it, a prune may delete what that \
             process writes, and its backup is lost. Make sure first that none of these processes runs any more."
        );
    }
    let mut rows = Vec::new();
    for id in ids {
        if remove {
            repo.delete(FileKind::Lock, id).await?;
        }
        rows.push(row(id, known.iter().find(|lock| lock.id == id), remove));
    }
    Ok(rows)
}

fn row(id: LockId, lock: Option<&OtherLock>, removed: bool) -> Row {
    Row {
        id: id.to_string(),
        holder: lock.map(OtherLock::holder),
        exclusive: lock.map(|lock| lock.file.mode() == LockMode::Exclusive),
        refreshed: lock.map(|lock| lock.file.time),
        stale: lock.is_some_and(|lock| lock.stale),
        removed,
    }
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "the repository is not locked".to_owned();
    }
    let unknown = || "?".to_owned();
    let cells = rows.iter().map(|row| {
        let mode = row.exclusive.map(|exclusive| if exclusive { "exclusive" } else { "shared" });
        let state = match (row.removed, row.stale) {
            (true, _) => "removed",
            (false, true) => "stale",
            (false, false) => "counts",
        };
        [
            row.id.chars().take(8).collect(),
            state.to_owned(),
            mode.map_or_else(unknown, str::to_owned),
            row.refreshed.map_or_else(unknown, |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string()),
            row.holder.clone().unwrap_or_else(unknown),
        ]
    });
    output::table(["lock", "state", "mode", "refreshed (utc)", "holder"], cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_lock_is_listed_without_what_it_says() {
        let damaged = row(LockId::from([7; 32]), None, false);

        let shown = text(&[damaged]);

        assert!(shown.contains("07070707  counts  ?"), "{shown}");
        assert_eq!(text(&[]), "the repository is not locked");
    }
}
