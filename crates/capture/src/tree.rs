//! Joins the files of all lists to the directories of a recovery point.

use crate::record::join;
use engine::{EngineError, FileContent, Node, TreeId, Writer};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The files of all lists, by folder.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    folders: BTreeMap<String, Folder>,
}

/// The files of one resource.
#[derive(Debug, Default)]
struct Folder {
    objects: u64,
    /// By namespace; the list of cluster-scoped objects has the empty name.
    files: BTreeMap<String, FileContent>,
    /// Lines of the index, by the namespace that was listed.
    index: BTreeMap<Option<String>, FileContent>,
}

impl Objects {
    /// Adds what one list brought.
    pub(crate) fn add(
        &mut self,
        folder: String,
        listed: Option<String>,
        objects: u64,
        files: BTreeMap<String, FileContent>,
        index: Option<FileContent>,
    ) {
        let Some(index) = index else { return };
        let folder = self.folders.entry(folder).or_default();
        folder.objects += objects;
        folder.files.extend(files);
        folder.index.insert(listed, index);
    }

    /// Objects per folder.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.folders.iter().map(|(name, folder)| (name.clone(), folder.objects)).collect()
    }
}

/// Writes the directory `resources`.
pub(crate) async fn resources(
    writer: &Writer,
    objects: Objects,
    time: Timestamp,
) -> Result<TreeId, EngineError> {
    let mut nodes = Vec::new();
    let mut lines = Vec::new();
    for (name, folder) in objects.folders {
        lines.extend(folder.index.into_values());
        nodes.push(Node::dir(&name, resource(writer, folder.files, time).await?, time));
    }
    let index = join(writer, lines).await?;
    nodes.push(Node::file("index.json", &index, time));
    writer.tree(nodes).await
}

async fn resource(
    writer: &Writer,
    files: BTreeMap<String, FileContent>,
    time: Timestamp,
) -> Result<TreeId, EngineError> {
    let mut nodes = Vec::new();
    let mut namespaces = Vec::new();
    for (place, content) in &files {
        if place.is_empty() {
            nodes.push(Node::file("cluster.json", content, time));
        } else {
            namespaces.push(Node::file(&format!("{place}.json"), content, time));
        }
    }
    if !namespaces.is_empty() {
        nodes.push(Node::dir("namespaces", writer.tree(namespaces).await?, time));
    }
    writer.tree(nodes).await
}
