//! Keys, config, snapshots, and every directory and chunk that the snapshots refer to.

use super::{CheckProblem, CheckReport};
use crate::{EngineError, Job, Reader, Repo, repo::path, settle, trees};
use repository::{BlobKind, Config, FileKind, KeyFile, KeyId, NodeKind, Snapshot, SnapshotId, Tree};
use trees::Visit;

/// Key files must be what their names say and decode; the config must still be the one we opened.
pub(super) async fn check_keys(repo: &Repo, report: &mut CheckReport) -> Result<(), EngineError> {
    for id in repo.list::<KeyId>(FileKind::Key).await? {
        let read = repo.read(FileKind::Key, id).await;
        let decoded =
            read.and_then(|bytes| KeyFile::decode(&bytes).map_err(EngineError::format("its content")));
        match decoded {
            Ok(_) => {}
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => {
                report.add(CheckProblem::Key { file: FileKind::Key.path(id), cause: error.to_string() })
            }
        }
    }
    let stored = repo.store().read(&path(FileKind::Config, "")?).await.map_err(EngineError::from);
    let decoded = stored
        .and_then(|bytes| Config::decode(repo.key(), &bytes).map_err(EngineError::format("its content")));
    match decoded {
        Ok(config) if config == *repo.config() => {}
        Ok(_) => {
            report.add(CheckProblem::Config { cause: "it is another one than when it was opened".to_owned() })
        }
        Err(error) if error.is_temporary() => return Err(error),
        Err(error) => report.add(CheckProblem::Config { cause: error.to_string() }),
    }
    Ok(())
}

/// All snapshots that can be read; the others are reported.
pub(super) async fn read_all(
    repo: &Repo,
    job: &Job,
    report: &mut CheckReport,
) -> Result<Vec<(SnapshotId, Snapshot)>, EngineError> {
    let mut snapshots = Vec::new();
    let read = |id| repo.snapshot(id);
    settle::each(repo, FileKind::Snapshot, job.budget.readers(), read, |id, read| {
        match read {
            Ok(snapshot) => snapshots.push((id, snapshot)),
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => {
                report.add(CheckProblem::Snapshot {
                    file: FileKind::Snapshot.path(id),
                    cause: error.to_string(),
                });
            }
        }
        Ok(())
    })
    .await?;
    report.snapshots = snapshots.len();
    Ok(snapshots)
}

/// Every directory must be readable and every chunk of every file must be in the index.
pub(super) async fn check_trees(
    reader: &Reader,
    snapshots: &[(SnapshotId, Snapshot)],
    job: &Job,
    report: &mut CheckReport,
) -> Result<(), EngineError> {
    let roots: Vec<_> = snapshots.iter().map(|(id, snapshot)| (*id, snapshot.tree)).collect();
    let visit = |at: &Visit, tree: Result<&Tree, EngineError>| match tree {
        Ok(tree) => check_tree(reader, at, tree, report),
        Err(error) => report.add(CheckProblem::Tree {
            snapshot: at.snapshot,
            path: at.path.to_path_buf(),
            tree: at.tree,
            cause: error.to_string(),
        }),
    };
    trees::each_tree(reader, roots, job, visit).await
}

fn check_tree(reader: &Reader, at: &Visit, tree: &Tree, report: &mut CheckReport) {
    report.directories += 1;
    report.entries += tree.nodes().len();
    for node in tree.nodes() {
        let NodeKind::File(content) = &node.kind else { continue };
        for id in &content.ids {
            if reader.place(BlobKind::Data, *id).is_none() {
                let path = at.child(&node.name);
                report.add(CheckProblem::ChunkMissing { snapshot: at.snapshot, path, blob: *id });
            }
        }
    }
}
