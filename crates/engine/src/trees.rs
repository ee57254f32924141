//! Visits every directory of some snapshots once, several at a time, in bounded memory.

use crate::{EngineError, Job, Reader};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use repository::{SnapshotId, Tree, TreeId};
use std::{
    collections::HashSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A directory and where it was met first.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// In which snapshot.
    pub(crate) snapshot: SnapshotId,
    /// Under which path; `/` for the root.
    pub(crate) path: Arc<Path>,
    /// Which tree.
    pub(crate) tree: TreeId,
}

impl Visit {
    /// The path of an entry of this directory.
    pub(crate) fn child(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }
}

/// A directory that is being read.
type Load<'a> = BoxFuture<'a, (Visit, Result<Arc<Tree>, EngineError>)>;

/// Calls `visit` once for every directory reachable from `roots`, in no particular order. A directory that
/// cannot be read is passed on as the error; a temporary error ends the walk.
pub(crate) async fn each_tree(
    reader: &Reader,
    roots: impl IntoIterator<Item = (SnapshotId, TreeId)>,
    job: &Job,
    mut visit: impl FnMut(&Visit, Result<&Tree, EngineError>),
) -> Result<(), EngineError> {
    let root: Arc<Path> = Path::new("/").into();
    let mut waiting: Vec<Visit> =
        roots.into_iter().map(|(snapshot, tree)| Visit { snapshot, path: root.clone(), tree }).collect();
    let mut seen = HashSet::new();
    let mut running: FuturesUnordered<Load<'_>> = FuturesUnordered::new();
    loop {
        while running.len() < job.budget.readers() * 2 {
            // The last found first: depth before breadth keeps the list short.
            let Some(next) = waiting.pop() else { break };
            if seen.insert(next.tree) {
                running.push(
                    async move {
                        let tree = reader.tree(next.tree).await;
                        (next, tree)
                    }
                    .boxed(),
                );
            }
        }
        let done = tokio::select! {
            done = running.next() => done,
            () = job.cancel.cancelled() => return Err(EngineError::Cancelled),
        };
        let Some((at, tree)) = done else { return Ok(()) };
        match tree {
            Ok(tree) => {
                for node in tree.nodes() {
                    if let Some(subtree) = node.subtree()
                        && !seen.contains(&subtree)
                    {
                        waiting.push(Visit {
                            snapshot: at.snapshot,
                            path: at.child(&node.name).into(),
                            tree: subtree,
                        });
                    }
                }
                visit(&at, Ok(&tree));
            }
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => visit(&at, Err(error)),
        }
    }
}
