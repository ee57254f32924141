//! Copies blobs from packs that leave into new ones: sealed as they are, but opened and verified once.

use crate::{EngineError, Job, Location, Reader, Repo, repo::path};
use bytes::Bytes;
use futures::{StreamExt, stream};
use repository::{BlobKind, Encoded, FileKind, IndexPack, Nonce, PackBuilder, PackEntry, PackId};

/// Where a new pack closes, in bytes.
const PACK: usize = 16 * 1024 * 1024;
/// Blobs per pack at most.
const MOST_BLOBS: usize = 10_000;

/// Writes the blobs to new packs and returns those, not yet in any index. A damaged blob ends it.
pub(super) async fn copy(
    reader: &Reader,
    blobs: &[(PackId, PackEntry)],
    job: &Job,
) -> Result<Vec<IndexPack>, EngineError> {
    let mut sorted = blobs.to_vec();
    sorted.sort_by_key(|(pack, entry)| (entry.kind, *pack, entry.offset));
    let mut reads = stream::iter(sorted)
        .map(|(pack, entry)| async move {
            let place = Location { pack, entry };
            Ok::<_, EngineError>((entry, reader.sealed(&place).await?))
        })
        .buffered(job.budget.readers());
    let mut written = Vec::new();
    let mut open: Option<(BlobKind, PackBuilder)> = None;
    while let Some(next) = reads.next().await {
        if job.cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        let (entry, sealed) = next?;
        if let Some((kind, pack)) = open.take() {
            let full = pack.len() + sealed.len() > PACK || pack.count() >= MOST_BLOBS;
            if full || kind != entry.kind {
                written.push(store(reader.repo(), pack, job).await?);
            } else {
                open = Some((kind, pack));
            }
        }
        let (_, pack) = open.get_or_insert_with(|| (entry.kind, PackBuilder::new()));
        add(pack, &entry, &sealed)?;
    }
    if let Some((_, pack)) = open {
        written.push(store(reader.repo(), pack, job).await?);
    }
    Ok(written)
}

fn add(pack: &mut PackBuilder, entry: &PackEntry, sealed: &Bytes) -> Result<(), EngineError> {
    let encoded = Encoded { length: entry.length, uncompressed_length: entry.uncompressed_length };
    pack.add(entry.id, entry.kind, sealed, encoded).map_err(EngineError::format("a new pack"))
}

async fn store(repo: &Repo, pack: PackBuilder, job: &Job) -> Result<IndexPack, EngineError> {
    let nonce = Nonce::random(&mut rand::rng());
    let pack = pack.finish(repo.key(), nonce).map_err(EngineError::format("a new pack"))?;
    let length = pack.bytes.len() as u64;
    repo.store().create(&path(FileKind::Pack, pack.id)?, pack.bytes.into()).await?;
    job.progress.stored(length);
    Ok(IndexPack { id: pack.id, blobs: pack.entries })
}
