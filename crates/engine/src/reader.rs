//! Reads trees, files and ranges of files out of a repository; every byte is authenticated and hashed first.

mod chunks;
mod flights;
mod raw;

pub(crate) use chunks::{Chunk, chunks};

use crate::{BlobIndex, Budget, EngineError, Location, Repo, doomed};
use bytes::{Bytes, BytesMut};
use flights::Flights;
use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use raw::RawReader;
use repository::{BlobDecoder, BlobId, BlobKind, FileKind, Node, NodeKind, Tree, TreeId};
use std::{ops::Range, sync::Arc};
use tokio::sync::Semaphore;

/// Blobs of at most this many sealed bytes are opened on the spot; larger ones by a blocking thread.
const SMALL: usize = 32 * 1024;
/// Chunks of a stream that are fetched ahead.
const AHEAD: usize = 4;
/// A permit for memory in flight stands for this many bytes.
const PERMIT: u64 = 1024;

/// Reads out of a repository. Cheap to clone; all clones share the index, the caches and the memory limit.
///
/// Holds 52 bytes for each blob of the repository, and at most three quarters of the budget's memory in caches
/// and requests. It sees what existed when it was opened.
#[derive(Debug, Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    repo: Repo,
    index: BlobIndex,
    /// Packs that a prune has taken out of the index and not deleted yet.
    leaving: BlobIndex,
    raw: RawReader,
    plain: Flights<(BlobKind, BlobId)>,
    decoders: Mutex<Vec<BlobDecoder>>,
    in_flight: Semaphore,
    permits: u32,
}

impl Reader {
    /// Reads the index with the default budget. Nothing is written, no lock is taken.
    pub async fn open(repo: &Repo) -> Result<Self, EngineError> {
        Self::with_budget(repo, &Budget::default()).await
    }

    /// Reads the index; caches and requests stay within `budget.memory`.
    pub async fn with_budget(repo: &Repo, budget: &Budget) -> Result<Self, EngineError> {
        let index = BlobIndex::load(repo).await?;
        let leaving = BlobIndex::from_files(doomed::load(repo).await?.iter().map(|(_, list)| &list.index));
        Ok(Self::with_index(repo, index, leaving, budget))
    }

    pub(crate) fn with_index(repo: &Repo, index: BlobIndex, leaving: BlobIndex, budget: &Budget) -> Self {
        let quarter = budget.memory.max(8 << 20) / 4;
        let permits = u32::try_from(quarter / PERMIT).unwrap_or(u32::MAX >> 4);
        let raw = RawReader::new(repo.clone(), [&index, &leaving], quarter as usize);
        let inner = Inner {
            repo: repo.clone(),
            index,
            leaving,
            raw,
            plain: Flights::new(quarter as usize),
            decoders: Mutex::default(),
            in_flight: Semaphore::new(permits as usize),
            permits,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.inner.repo
    }

    /// The index as it was when the reader was opened.
    pub fn index(&self) -> &BlobIndex {
        &self.inner.index
    }

    /// The entries of a directory.
    pub async fn tree(&self, id: TreeId) -> Result<Arc<Tree>, EngineError> {
        let plain = self.blob(BlobKind::Tree, BlobId::from(id)).await?;
        let decode =
            move || Tree::decode(&plain).map_err(EngineError::format(format!("directory {}", id.short())));
        Ok(Arc::new(tokio::task::spawn_blocking(decode).await??))
    }

    /// The entry at `path` (names separated by `/`) below `root`; `None` when there is no such entry.
    pub async fn lookup(&self, root: TreeId, path: &str) -> Result<Option<Node>, EngineError> {
        let names: Vec<&str> = path.split('/').collect();
        let mut at = Some(root);
        let mut found = None;
        for name in names {
            if name.is_empty() {
                continue;
            }
            let Some(tree) = at else { return Ok(None) };
            let Some(node) = self.tree(tree).await?.find(name.as_bytes()).cloned() else { return Ok(None) };
            at = node.subtree();
            found = Some(node);
        }
        Ok(found)
    }

    /// Exactly the bytes of `range` of a file.
    pub async fn read(&self, node: &Node, range: Range<u64>) -> Result<Bytes, EngineError> {
        let chunks = self.chunks_of(node)?;
        let size = chunks.last().map_or(0, |last| last.range.end);
        if range.start > range.end || range.end > size {
            let name = node.name_lossy().into_owned();
            return Err(EngineError::OutOfRange { name, start: range.start, end: range.end, size });
        }
        let first = chunks.partition_point(|chunk| chunk.range.end <= range.start);
        let wanted: Vec<Chunk> =
            chunks.into_iter().skip(first).take_while(|chunk| chunk.range.start < range.end).collect();
        let range = &range;
        let mut parts = stream::iter(wanted)
            .map(|chunk| async move {
                let plain = self.blob(BlobKind::Data, chunk.id).await?;
                Ok::<_, EngineError>(cut(&plain, &chunk.range, range))
            })
            .buffered(AHEAD);
        let mut joined = BytesMut::new();
        let mut only = None;
        while let Some(part) = parts.next().await {
            match (only.take(), part?) {
                (None, part) if joined.is_empty() => only = Some(part),
                (Some(before), part) => joined.extend([before, part]),
                (None, part) => joined.extend_from_slice(&part),
            }
        }
        Ok(only.unwrap_or_else(|| joined.freeze()))
    }

    /// The whole file, chunk after chunk, a few of them fetched ahead.
    pub fn stream(&self, node: &Node) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static {
        let content = match &node.kind {
            NodeKind::File(content) => Ok(content.ids.clone()),
            _ => Err(not_a_file(node)),
        };
        let (ids, error) = match content {
            Ok(ids) => (ids, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        let reader = self.clone();
        let chunks = stream::iter(ids)
            .map(move |id| {
                let reader = reader.clone();
                async move { reader.fetch(BlobKind::Data, id).await }
            })
            .buffered(AHEAD);
        stream::iter(error).chain(chunks)
    }

    /// The chunks of a file with their places in it, from the index alone.
    pub(crate) fn chunks_of(&self, node: &Node) -> Result<Vec<Chunk>, EngineError> {
        let content = node.content().ok_or_else(|| not_a_file(node))?;
        chunks(&content.ids, |id| Some(plain_length(&self.place(BlobKind::Data, id)?)))
    }

    /// A blob, from the cache if it is there; concurrent requests for one blob fetch it once.
    pub async fn blob(&self, kind: BlobKind, id: BlobId) -> Result<Bytes, EngineError> {
        self.inner.plain.get((kind, id), || self.fetch(kind, id)).await
    }

    /// A blob, without the cache of plain blobs: for what is needed once.
    pub(crate) async fn fetch(&self, kind: BlobKind, id: BlobId) -> Result<Bytes, EngineError> {
        let mut first_error = None;
        for place in self.places(kind, id) {
            match self.fetch_place(place).await {
                Ok(plain) => return Ok(plain),
                Err(error) if error.is_temporary() => return Err(error),
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| missing(kind, id)))
    }

    /// One place of a blob, if any.
    pub(crate) fn place(&self, kind: BlobKind, id: BlobId) -> Option<Location> {
        self.inner.index.get(kind, id).or_else(|| self.inner.leaving.get(kind, id))
    }

    fn places(&self, kind: BlobKind, id: BlobId) -> Vec<Location> {
        self.inner.index.places(kind, id).chain(self.inner.leaving.places(kind, id)).collect()
    }

    async fn fetch_place(&self, place: Location) -> Result<Bytes, EngineError> {
        let bytes = u64::from(place.entry.length) + plain_length(&place);
        let permits = u32::try_from(bytes.div_ceil(PERMIT)).unwrap_or(u32::MAX).min(self.inner.permits);
        let acquired = self.inner.in_flight.acquire_many(permits).await;
        let _held = acquired.map_err(|closed| EngineError::Internal(closed.to_string()))?;
        // What was read together with its neighbours may suffer from damage that is not its own.
        if let Ok(sealed) = self.inner.raw.nearby(&place).await
            && let Ok(plain) = self.open_sealed(place, sealed).await
        {
            return Ok(plain);
        }
        let sealed = self.inner.raw.exact(&place).await?;
        self.open_sealed(place, sealed).await
    }

    /// The sealed bytes of a blob at this place, opened and verified once.
    pub(crate) async fn sealed(&self, place: &Location) -> Result<Bytes, EngineError> {
        if let Ok(sealed) = self.inner.raw.nearby(place).await
            && self.open_sealed(*place, sealed.clone()).await.is_ok()
        {
            return Ok(sealed);
        }
        let sealed = self.inner.raw.exact(place).await?;
        self.open_sealed(*place, sealed.clone()).await?;
        Ok(sealed)
    }

    async fn open_sealed(&self, place: Location, sealed: Bytes) -> Result<Bytes, EngineError> {
        if sealed.len() <= SMALL {
            return self.decode(&place, &sealed);
        }
        let reader = self.clone();
        tokio::task::spawn_blocking(move || reader.decode(&place, &sealed)).await?
    }

    /// Opens, decompresses and verifies a blob. Uses the processor for milliseconds when it is large.
    pub(crate) fn decode(&self, place: &Location, sealed: &[u8]) -> Result<Bytes, EngineError> {
        let pooled = self.inner.decoders.lock().pop();
        let mut decoder = match pooled {
            Some(decoder) => decoder,
            None => BlobDecoder::new().map_err(EngineError::format("a decoder"))?,
        };
        let entry = &place.entry;
        let key = self.inner.repo.key();
        let plain = decoder.decode(key, entry.id, entry.kind, sealed, entry.uncompressed_length);
        self.inner.decoders.lock().push(decoder);
        plain.map(Bytes::from).map_err(EngineError::format(named(place)))
    }
}

/// The part of a chunk (which covers `covers` of the file) that lies in `range`.
fn cut(plain: &Bytes, covers: &Range<u64>, range: &Range<u64>) -> Bytes {
    let start = range.start.max(covers.start) - covers.start;
    let end = range.end.min(covers.end).saturating_sub(covers.start);
    let (start, end) = (start as usize, end as usize);
    match plain.get(start..end) {
        // A small piece must not keep a whole chunk in memory.
        Some(piece) if piece.len() < plain.len() / 8 => Bytes::copy_from_slice(piece),
        Some(_) => plain.slice(start..end),
        None => Bytes::new(),
    }
}

/// The plain bytes of a blob.
pub(crate) fn plain_length(place: &Location) -> u64 {
    let entry = &place.entry;
    match entry.uncompressed_length {
        Some(length) => u64::from(length.get()),
        None => u64::from(entry.length).saturating_sub(repository::OVERHEAD as u64),
    }
}

/// A place in words, for errors.
pub(crate) fn named(place: &Location) -> String {
    let entry = &place.entry;
    let pack = FileKind::Pack.path(place.pack);
    format!("{} blob {} at byte {} of {pack}", kind_name(entry.kind), entry.id, entry.offset)
}

pub(crate) fn missing(kind: BlobKind, id: BlobId) -> EngineError {
    EngineError::MissingBlob { what: format!("{} blob {id}", kind_name(kind)) }
}

fn kind_name(kind: BlobKind) -> &'static str {
    match kind {
        BlobKind::Data => "data",
        BlobKind::Tree => "tree",
    }
}

fn not_a_file(node: &Node) -> EngineError {
    EngineError::NotAFile { name: node.name_lossy().into_owned() }
}
