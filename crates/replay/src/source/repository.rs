//! A recovery point in a repository.

use super::{PointSource, lines};
use crate::SourceError;
use async_trait::async_trait;
use bytes::Bytes;
use engine::{EngineError, Node, Reader, TreeId};
use futures::StreamExt;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use protection::point::{FORMAT_VERSION, INDEX, IndexEntry, MANIFEST, Manifest};
use std::collections::HashMap;
use std::ops::Range;

/// A manifest is never longer.
const LONGEST_MANIFEST: u64 = 64 * 1024 * 1024;

/// Reads the tree of one snapshot.
pub struct RecoveryPointSource {
    reader: Reader,
    root: TreeId,
    nodes: Mutex<HashMap<String, Node>>,
}

impl RecoveryPointSource {
    /// The recovery point whose snapshot has this tree.
    pub fn new(reader: Reader, root: TreeId) -> Self {
        Self { reader, root, nodes: Mutex::default() }
    }

    async fn node(&self, path: &str) -> Result<Node, SourceError> {
        if let Some(known) = self.nodes.lock().get(path) {
            return Ok(known.clone());
        }
        let missing = || SourceError::damaged(path, "there is no such file");
        let names: Vec<&str> = path.split('/').collect();
        let (file, folders) = names.split_last().ok_or_else(missing)?;
        let mut at = self.root;
        for folder in folders {
            at = self.entry(at, folder, path).await?.and_then(|node| node.subtree()).ok_or_else(missing)?;
        }
        let node = self.entry(at, file, path).await?.ok_or_else(missing)?;
        self.nodes.lock().insert(path.to_owned(), node.clone());
        Ok(node)
    }

    async fn entry(&self, folder: TreeId, name: &str, path: &str) -> Result<Option<Node>, SourceError> {
        let tree = self.reader.tree(folder).await.map_err(|error| failed(path, &error))?;
        Ok(tree.find(name.as_bytes()).cloned())
    }
}

#[async_trait]
impl PointSource for RecoveryPointSource {
    async fn manifest(&self) -> Result<Manifest, SourceError> {
        let node = self.node(MANIFEST).await?;
        let mut chunks = std::pin::pin!(self.reader.stream(&node));
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| failed(MANIFEST, &error))?);
            if bytes.len() as u64 > LONGEST_MANIFEST {
                return Err(SourceError::damaged(MANIFEST, "it is longer than a manifest can be"));
            }
        }
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| SourceError::damaged(MANIFEST, error))?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(SourceError {
                what: MANIFEST.to_owned(),
                cause: format!(
                    "it has format version {}, this program reads {FORMAT_VERSION}; use a newer one",
                    manifest.format_version
                ),
                temporary: false,
                damaged: false,
            });
        }
        Ok(manifest)
    }

    async fn index(&self) -> Result<BoxStream<'_, Result<IndexEntry, SourceError>>, SourceError> {
        let node = self.node(INDEX).await?;
        let chunks = self.reader.stream(&node);
        Ok(lines::entries(chunks.map(|chunk| chunk.map_err(|error| failed(INDEX, &error)))))
    }

    async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes, SourceError> {
        let node = self.node(path).await?;
        self.reader.read(&node, range).await.map_err(|error| failed(path, &error))
    }
}

fn failed(what: &str, error: &EngineError) -> SourceError {
    SourceError {
        what: what.to_owned(),
        cause: error.to_string(),
        temporary: error.is_temporary(),
        damaged: error.is_damage()
            || matches!(error, EngineError::OutOfRange { .. } | EngineError::NotAFile { .. }),
    }
}
