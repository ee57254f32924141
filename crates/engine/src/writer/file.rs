//! One file that is being written, piece by piece.

use super::memory::{Held, Ledger};
use super::shared::Shared;
use super::workers::{Chunk, Task};
use crate::EngineError;
use crate::chunker::{Chunker, MAX};
use bytes::Bytes;
use parking_lot::Mutex;
use repository::{BlobId, FileContent};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot::{self, error::TryRecvError};

/// Bytes that are taken from the caller at once.
const PIECE: usize = 256 * 1024;

/// One file that is being written. It holds at most one chunk in memory, less when memory is short.
///
/// Dropping it unfinished is fine: its chunks then belong to nobody.
#[derive(Debug)]
pub struct FileWriter {
    shared: Arc<Shared>,
    file: Arc<OpenFile>,
    number: u64,
}

/// The part of a file that whoever is short of memory may cut.
#[derive(Debug, Default)]
pub(super) struct OpenFile {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The current chunk so far; `zeros` are in front of it.
    buffer: Vec<u8>,
    /// Leading zeros of the current chunk that take no memory; only while `buffer` is empty.
    zeros: usize,
    held: Held,
    chunker: Chunker,
    pending: VecDeque<Pending>,
    ids: Vec<BlobId>,
    size: u64,
}

#[derive(Debug)]
enum Pending {
    Saving(oneshot::Receiver<BlobId>),
    Known(BlobId),
    /// The work ended before it was saved; a closed receiver must not be asked again.
    Lost,
}

impl FileWriter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let file = Arc::new(OpenFile::default());
        let number = shared.raw.register(&file);
        Self { shared, file, number }
    }

    /// Appends bytes. Waits while memory is short.
    pub async fn write(&mut self, data: Bytes) -> Result<(), EngineError> {
        self.shared.check()?;
        self.write_slice(&data).await
    }

    /// Appends bytes that the caller keeps.
    pub async fn write_slice(&mut self, data: &[u8]) -> Result<(), EngineError> {
        for piece in data.chunks(PIECE) {
            if piece.len() == PIECE && is_zero(piece) {
                self.add_zeros(PIECE as u64).await?;
            } else {
                self.fill_in_zeros().await?;
                self.append(piece.len(), |buffer| buffer.extend_from_slice(piece)).await?;
            }
        }
        self.count(data.len() as u64);
        Ok(())
    }

    /// Appends zeros: the hole of a sparse file. Costs next to nothing, however many they are.
    pub async fn write_zeros(&mut self, length: u64) -> Result<(), EngineError> {
        self.shared.check()?;
        self.add_zeros(length).await?;
        self.count(length);
        Ok(())
    }

    async fn add_zeros(&self, length: u64) -> Result<(), EngineError> {
        let mut rest = length;
        while rest > 0 {
            let taken = match self.file.add_zeros(rest) {
                Some(taken) => taken,
                // The chunk began with other bytes: go on with real zeros until its end.
                None => {
                    let piece = usize::try_from(rest).unwrap_or(PIECE).min(PIECE);
                    self.append(piece, |buffer| buffer.resize(buffer.len() + piece, 0)).await?;
                    piece
                }
            };
            rest -= taken as u64;
            self.flush_zeros().await?;
        }
        Ok(())
    }

    /// Ends the file and waits until all its chunks are in packs.
    pub async fn finish(self) -> Result<FileContent, EngineError> {
        self.fill_in_zeros().await?;
        if let Some(task) = self.file.cut_rest(&self.shared.raw) {
            self.shared.send_work(task).await?;
        }
        loop {
            let next = self.file.state.lock().pending.pop_front();
            let id = match next {
                None => break,
                Some(Pending::Known(id)) => id,
                Some(Pending::Lost) => return Err(self.shared.ended()),
                Some(Pending::Saving(reply)) => self.wait(reply).await?,
            };
            self.file.state.lock().ids.push(id);
        }
        let mut state = self.file.state.lock();
        Ok(FileContent { ids: std::mem::take(&mut state.ids), size: state.size })
    }

    async fn wait(&self, reply: oneshot::Receiver<BlobId>) -> Result<BlobId, EngineError> {
        tokio::select! {
            id = reply => id.map_err(|_| self.shared.ended()),
            () = self.shared.halt.cancelled() => Err(self.shared.ended()),
        }
    }

    fn count(&self, bytes: u64) {
        self.file.state.lock().size += bytes;
        self.shared.add_read(bytes);
    }

    /// Appends `length` bytes to the buffer by `add`, then hands on every chunk that is complete.
    async fn append(&self, length: usize, add: impl Fn(&mut Vec<u8>)) -> Result<(), EngineError> {
        let ledger = &self.shared.raw;
        let mut held = Held::default();
        while let Some(missing) = self.file.append(&mut held, length, &add) {
            held = ledger.acquire(&self.shared, missing).await?;
        }
        while let Some(task) = self.file.cut(ledger) {
            self.shared.send_work(task).await?;
        }
        ledger.poke();
        Ok(())
    }

    /// Turns zeros that take no memory into bytes, because other bytes follow or the file ends.
    async fn fill_in_zeros(&self) -> Result<(), EngineError> {
        let zeros = std::mem::take(&mut self.file.state.lock().zeros);
        let mut rest = zeros;
        while rest > 0 {
            let piece = rest.min(PIECE);
            self.append(piece, |buffer| buffer.resize(buffer.len() + piece, 0)).await?;
            rest -= piece;
        }
        Ok(())
    }

    /// Hands on a whole chunk of zeros. Only the first one of a writer is really saved.
    async fn flush_zeros(&self) -> Result<(), EngineError> {
        if let Some(task) = self.file.cut_zeros(self.shared.zero_chunk.get().copied()) {
            self.shared.send_work(task).await?;
            self.shared.zero_chunk.get_or_init(|| BlobId::of(&vec![0; zero_chunk()]));
        }
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.shared.raw.forget(self.number);
    }
}

impl OpenFile {
    /// Appends `length` bytes by `add`, with `more` memory. Yields how much is missing when that is too little;
    /// then nothing was appended.
    fn append(&self, more: &mut Held, length: usize, add: impl Fn(&mut Vec<u8>)) -> Option<usize> {
        let mut state = self.state.lock();
        state.held.merge(std::mem::take(more));
        let missing = (state.buffer.len() + length).saturating_sub(state.held.bytes());
        if missing > 0 {
            return Some(missing);
        }
        reserve(&mut state.buffer, length);
        add(&mut state.buffer);
        None
    }

    /// Bytes that cutting this file would set free.
    pub(super) fn buffered(&self) -> usize {
        self.state.lock().buffer.len()
    }

    /// Cuts the current chunk although its end was not found.
    pub(super) fn cut_early(&self, ledger: &Ledger) -> Option<Task> {
        self.cut_rest(ledger)
    }

    /// Takes the current chunk as it is.
    fn cut_rest(&self, ledger: &Ledger) -> Option<Task> {
        let mut state = self.state.lock();
        if state.buffer.is_empty() {
            return None;
        }
        let length = state.buffer.len();
        state.chunker.reset();
        Some(state.take(length, ledger))
    }

    /// Takes the current chunk if it is complete.
    fn cut(&self, ledger: &Ledger) -> Option<Task> {
        let mut state = self.state.lock();
        let State { buffer, chunker, .. } = &mut *state;
        let length = chunker.scan(buffer)?;
        Some(state.take(length, ledger))
    }

    /// Takes a whole chunk of zeros, if there is one. It has to be saved only while its id is not `known`.
    fn cut_zeros(&self, known: Option<BlobId>) -> Option<Task> {
        let length = zero_chunk();
        let mut state = self.state.lock();
        if state.zeros < length {
            return None;
        }
        state.zeros -= length;
        state.chunker.reset();
        if let Some(id) = known {
            state.push(Pending::Known(id));
            return None;
        }
        let (reply, receiver) = oneshot::channel();
        state.push(Pending::Saving(receiver));
        Some(Task { chunk: Chunk::Zeros(length), memory: Held::default(), reply })
    }

    /// Counts zeros instead of storing them, at most up to the end of the chunk. `None` when the chunk began
    /// with other bytes.
    fn add_zeros(&self, length: u64) -> Option<usize> {
        let mut state = self.state.lock();
        if !state.buffer.is_empty() {
            return None;
        }
        let room = zero_chunk() - state.zeros;
        let taken = usize::try_from(length).unwrap_or(room).min(room);
        state.zeros += taken;
        Some(taken)
    }
}

impl State {
    /// Makes a task of the first `length` bytes of the buffer.
    fn take(&mut self, length: usize, ledger: &Ledger) -> Task {
        let rest = self.buffer.get(length..).unwrap_or_default().to_vec();
        let rest = if is_zero(&rest) {
            self.zeros = rest.len();
            Vec::new()
        } else {
            rest
        };
        let mut chunk = std::mem::replace(&mut self.buffer, rest);
        chunk.truncate(length);
        let keep = self.held.split(self.buffer.len());
        let memory = ledger.send_off(std::mem::replace(&mut self.held, keep));
        let (reply, receiver) = oneshot::channel();
        self.push(Pending::Saving(receiver));
        Task { chunk: Chunk::Bytes(chunk), memory, reply }
    }

    /// Queues an answer and collects those that have come.
    fn push(&mut self, pending: Pending) {
        self.pending.push_back(pending);
        while let Some(front) = self.pending.front_mut() {
            let id = match front {
                Pending::Known(id) => *id,
                Pending::Lost => return,
                Pending::Saving(reply) => match reply.try_recv() {
                    Ok(id) => id,
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Closed) => {
                        *front = Pending::Lost;
                        return;
                    }
                },
            };
            self.pending.pop_front();
            self.ids.push(id);
        }
    }
}

/// Grows a buffer by less than doubling, so that what is allocated stays near what is used.
fn reserve(buffer: &mut Vec<u8>, more: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        let room = if needed < 64 * 1024 { needed } else { needed / 8 };
        buffer.reserve_exact((more + room).min(MAX + PIECE));
    }
}

/// Whether all bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(1024).all(|part| part.iter().fold(0, |any, byte| any | byte) == 0)
}

/// Length of the chunk that a long run of zeros is cut into.
fn zero_chunk() -> usize {
    static LENGTH: OnceLock<usize> = OnceLock::new();
    *LENGTH.get_or_init(|| Chunker::default().scan(&vec![0; MAX]).unwrap_or(MAX))
}
