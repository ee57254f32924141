//! All index files of a repository as one: where is this blob?

use crate::check::{expected_size, pack_sizes};
use crate::{EngineError, Repo, settle};
use repository::{BlobId, BlobKind, FileKind, IndexFile, IndexId, PackEntry, PackId};
use std::num::NonZeroU32;

/// Index files that are read at once.
const PARALLEL_READS: usize = 4;

/// Where a blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// In which pack.
    pub pack: PackId,
    /// Which blob, what it holds, and where in the pack it lies.
    pub entry: PackEntry,
}

/// All index files as one table; 52 bytes for each blob.
#[derive(Debug, Default)]
pub struct BlobIndex {
    packs: Vec<PackId>,
    data: Vec<Slot>,
    trees: Vec<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    id: [u8; 32],
    pack: u32,
    offset: u32,
    length: u32,
    uncompressed_length: u32,
}

/// Hands over every index file. While a prune replaces them, old ones may be among them beside those in their stead: the
/// packs of the old ones stay for as long as the longest job.
pub(crate) async fn each_file(
    repo: &Repo,
    mut take: impl FnMut(IndexId, IndexFile),
) -> Result<(), EngineError> {
    let read = |id| repo.index_file(id);
    settle::each(repo, FileKind::Index, PARALLEL_READS, read, |id, file| {
        take(id, file?);
        Ok(())
    })
    .await
}

impl BlobIndex {
    /// Reads all index files of a repository.
    pub async fn load(repo: &Repo) -> Result<Self, EngineError> {
        let mut index = Self::default();
        each_file(repo, |_, file| index.add(&file)).await?;
        tokio::task::spawn_blocking(move || index.sorted()).await.map_err(EngineError::from)
    }

    /// Reads all index files of a repository, and leaves out the packs that are not in the store, or not at the length
    /// that they must have: what refers to their blobs could not be read.
    pub async fn load_present(repo: &Repo) -> Result<Self, EngineError> {
        let sizes = pack_sizes(repo).await?;
        let mut index = Self::default();
        each_file(repo, |_, mut file| {
            file.packs.retain(|pack| sizes.get(&pack.id) == Some(&expected_size(&pack.blobs)));
            index.add(&file);
        })
        .await?;
        tokio::task::spawn_blocking(move || index.sorted()).await.map_err(EngineError::from)
    }

    /// The table of these index files.
    pub fn from_files<'a>(files: impl IntoIterator<Item = &'a IndexFile>) -> Self {
        let mut index = Self::default();
        for file in files {
            index.add(file);
        }
        index.sorted()
    }

    fn add(&mut self, file: &IndexFile) {
        for pack in &file.packs {
            let number = self.packs.len() as u32;
            self.packs.push(pack.id);
            for entry in &pack.blobs {
                let slot = Slot {
                    id: *entry.id.as_bytes(),
                    pack: number,
                    offset: entry.offset,
                    length: entry.length,
                    uncompressed_length: entry.uncompressed_length.map_or(0, NonZeroU32::get),
                };
                self.slots_mut(entry.kind).push(slot);
            }
        }
    }

    fn sorted(mut self) -> Self {
        for slots in [&mut self.data, &mut self.trees] {
            slots.sort_unstable();
            slots.dedup();
            slots.shrink_to_fit();
        }
        self
    }

    /// Whether a blob is known.
    pub fn contains(&self, kind: BlobKind, id: BlobId) -> bool {
        self.places(kind, id).next().is_some()
    }

    /// One place of a blob.
    pub fn get(&self, kind: BlobKind, id: BlobId) -> Option<Location> {
        self.places(kind, id).next()
    }

    /// All places of a blob: it can lie in several packs.
    pub fn places(&self, kind: BlobKind, id: BlobId) -> impl Iterator<Item = Location> + '_ {
        let slots = self.slots(kind);
        let start = slots.partition_point(|slot| slot.id < *id.as_bytes());
        let from_start = slots.get(start..).unwrap_or_default().iter();
        let same = from_start.take_while(move |slot| slot.id == *id.as_bytes());
        same.filter_map(move |slot| self.location(kind, slot))
    }

    /// All blobs with all their places, sorted by kind and id.
    pub fn iter(&self) -> impl Iterator<Item = Location> + '_ {
        [BlobKind::Data, BlobKind::Tree]
            .into_iter()
            .flat_map(move |kind| self.slots(kind).iter().filter_map(move |slot| self.location(kind, slot)))
    }

    /// The packs that index files name, in no order, possibly more than once.
    pub fn packs(&self) -> &[PackId] {
        &self.packs
    }

    /// How many places of blobs are known.
    pub fn len(&self) -> usize {
        self.data.len() + self.trees.len()
    }

    /// Whether no blob is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn location(&self, kind: BlobKind, slot: &Slot) -> Option<Location> {
        let entry = PackEntry {
            id: BlobId::from_bytes(slot.id),
            kind,
            offset: slot.offset,
            length: slot.length,
            uncompressed_length: NonZeroU32::new(slot.uncompressed_length),
        };
        Some(Location { pack: *self.packs.get(slot.pack as usize)?, entry })
    }

    fn slots(&self, kind: BlobKind) -> &[Slot] {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.trees,
        }
    }

    fn slots_mut(&mut self, kind: BlobKind) -> &mut Vec<Slot> {
        match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Tree => &mut self.trees,
        }
    }
}
