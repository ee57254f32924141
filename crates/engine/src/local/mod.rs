//! The local file system as a source: a directory becomes a tree, and every problem is told by name.

mod attributes;
mod content;
mod entry;
mod links;
mod metadata;
mod previous;
mod queue;
mod rooted;
mod walk;

use crate::{EngineError, FileOutcome, Reader, Writer};
use repository::{FileContent, Metadata, TreeId};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// A directory that was saved.
#[derive(Debug, Clone)]
pub struct SavedTree {
    /// Its entries.
    pub tree: TreeId,
    /// What is known about the directory itself; no tree holds that, only the entry that refers to it.
    pub root: Metadata,
    /// Files saved, links and devices among them.
    pub files: u64,
    /// How many of them were taken over from the previous tree without being read.
    pub unchanged: u64,
    /// Directories saved, the root among them.
    pub directories: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Everything that was not saved completely, by its path below the directory.
    pub problems: Vec<(PathBuf, FileOutcome)>,
}

/// Saves a directory with everything below it. Symbolic links are saved, never followed.
///
/// A file that cannot be read is a problem in the result; only a directory that cannot be opened at all, a
/// store that fails, and cancellation are errors.
pub async fn save_directory(writer: &Writer, directory: &Path) -> Result<SavedTree, EngineError> {
    walk::save(writer.shared().clone(), directory.to_path_buf(), None).await
}

/// Like [`save_directory`], but takes over what has not changed since `previous` was saved: files whose length,
/// times of change and inode are the same are not read again.
pub async fn save_changes(
    writer: &Writer,
    directory: &Path,
    reader: &Reader,
    previous: TreeId,
) -> Result<SavedTree, EngineError> {
    walk::save(writer.shared().clone(), directory.to_path_buf(), Some((reader.clone(), previous))).await
}

/// Saves one file or block device as a stream of bytes, holes as holes.
pub async fn save_image(writer: &Writer, path: &Path) -> Result<FileContent, EngineError> {
    let (shared, path) = (writer.shared().clone(), path.to_path_buf());
    let runtime = tokio::runtime::Handle::current();
    let save = move || {
        let file = rooted::open_root_file(&path).map_err(EngineError::io("open", &path))?;
        let length = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0));
        let length = length.map_err(|error| EngineError::io("measure", &path)(error.into()))?;
        let mut source = content::Source::new(file.as_fd(), length, content::Holes::Skip);
        match content::save_large(&shared, &runtime, &mut source)? {
            content::Read::Complete(content) => Ok(content),
            content::Read::Changed(_) => {
                let error = std::io::Error::other("its length changed while it was read");
                Err(EngineError::io("read", &path)(error))
            }
            content::Read::Failed(error) => Err(EngineError::io("read", &path)(error)),
        }
    };
    tokio::task::spawn_blocking(save).await?
}
