//! Walks the tree, makes directories, links and special files at once, and restores files in the background.

use super::{
    Existing, RestoreOptions,
    content::{KnownZeros, Zeros, write_chunks, write_plain},
    links::{Links, Step},
    metadata::{apply_handle, apply_open},
    place::Place,
    report::{Reporter, RestoreReport},
};
use crate::{EngineError, FileOutcome, Job, Reader};
use bytes::Bytes;
use repository::{BlobKind, Metadata, Node, NodeKind, TreeId};
use rustix::fs::FileType;
use std::{ffi::OsStr, fs::File, io, os::fd::AsFd, os::unix::ffi::OsStrExt, path::PathBuf, sync::Arc};
use tokio::task::JoinSet;

/// Files up to this many bytes are restored in batches, each by one thread.
const SMALL: u64 = 256 * 1024;
/// Bytes and files of a batch at most.
const BATCH: (u64, usize) = (1024 * 1024, 64);

/// What all tasks of one restore share.
struct Context {
    reader: Reader,
    options: RestoreOptions,
    job: Job,
    reporter: Reporter,
    links: Links,
    zeros: KnownZeros,
}

/// A directory that is being filled. Whoever drops the last reference puts on its metadata, so that no later
/// entry changes its times or needs the right to write that the mode takes away.
struct Directory {
    place: Place,
    path: PathBuf,
    meta: Option<Metadata>,
    parent: Option<Arc<Directory>>,
}

/// A regular file to restore.
struct Task {
    directory: Arc<Directory>,
    node: Node,
    path: PathBuf,
    /// The file, when it was made already because it has several names.
    made: Option<Arc<File>>,
}

struct Walk {
    context: Arc<Context>,
    running: JoinSet<Result<(), EngineError>>,
    batch: Vec<Task>,
    batch_bytes: u64,
    /// Directories to make, each with the one it is made in.
    waiting: Vec<(Arc<Directory>, Node)>,
}

pub(super) async fn run(
    reader: &Reader,
    tree: TreeId,
    root: Place,
    options: RestoreOptions,
    job: &Job,
) -> Result<RestoreReport, EngineError> {
    let again = root.duplicate()?;
    // Our own errors end the tasks the way a cancellation does, so that each removes what it has not finished.
    let job = &Job { cancel: job.cancel.child_token(), ..job.clone() };
    let meta = options.root.clone();
    let context = Arc::new(Context {
        reader: reader.clone(),
        options,
        job: job.clone(),
        reporter: Reporter::new(job),
        links: Links::default(),
        zeros: KnownZeros::default(),
    });
    let root = Arc::new(Directory { place: root, path: PathBuf::new(), meta, parent: None });
    let mut walk = Walk {
        context: context.clone(),
        running: JoinSet::new(),
        batch: Vec::new(),
        batch_bytes: 0,
        waiting: Vec::new(),
    };
    let ended = walk.run(root, tree).await;
    if ended.is_err() {
        job.cancel.cancel();
        while walk.running.join_next().await.is_some() {}
    }
    ended?;
    drop(walk);
    let context =
        Arc::into_inner(context).ok_or_else(|| EngineError::Internal("a task outlived its walk".into()))?;
    for (path, reason) in context.links.remove_failed(&again) {
        context.reporter.note(&path, FileOutcome::Failed(reason), |_| {});
    }
    Ok(context.reporter.take())
}

impl Walk {
    async fn run(&mut self, root: Arc<Directory>, tree: TreeId) -> Result<(), EngineError> {
        self.fill(root, Some(tree)).await?;
        while let Some((parent, node)) = self.waiting.pop() {
            self.directory(parent, node).await?;
        }
        self.flush().await?;
        while let Some(done) = self.running.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn directory(&mut self, parent: Arc<Directory>, node: Node) -> Result<(), EngineError> {
        let path = parent.path.join(OsStr::from_bytes(&node.name));
        match parent.place.make_directory(&node.name) {
            Ok(place) => {
                let subtree = node.subtree();
                if subtree.is_none() {
                    let reason = "its entries could not be read when it was saved".to_owned();
                    self.context.reporter.note(&path, FileOutcome::Incomplete(reason), |_| {});
                }
                let directory = Directory { place, path, meta: Some(node.meta), parent: Some(parent) };
                self.fill(Arc::new(directory), subtree).await
            }
            Err(error) => {
                self.context.reporter.note(&path, FileOutcome::Failed(error.to_string()), |_| {});
                finish(&self.context, parent);
                Ok(())
            }
        }
    }

    /// Restores the entries of one directory; subdirectories are put on the list.
    async fn fill(&mut self, directory: Arc<Directory>, tree: Option<TreeId>) -> Result<(), EngineError> {
        let nodes = match tree {
            None => Vec::new(),
            Some(tree) => match self.context.reader.tree(tree).await {
                Ok(tree) => {
                    Arc::try_unwrap(tree).map_or_else(|tree| tree.nodes().to_vec(), |tree| tree.into_nodes())
                }
                Err(error) if error.is_temporary() => return Err(error),
                Err(error) => {
                    self.context.reporter.note(
                        &directory.path,
                        FileOutcome::Failed(error.to_string()),
                        |_| {},
                    );
                    Vec::new()
                }
            },
        };
        for node in nodes {
            if self.context.job.cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            match &node.kind {
                NodeKind::Dir { .. } => self.waiting.push((directory.clone(), node)),
                NodeKind::File(_) => self.file(&directory, node).await?,
                _ => self.special(&directory, &node),
            }
        }
        finish(&self.context, directory);
        Ok(())
    }

    async fn file(&mut self, directory: &Arc<Directory>, node: Node) -> Result<(), EngineError> {
        let path = directory.path.join(OsStr::from_bytes(&node.name));
        let reporter = &self.context.reporter;
        if let Err(error) = make_room(&self.context, directory, &node) {
            reporter.note(&path, FileOutcome::Failed(error.to_string()), |_| {});
            return Ok(());
        }
        let made = match self.context.links.meet(&directory.place, &node, &path) {
            Ok(Step::Single) => None,
            Ok(Step::First(file)) => Some(file),
            Ok(Step::Linked) => {
                reporter.note(&path, FileOutcome::Complete, |report| report.hard_links += 1);
                return Ok(());
            }
            Err(error) => {
                reporter.note(&path, FileOutcome::Failed(error.to_string()), |_| {});
                return Ok(());
            }
        };
        let size = node.content().map_or(0, |content| content.size);
        let task = Task { directory: directory.clone(), node, path, made };
        if size > SMALL {
            return self.start(vec![task]).await;
        }
        self.batch.push(task);
        self.batch_bytes += size;
        if self.batch_bytes >= BATCH.0 || self.batch.len() >= BATCH.1 { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), EngineError> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { self.start(batch).await }
    }

    async fn start(&mut self, tasks: Vec<Task>) -> Result<(), EngineError> {
        let budget = &self.context.job.budget;
        let most = ((budget.memory / (32 << 20)) as usize).clamp(2, budget.workers() * 2);
        while self.running.len() >= most {
            if let Some(done) = self.running.join_next().await {
                done??;
            }
        }
        self.running.spawn(restore_files(self.context.clone(), tasks));
        Ok(())
    }

    fn special(&self, directory: &Arc<Directory>, node: &Node) {
        let path = directory.path.join(OsStr::from_bytes(&node.name));
        let made =
            make_room(&self.context, directory, node).and_then(|()| make_special(&directory.place, node));
        let outcome = match made {
            Err(error) => FileOutcome::Failed(error.to_string()),
            Ok(false) => FileOutcome::Incomplete("sockets are made by programs and not restored".to_owned()),
            Ok(true) => {
                let is_symlink = matches!(node.kind, NodeKind::Symlink { .. });
                match directory.place.handle(&node.name) {
                    Err(error) => FileOutcome::Incomplete(error.to_string()),
                    Ok(handle) => {
                        let ownership = self.context.options.ownership;
                        outcome(apply_handle(handle.as_fd(), &node.meta, ownership, is_symlink), &node.meta)
                    }
                }
            }
        };
        self.context.reporter.note(&path, outcome, |report| match node.kind {
            NodeKind::Symlink { .. } => report.symlinks += 1,
            NodeKind::Socket => {}
            _ => report.specials += 1,
        });
    }
}

/// Makes a link, device or pipe; `false` for a socket.
fn make_special(place: &Place, node: &Node) -> io::Result<bool> {
    match &node.kind {
        NodeKind::Symlink { target } => place.make_symlink(&node.name, target)?,
        NodeKind::Fifo => place.make_special(&node.name, FileType::Fifo, 0)?,
        NodeKind::BlockDevice { device } => place.make_special(&node.name, FileType::BlockDevice, *device)?,
        NodeKind::CharDevice { device } => {
            place.make_special(&node.name, FileType::CharacterDevice, *device)?
        }
        NodeKind::Socket => return Ok(false),
        NodeKind::Other(kind) => {
            let text = format!("entries of type {kind:?} are unknown");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        NodeKind::File(_) | NodeKind::Dir { .. } => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a special file"));
        }
    }
    Ok(true)
}

fn make_room(context: &Context, directory: &Directory, node: &Node) -> io::Result<()> {
    match context.options.existing {
        Existing::Keep => Ok(()),
        Existing::Replace => directory.place.remove(&node.name),
    }
}

/// Gives a directory back; the last one to do so puts on its metadata and goes on with its parent.
fn finish(context: &Context, directory: Arc<Directory>) {
    let mut last = Some(directory);
    while let Some(Directory { place, path, meta, parent }) = last.take().and_then(Arc::into_inner) {
        if let Some(meta) = &meta {
            let missing = apply_open(place.as_fd(), meta, context.options.ownership);
            context.reporter.note(&path, outcome(missing, meta), |report| report.directories += 1);
        }
        last = parent;
    }
}

fn outcome(missing: Vec<String>, meta: &Metadata) -> FileOutcome {
    let mut texts = missing;
    if !meta.error.is_empty() {
        texts.push(format!("when it was saved: {}", meta.error));
    }
    if texts.is_empty() { FileOutcome::Complete } else { FileOutcome::Incomplete(texts.join("; ")) }
}

/// Restores a batch of small files or one large one. Damage concerns the file; temporary errors end the restore.
async fn restore_files(context: Arc<Context>, tasks: Vec<Task>) -> Result<(), EngineError> {
    let mut ready = Vec::with_capacity(tasks.len());
    for task in tasks {
        if context.job.cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let size = task.node.content().map_or(0, |content| content.size);
        if size > SMALL {
            restore_large(&context, task).await?;
            continue;
        }
        match fetch_small(&context, &task.node).await {
            Ok(parts) => ready.push((task, parts)),
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => fail(&context, task, &error.to_string()),
        }
    }
    let write = move || {
        for (task, parts) in ready {
            write_small(&context, task, &parts);
        }
    };
    Ok(tokio::task::spawn_blocking(write).await?)
}

async fn fetch_small(context: &Context, node: &Node) -> Result<Vec<(u64, Bytes)>, EngineError> {
    let mut parts = Vec::new();
    for chunk in context.reader.chunks_of(node)? {
        parts.push((chunk.range.start, context.reader.fetch(BlobKind::Data, chunk.id).await?));
    }
    Ok(parts)
}

fn write_small(context: &Context, task: Task, parts: &[(u64, Bytes)]) {
    let file = match open(&task) {
        Ok(file) => file,
        Err(error) => return fail_unmade(context, task, &error.to_string()),
    };
    let length = parts.last().map_or(0, |(start, bytes)| start + bytes.len() as u64);
    let zeros = if context.options.sparse { Zeros::LeaveOut } else { Zeros::Write };
    let written = parts
        .iter()
        .try_for_each(|(start, bytes)| write_plain(&file, bytes, *start, zeros).map(drop))
        .and_then(|()| file.set_len(length));
    match written {
        Ok(()) => {
            context.reporter.bytes(length);
            complete(context, task, &file, length);
        }
        Err(error) => fail(context, task, &error.to_string()),
    }
}

async fn restore_large(context: &Arc<Context>, task: Task) -> Result<(), EngineError> {
    let file = match open(&task) {
        Ok(file) => file,
        Err(error) => {
            fail_unmade(context, task, &error.to_string());
            return Ok(());
        }
    };
    let zeros = if context.options.sparse { Zeros::LeaveOut } else { Zeros::Write };
    let progress = |bytes: u64| {
        context.reporter.bytes(bytes);
        if context.job.cancel.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
    };
    let written = async {
        let chunks = context.reader.chunks_of(&task.node)?;
        let length = write_chunks(&context.reader, chunks, &file, zeros, &context.zeros, &progress).await?;
        file.set_len(length).map_err(EngineError::io("write", &task.path))?;
        Ok::<_, EngineError>(length)
    };
    match written.await {
        Ok(length) => complete(context, task, &file, length),
        Err(error) => {
            let ends = error.is_temporary() || matches!(error, EngineError::Cancelled);
            fail(context, task, &error.to_string());
            if ends {
                return Err(error);
            }
        }
    }
    Ok(())
}

fn open(task: &Task) -> io::Result<Arc<File>> {
    match &task.made {
        Some(file) => Ok(file.clone()),
        None => task.directory.place.make_file(&task.node.name).map(Arc::new),
    }
}

fn complete(context: &Context, task: Task, file: &File, length: u64) {
    let mut missing = apply_open(file.as_fd(), &task.node.meta, context.options.ownership);
    let recorded = task.node.content().map_or(0, |content| content.size);
    if recorded != length {
        missing.push(format!("its recorded size is {recorded} bytes, its content has {length}"));
    }
    context.reporter.note(&task.path, outcome(missing, &task.node.meta), |report| {
        report.files += 1;
        report.bytes += length;
    });
    finish(context, task.directory);
}

/// A file that exists but is not whole is removed. Its further names learn first why: a file whose last name is gone cannot
/// be linked to.
fn fail(context: &Context, task: Task, reason: &str) {
    context.links.fail(&task.node, reason);
    let removed = task.directory.place.remove(&task.node.name);
    let reason = match removed {
        Ok(()) => reason.to_owned(),
        Err(error) => format!("{reason}; what there is of it could not be removed: {error}"),
    };
    tell_failed(context, task, reason);
}

fn fail_unmade(context: &Context, task: Task, reason: &str) {
    context.links.fail(&task.node, reason);
    tell_failed(context, task, reason.to_owned());
}

fn tell_failed(context: &Context, task: Task, reason: String) {
    context.reporter.note(&task.path, FileOutcome::Failed(reason), |_| {});
    finish(context, task.directory);
}
