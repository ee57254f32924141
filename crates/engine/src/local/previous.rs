//! The tree that was saved last time: what has not changed since is taken over.

use super::metadata;
use crate::writer::Shared;
use crate::{EngineError, Reader};
use repository::{BlobKind, FileContent, Node, Tree, TreeId};
use rustix::fs::Stat;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Reads directories of the previous tree. A directory that cannot be read is as good as none: everything in it
/// is then saved anew.
pub(super) fn load(reader: Option<&Reader>, runtime: &Handle, id: Option<TreeId>) -> Option<Arc<Tree>> {
    match runtime.block_on(reader?.tree(id?)) {
        Ok(tree) => Some(tree),
        Err(EngineError::Cancelled) => None,
        Err(error) => {
            tracing::warn!(%error, "a directory of the previous recovery point cannot be read, saving it anew");
            None
        }
    }
}

/// The content of a file that has not changed since `node` was saved, as long as the repository still has it.
pub(super) fn content<'a>(shared: &Shared, node: Option<&'a Node>, stat: &Stat) -> Option<&'a FileContent> {
    let node = node?;
    let content = node.content()?;
    let now = metadata::from_stat(stat);
    let same = u64::try_from(stat.st_size) == Ok(content.size)
        && (now.mtime, now.ctime, now.inode) == (node.meta.mtime, node.meta.ctime, node.meta.inode);
    let whole = || content.ids.iter().all(|id| shared.knows(BlobKind::Data, *id));
    (same && whole()).then_some(content)
}
