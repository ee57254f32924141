//! The threads that hash, compress and seal what file writers hand over.

use super::memory::Held;
use super::shared::Shared;
use crate::EngineError;
use parking_lot::Mutex;
use repository::{BlobId, BlobKind};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// One chunk of a file on its way into a pack.
#[derive(Debug)]
pub(crate) struct Task {
    pub(super) chunk: Chunk,
    /// The memory of the chunk; given back when the task is dropped.
    pub(super) memory: Held,
    pub(super) reply: oneshot::Sender<BlobId>,
}

/// The bytes of a chunk.
#[derive(Debug)]
pub(super) enum Chunk {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many zeros.
    Zeros(usize),
}

/// The running threads.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start(shared: &Arc<Shared>, work: mpsc::Receiver<Task>) -> Self {
        let work = Arc::new(Mutex::new(work));
        let threads = (0..shared.job.budget.workers()).map(|_| {
            let (shared, work) = (shared.clone(), work.clone());
            tokio::task::spawn_blocking(move || run(&shared, &work))
        });
        Self { threads: threads.collect() }
    }

    /// Waits until all chunks are done; they must have been closed before.
    pub(super) async fn join(self) -> Result<(), EngineError> {
        for thread in self.threads {
            thread.await?;
        }
        Ok(())
    }
}

fn run(shared: &Shared, work: &Mutex<mpsc::Receiver<Task>>) {
    loop {
        let next = work.lock().blocking_recv();
        let Some(Task { chunk, memory, reply }) = next else { return };
        let saved = match chunk {
            Chunk::Bytes(plain) => shared.save(BlobKind::Data, &plain),
            Chunk::Zeros(length) => shared.save(BlobKind::Data, &vec![0; length]),
        };
        drop(memory);
        match saved {
            // A file writer that was dropped does not want the answer.
            Ok(id) => drop(reply.send(id)),
            // Without an answer the file writer asks for the error.
            Err(error) => shared.fail(error),
        }
    }
}
