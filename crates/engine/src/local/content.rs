//! Reads the bytes of a file into the repository.

use crate::chunker::MIN;
use crate::writer::Shared;
use crate::{EngineError, FileWriter};
use repository::{BlobKind, FileContent};
use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, pread};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// Whether holes are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holes {
    /// The file has fewer blocks than its length needs.
    Skip,
    /// Every byte is there.
    None,
}

/// A file that is read from its start to the length it had at first.
#[derive(Debug)]
pub(super) struct Source<'a> {
    file: BorrowedFd<'a>,
    length: u64,
    holes: Holes,
}

/// How reading a file ended. Failures of the repository are errors instead.
#[derive(Debug)]
pub(super) enum Read {
    /// All bytes that were announced, and no more.
    Complete(FileContent),
    /// The file is shorter or longer than it was.
    Changed(FileContent),
    /// The file could not be read.
    Failed(io::Error),
}

impl<'a> Source<'a> {
    pub(super) fn new(file: BorrowedFd<'a>, length: u64, holes: Holes) -> Self {
        Self { file, length, holes }
    }

    /// Whether the file is one chunk at most, so that one read is enough.
    pub(super) fn is_small(&self) -> bool {
        self.length <= MIN as u64
    }

    /// Fills `buffer` from `offset`; fewer bytes mean that the file ends there.
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match pread(self.file, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }

    /// The next stretch at `offset`: so many bytes of hole, then so many of data.
    fn stretch(&self, offset: u64) -> (u64, u64) {
        let rest = self.length - offset;
        if self.holes == Holes::None {
            return (0, rest);
        }
        let data = match seek(self.file, SeekFrom::Data(offset)) {
            Ok(data) => data.clamp(offset, self.length),
            Err(Errno::NXIO) => self.length,
            Err(_) => return (0, rest),
        };
        let end = match seek(self.file, SeekFrom::Hole(data)) {
            Ok(end) if data < self.length => end.clamp(data, self.length),
            _ => self.length,
        };
        (data - offset, end - data)
    }
}

/// Saves a file that is one chunk at most, in this thread. `buffer` is reused between files.
pub(super) fn save_small(
    shared: &Shared,
    source: &Source<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Read, EngineError> {
    // One byte more than announced shows whether the file has grown.
    buffer.resize(source.length as usize + 1, 0);
    let read = match source.fill(buffer, 0) {
        Ok(read) => read,
        Err(error) => return Ok(Read::Failed(error)),
    };
    let size = (read as u64).min(source.length);
    let plain = buffer.get(..size as usize).unwrap_or_default();
    let ids = if plain.is_empty() { Vec::new() } else { vec![shared.save(BlobKind::Data, plain)?] };
    shared.add_read(size);
    let content = FileContent { ids, size };
    Ok(if read as u64 == source.length { Read::Complete(content) } else { Read::Changed(content) })
}

/// Saves a file of any length; its chunks are sealed by the writer's workers.
pub(super) fn save_large(
    shared: &Arc<Shared>,
    runtime: &Handle,
    source: &mut Source<'_>,
) -> Result<Read, EngineError> {
    let mut writer = FileWriter::new(shared.clone());
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < source.length {
        let (hole, data) = source.stretch(offset);
        runtime.block_on(writer.write_zeros(hole))?;
        offset += hole;
        let end = offset + data;
        while offset < end {
            let wanted = PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE));
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            let read = match source.fill(piece, offset) {
                Ok(read) => read,
                Err(error) => return Ok(Read::Failed(error)),
            };
            let piece = piece.get(..read).unwrap_or_default();
            runtime.block_on(writer.write_slice(piece))?;
            offset += read as u64;
            if read < wanted {
                return Ok(Read::Changed(runtime.block_on(writer.finish())?));
            }
        }
    }
    let grown = source.fill(&mut [0], source.length);
    let content = runtime.block_on(writer.finish())?;
    Ok(match grown {
        Ok(0) => Read::Complete(content),
        Ok(_) => Read::Changed(content),
        Err(error) => Read::Failed(error),
    })
}
