//! One list of the recovery point: a head, the objects' bytes unchanged, a tail.

use super::batch::Batch;
use crate::discovery::Kind;
use engine::{EngineError, FileContent, Writer};

/// A list that is being written.
#[derive(Debug)]
pub(super) struct ListFile {
    batch: Batch,
    empty: bool,
}

impl ListFile {
    /// Begins a list.
    pub(super) async fn open(writer: &Writer, batch_bytes: usize, kind: &Kind) -> Result<Self, EngineError> {
        let mut batch = Batch::new(writer, batch_bytes);
        let (api_version, kind) = (kind.api_version(), &kind.kind);
        let head = format!("{{\"apiVersion\":\"{api_version}\",\"kind\":\"{kind}List\",\"items\":[\n");
        batch.write(head.as_bytes()).await?;
        Ok(Self { batch, empty: true })
    }

    /// Adds an object; says where it begins.
    pub(super) async fn add(&mut self, object: &[u8]) -> Result<u64, EngineError> {
        if !std::mem::take(&mut self.empty) {
            self.batch.write(b",\n").await?;
        }
        let offset = self.batch.length();
        self.batch.write(object).await?;
        Ok(offset)
    }

    /// Ends the list.
    pub(super) async fn close(mut self) -> Result<FileContent, EngineError> {
        self.batch.write(b"\n]}\n").await?;
        self.batch.finish().await
    }
}
