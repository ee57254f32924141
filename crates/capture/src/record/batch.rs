//! One file of the recovery point that is written in small pieces and stored in larger ones.

use bytes::{Bytes, BytesMut};
use engine::{EngineError, FileContent, FileWriter, Writer};

/// Collects small pieces of one file.
#[derive(Debug)]
pub(crate) struct Batch {
    file: FileWriter,
    waiting: BytesMut,
    most: usize,
    length: u64,
}

impl Batch {
    pub(crate) fn new(writer: &Writer, most: usize) -> Self {
        Self { file: writer.file(), waiting: BytesMut::new(), most, length: 0 }
    }

    /// Bytes so far: where the next piece begins.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Appends a piece.
    pub(crate) async fn write(&mut self, piece: &[u8]) -> Result<(), EngineError> {
        self.length += piece.len() as u64;
        self.waiting.extend_from_slice(piece);
        if self.waiting.len() >= self.most { self.flush().await } else { Ok(()) }
    }

    /// Stores what is left.
    pub(crate) async fn finish(mut self) -> Result<FileContent, EngineError> {
        self.flush().await?;
        self.file.finish().await
    }

    async fn flush(&mut self) -> Result<(), EngineError> {
        let waiting: Bytes = self.waiting.split().freeze();
        if waiting.is_empty() { Ok(()) } else { self.file.write(waiting).await }
    }
}

/// A whole small file.
pub(crate) async fn small_file(writer: &Writer, content: &[u8]) -> Result<FileContent, EngineError> {
    let mut file = writer.file();
    file.write(Bytes::copy_from_slice(content)).await?;
    file.finish().await
}
