//! Walks a directory with several threads and saves each directory as soon as all below it is saved.

use super::entry::{self, Entry};
use super::links::HardLinks;
use super::queue::Queue;
use super::{SavedTree, attributes, metadata, previous, rooted};
use crate::writer::Shared;
use crate::{EngineError, FileOutcome, Reader};
use parking_lot::Mutex;
use repository::{Metadata, Node, NodeKind, Tree, TreeId};
use rustix::fs::{Dir, FileType, OFlags, fstat};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::runtime::Handle;

/// Entries that one thread takes at once.
const BATCH: usize = 128;

/// What all threads of a walk share.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) shared: Arc<Shared>,
    pub(super) runtime: Handle,
    pub(super) links: HardLinks,
    reader: Option<Reader>,
    root: OwnedFd,
    root_path: PathBuf,
    queue: Queue<Work>,
    saved: Mutex<Option<(TreeId, Metadata)>>,
    problems: Mutex<Vec<(PathBuf, FileOutcome)>>,
    files: AtomicU64,
    pub(super) unchanged: AtomicU64,
    directories: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
enum Work {
    /// Open and list a directory.
    List(Arc<Directory>),
    /// Save some entries of an open directory.
    Save { directory: Arc<Directory>, open: Arc<OwnedFd>, entries: Vec<(OsString, FileType)> },
}

/// A directory of which not everything is saved yet.
#[derive(Debug)]
struct Directory {
    /// Below the root of the walk.
    path: PathBuf,
    parent: Option<Arc<Directory>>,
    /// The directory as it was saved last time.
    previous: Option<TreeId>,
    state: Mutex<State>,
    /// Parts that are not saved yet: batches of entries, subdirectories, the listing itself.
    missing: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    meta: Option<Metadata>,
    nodes: Vec<Node>,
    /// The entries as they were saved last time, once they are read.
    previous: Option<Arc<Tree>>,
}

impl Directory {
    fn new(path: PathBuf, parent: Option<Arc<Directory>>, previous: Option<TreeId>) -> Arc<Self> {
        Arc::new(Self { path, parent, previous, state: Mutex::default(), missing: AtomicUsize::new(1) })
    }
}

/// Saves the directory at `path`.
pub(super) async fn save(
    shared: Arc<Shared>,
    path: PathBuf,
    previous: Option<(Reader, TreeId)>,
) -> Result<SavedTree, EngineError> {
    let (reader, previous) = previous.unzip();
    let root = rooted::open_root(&path).map_err(EngineError::io("open", &path))?;
    let readers = shared.job.budget.readers();
    let walk = Arc::new(Walk {
        shared,
        runtime: Handle::current(),
        links: HardLinks::default(),
        reader,
        root,
        root_path: path,
        queue: Queue::new(Work::List(Directory::new(PathBuf::new(), None, previous))),
        saved: Mutex::default(),
        problems: Mutex::default(),
        files: AtomicU64::new(0),
        unchanged: AtomicU64::new(0),
        directories: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let threads: Vec<_> = (0..readers)
        .map(|_| {
            let walk = walk.clone();
            tokio::task::spawn_blocking(move || walk.run())
        })
        .collect();
    for thread in threads {
        if let Err(error) = thread.await {
            walk.queue.end(Err(error.into()));
        }
    }
    Arc::into_inner(walk).ok_or_else(|| EngineError::Internal("a walk is still running".to_owned()))?.result()
}

impl Walk {
    fn run(&self) {
        let mut buffer = Vec::new();
        while let Some(work) = self.queue.take() {
            let done = match work {
                Work::List(directory) => self.list(directory),
                Work::Save { directory, open, entries } => self
                    .save_entries(&directory, &open, entries, &mut buffer)
                    .and_then(|()| self.part_saved(directory)),
            };
            if let Err(error) = done {
                self.queue.end(Err(error));
            }
        }
    }

    fn result(self) -> Result<SavedTree, EngineError> {
        self.queue.into_end()?;
        let saved = self.saved.into_inner();
        let (tree, root) = saved.ok_or_else(|| EngineError::Internal("a walk has no result".to_owned()))?;
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(SavedTree {
            tree,
            root,
            files: self.files.into_inner(),
            unchanged: self.unchanged.into_inner(),
            directories: self.directories.into_inner(),
            bytes: self.bytes.into_inner(),
            problems,
        })
    }

    /// Opens a directory and turns its entries into work.
    fn list(&self, directory: Arc<Directory>) -> Result<(), EngineError> {
        self.shared.check()?;
        match open_and_list(&self.root, &directory.path) {
            Ok(Listing { open, meta, entries, outcome }) => {
                let previous = previous::load(self.reader.as_ref(), &self.runtime, directory.previous);
                *directory.state.lock() = State { meta: Some(meta), nodes: Vec::new(), previous };
                self.report(directory.path.clone(), outcome);
                self.spread(&directory, Arc::new(open), entries);
            }
            Err(error) => self.not_listed(&directory, &error)?,
        }
        self.part_saved(directory)
    }

    /// A directory that cannot be read is kept, empty, when at least its metadata can be had.
    fn not_listed(&self, directory: &Arc<Directory>, error: &io::Error) -> Result<(), EngineError> {
        if directory.parent.is_none() {
            return Err(EngineError::io("read", &self.root_path)(io::Error::other(error.to_string())));
        }
        if error.kind() == io::ErrorKind::NotFound {
            self.report(directory.path.clone(), FileOutcome::Vanished);
            return Ok(());
        }
        let text = format!("could not read the directory: {error}");
        let stat = rooted::open_directory(&self.root, &directory.path, OFlags::PATH)
            .and_then(|open| Ok(fstat(&open)?));
        if let Ok(stat) = stat {
            directory.state.lock().meta =
                Some(Metadata { error: text.clone(), ..metadata::from_stat(&stat) });
        }
        self.report(directory.path.clone(), FileOutcome::Failed(text));
        Ok(())
    }

    fn spread(&self, directory: &Arc<Directory>, open: Arc<OwnedFd>, entries: Vec<(OsString, FileType)>) {
        let (folders, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(_, kind)| *kind == FileType::Directory);
        let folders = folders.into_iter().map(|(name, _)| self.subdirectory(directory, &name));
        let mut work: Vec<Work> = folders.collect();
        for batch in others.chunks(BATCH) {
            directory.missing.fetch_add(1, Ordering::AcqRel);
            let (directory, open) = (directory.clone(), open.clone());
            work.push(Work::Save { directory, open, entries: batch.to_vec() });
        }
        self.queue.push(work);
    }

    fn subdirectory(&self, directory: &Arc<Directory>, name: &OsStr) -> Work {
        directory.missing.fetch_add(1, Ordering::AcqRel);
        let previous = directory.state.lock().previous.clone();
        let previous = previous.and_then(|tree| tree.find(name.as_bytes())?.subtree());
        Work::List(Directory::new(directory.path.join(name), Some(directory.clone()), previous))
    }

    fn save_entries(
        &self,
        directory: &Arc<Directory>,
        open: &OwnedFd,
        entries: Vec<(OsString, FileType)>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), EngineError> {
        let mut nodes = Vec::with_capacity(entries.len());
        let previous = directory.state.lock().previous.clone();
        for (name, kind) in entries {
            self.shared.check()?;
            let outcome = match entry::save(self, open, &name, kind, previous.as_deref(), buffer)? {
                Entry::Saved(node, outcome) => {
                    self.files.fetch_add(1, Ordering::Relaxed);
                    self.bytes.fetch_add(node.content().map_or(0, |content| content.size), Ordering::Relaxed);
                    nodes.push(node);
                    outcome
                }
                Entry::Lost(outcome) => outcome,
                Entry::Directory => {
                    let work = self.subdirectory(directory, &name);
                    self.queue.push([work]);
                    continue;
                }
            };
            self.report(directory.path.join(&name), outcome);
        }
        directory.state.lock().nodes.append(&mut nodes);
        Ok(())
    }

    fn report(&self, path: PathBuf, outcome: FileOutcome) {
        self.shared.job.progress.file(&path, &outcome);
        if outcome != FileOutcome::Complete {
            self.problems.lock().push((path, outcome));
        }
    }

    /// One part of a directory is saved; the last one saves the directory, and perhaps those above.
    fn part_saved(&self, directory: Arc<Directory>) -> Result<(), EngineError> {
        let mut current = directory;
        while current.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            let State { meta, nodes, previous: _ } = std::mem::take(&mut *current.state.lock());
            let saved = match meta {
                Some(meta) => Some((self.shared.save_tree(nodes)?, meta)),
                None => None, // vanished, or nothing is known about it
            };
            self.directories.fetch_add(u64::from(saved.is_some()), Ordering::Relaxed);
            let Some(parent) = current.parent.clone() else {
                *self.saved.lock() = saved;
                self.queue.end(Ok(()));
                return Ok(());
            };
            if let Some((tree, meta)) = saved {
                let name = current.path.file_name().unwrap_or_default().as_bytes().to_vec();
                let node = Node { name, kind: NodeKind::Dir { subtree: Some(tree) }, meta };
                parent.state.lock().nodes.push(node);
            }
            current = parent;
        }
        Ok(())
    }
}

struct Listing {
    open: OwnedFd,
    meta: Metadata,
    entries: Vec<(OsString, FileType)>,
    outcome: FileOutcome,
}

fn open_and_list(root: &OwnedFd, path: &Path) -> io::Result<Listing> {
    let open = rooted::open_directory(root, path, OFlags::empty())?;
    let stat = fstat(&open)?;
    let attributes = attributes::of_open(open.as_fd());
    let meta = Metadata { extended_attributes: attributes.found, ..metadata::from_stat(&stat) };
    let mut entries = Vec::new();
    for entry in Dir::read_from(&open)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            entries.push((OsString::from_vec(name.to_vec()), entry.file_type()));
        }
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    // A directory that changes while it is listed can show a name twice.
    entries.dedup_by(|a, b| a.0 == b.0);
    Ok(Listing { open, meta, entries, outcome: entry::outcome(attributes.problems) })
}
