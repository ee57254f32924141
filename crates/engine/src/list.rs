//! Lists what a recovery point holds, one entry after another, without reading any file.

use crate::{EngineError, Reader};
use futures::{Stream, stream};
use repository::{Node, TreeId};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf, vec::IntoIter};

/// One entry of a recovery point.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Where it is, relative to the root.
    pub path: PathBuf,
    /// What it is.
    pub node: Node,
}

/// A directory that is being listed.
struct Level {
    path: PathBuf,
    rest: IntoIter<Node>,
}

/// All entries below `root`: each directory's entry, then what is in it, sorted by name.
pub fn list(
    reader: &Reader,
    root: TreeId,
) -> impl Stream<Item = Result<Listed, EngineError>> + Send + 'static {
    let reader = reader.clone();
    let levels: Option<Vec<Level>> = None;
    stream::try_unfold((reader, levels), move |(reader, levels)| async move {
        let mut levels = match levels {
            Some(levels) => levels,
            None => vec![level(&reader, PathBuf::new(), root).await?],
        };
        loop {
            let Some(top) = levels.last_mut() else { return Ok(None) };
            let Some(node) = top.rest.next() else {
                levels.pop();
                continue;
            };
            let path = top.path.join(OsStr::from_bytes(&node.name));
            if let Some(subtree) = node.subtree() {
                levels.push(level(&reader, path.clone(), subtree).await?);
            }
            return Ok(Some((Listed { path, node }, (reader, Some(levels)))));
        }
    })
}

async fn level(reader: &Reader, path: PathBuf, tree: TreeId) -> Result<Level, EngineError> {
    let tree = reader.tree(tree).await?;
    let nodes = std::sync::Arc::try_unwrap(tree)
        .map_or_else(|shared| shared.nodes().to_vec(), |tree| tree.into_nodes());
    Ok(Level { path, rest: nodes.into_iter() })
}
