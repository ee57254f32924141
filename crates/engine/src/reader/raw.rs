//! Sealed bytes from packs: neighbours of small blobs are fetched in one request and kept for a while.

use super::flights::Flights;
use crate::{BlobIndex, EngineError, Location, Repo};
use bytes::{Bytes, BytesMut};
use repository::{FileKind, PackId};
use std::collections::HashMap;

/// What one request for small blobs fetches, in bytes.
const WINDOW: u64 = 1024 * 1024;
/// Blobs from this size on are fetched alone.
const LARGE: u64 = WINDOW / 2;

#[derive(Debug)]
pub(super) struct RawReader {
    repo: Repo,
    windows: Flights<(PackId, u64)>,
    /// Where the last known blob of each pack ends.
    ends: HashMap<PackId, u64>,
}

impl RawReader {
    pub(super) fn new(repo: Repo, indexes: [&BlobIndex; 2], capacity: usize) -> Self {
        let mut ends = HashMap::new();
        for place in indexes.into_iter().flat_map(BlobIndex::iter) {
            let end = ends.entry(place.pack).or_insert(0);
            *end = (*end).max(u64::from(place.entry.offset) + u64::from(place.entry.length));
        }
        Self { repo, windows: Flights::new(capacity), ends }
    }

    /// The sealed bytes of a blob, fetched together with its neighbours when it is small.
    pub(super) async fn nearby(&self, place: &Location) -> Result<Bytes, EngineError> {
        let (start, length) = (u64::from(place.entry.offset), u64::from(place.entry.length));
        if length >= LARGE {
            return self.exact(place).await;
        }
        let (first, last) = (start / WINDOW, (start + length).saturating_sub(1) / WINDOW);
        let begin = self.window(place.pack, first).await?;
        let within = (start - first * WINDOW) as usize;
        if first == last {
            return part(&begin, within, within + length as usize, place);
        }
        let rest = self.window(place.pack, last).await?;
        let missing = (start + length - last * WINDOW) as usize;
        let mut joined = BytesMut::with_capacity(length as usize);
        joined.extend_from_slice(&part(&begin, within, begin.len(), place)?);
        joined.extend_from_slice(&part(&rest, 0, missing, place)?);
        Ok(joined.freeze())
    }

    /// Exactly the sealed bytes of a blob.
    pub(super) async fn exact(&self, place: &Location) -> Result<Bytes, EngineError> {
        let start = u64::from(place.entry.offset);
        self.range(place.pack, start, start + u64::from(place.entry.length)).await
    }

    async fn window(&self, pack: PackId, number: u64) -> Result<Bytes, EngineError> {
        let start = number * WINDOW;
        let end = self.ends.get(&pack).copied().unwrap_or(u64::MAX).min(start + WINDOW);
        self.windows.get((pack, number), || self.range(pack, start, end)).await
    }

    async fn range(&self, pack: PackId, start: u64, end: u64) -> Result<Bytes, EngineError> {
        let path = crate::repo::path(FileKind::Pack, pack)?;
        Ok(self.repo.store().read_range(&path, start..end).await?)
    }
}

/// A part of a window; a store that returned too little must not make us panic.
fn part(window: &Bytes, start: usize, end: usize, place: &Location) -> Result<Bytes, EngineError> {
    if start <= end && end <= window.len() {
        return Ok(window.slice(start..end));
    }
    Err(EngineError::Damaged { path: FileKind::Pack.path(place.pack) })
}
