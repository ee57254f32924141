//! Writes the content of a file, chunk by chunk, each verified before one byte of it is written.

use super::holes::{data_ranges, is_zero};
use crate::{
    EngineError, Job, Reader,
    reader::{Chunk, missing},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use repository::{BlobId, BlobKind, Node};
use std::{collections::HashSet, fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// Chunks that are fetched ahead of the one that is written.
const AHEAD: usize = 3;

/// What happens to zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// They are written: for devices and files whose old content is unknown.
    Write,
    /// They are left out: the file is new, so what is not written reads as zeros.
    LeaveOut,
}

/// Chunks that were found to hold nothing but zeros: they are not fetched again.
#[derive(Debug, Default)]
pub(super) struct KnownZeros(Mutex<HashSet<BlobId>>);

/// Writes the content of `node` into an open file or block device, from its beginning. The length of the file is
/// not changed otherwise; syncing is up to the caller. Returns how many bytes the content has.
pub async fn write_content(
    reader: &Reader,
    node: &Node,
    file: Arc<File>,
    zeros: Zeros,
    job: &Job,
) -> Result<u64, EngineError> {
    write_chunks(reader, reader.chunks_of(node)?, &file, zeros, &KnownZeros::default(), &|bytes| {
        if job.cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        job.progress.read(bytes);
        Ok(())
    })
    .await
}

/// Writes chunks; `progress` is told about bytes and can end it. Returns the length of the content.
pub(super) async fn write_chunks(
    reader: &Reader,
    chunks: Vec<Chunk>,
    file: &Arc<File>,
    zeros: Zeros,
    known: &KnownZeros,
    progress: &(dyn Fn(u64) -> Result<(), EngineError> + Sync),
) -> Result<u64, EngineError> {
    let length = chunks.last().map_or(0, |last| last.range.end);
    let wanted = chunks.into_iter().map(|chunk| {
        let skip = zeros == Zeros::LeaveOut && known.0.lock().contains(&chunk.id);
        (chunk, skip)
    });
    let mut fetched = stream::iter(wanted)
        .map(|(chunk, skip)| async move {
            let plain = if skip { None } else { Some(reader.fetch(BlobKind::Data, chunk.id).await) };
            (chunk, plain)
        })
        .buffered(AHEAD);
    while let Some((chunk, plain)) = fetched.next().await {
        progress(chunk.range.end - chunk.range.start)?;
        let Some(plain) = plain else { continue };
        let plain = plain?;
        if plain.len() as u64 != chunk.range.end - chunk.range.start {
            return Err(missing(BlobKind::Data, chunk.id));
        }
        let file = file.clone();
        let write = move || write_plain(&file, &plain, chunk.range.start, zeros);
        let all_zero =
            tokio::task::spawn_blocking(write).await?.map_err(EngineError::io("write", "the file"))?;
        if all_zero {
            known.0.lock().insert(chunk.id);
        }
    }
    Ok(length)
}

/// Writes one verified chunk; says whether it held nothing but zeros.
pub(super) fn write_plain(file: &File, plain: &Bytes, offset: u64, zeros: Zeros) -> io::Result<bool> {
    if zeros == Zeros::Write {
        file.write_all_at(plain, offset)?;
        return Ok(false);
    }
    if is_zero(plain) {
        return Ok(true);
    }
    for range in data_ranges(plain, offset) {
        if let Some(part) = plain.get(range.clone()) {
            file.write_all_at(part, offset + range.start as u64)?;
        }
    }
    Ok(false)
}
