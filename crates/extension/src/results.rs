//! The full result of an operation: one JSON line per outcome, compressed and sealed with the repository's
//! key, beside the repository's own files. Reference: `docs/formats/custom-resources.md`, "Result files".

use engine::{EngineError, Repo};
use serde::Serialize;
use std::io::{Read, Write};
use storage::{StoreError, StoreErrorKind, StorePath};

const LEVEL: i32 = 3;
/// A result that inflates beyond this is refused.
const LIMIT: u64 = 1 << 30;

/// A failed result file.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// The repository failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The content cannot be written or read.
    #[error("the result file cannot be {0}")]
    Content(String),
}

/// Collects the lines of a result; holds them compressed.
pub struct ResultFile {
    encoder: zstd::Encoder<'static, Vec<u8>>,
}

impl std::fmt::Debug for ResultFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResultFile(…)")
    }
}

impl ResultFile {
    /// An empty result.
    pub fn new() -> Result<Self, ResultError> {
        let encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(|error| written(&error))?;
        Ok(Self { encoder })
    }

    /// Adds a line.
    pub fn line(&mut self, line: &impl Serialize) -> Result<(), ResultError> {
        serde_json::to_writer(&mut self.encoder, line).map_err(|error| written(&error))?;
        self.encoder.write_all(b"\n").map_err(|error| written(&error))
    }

    /// The whole result: no line is added any more.
    pub fn finish(self) -> Result<FinishedResult, ResultError> {
        Ok(FinishedResult(self.encoder.finish().map_err(|error| written(&error))?))
    }
}

/// A result that can be stored, again and again until the store takes it.
#[derive(Debug)]
pub struct FinishedResult(Vec<u8>);

impl FinishedResult {
    /// Stores the result of the operation `uid`; `attempt` keeps a repeated attempt from meeting the file of
    /// the one before. Returns the path for `status.resultFile`.
    pub async fn store(&self, repo: &Repo, uid: &str, attempt: u32) -> Result<String, ResultError> {
        let path = format!("results/{uid}-{attempt}");
        let target = StorePath::parse(path.clone()).map_err(|error| written(&error))?;
        match repo.store().create(&target, repo.seal(&self.0).into()).await {
            // Nobody else writes there: it was stored before, and only the answer was lost.
            Err(error) if error.kind == StoreErrorKind::Exists => Ok(path),
            stored => Ok(stored.map(|()| path)?),
        }
    }
}

/// The lines of a result.
pub async fn read(repo: &Repo, path: &str) -> Result<String, ResultError> {
    let target = StorePath::parse(path).map_err(|error| ResultError::Content(format!("read: {error}")))?;
    let sealed = repo.store().read(&target).await?;
    let compressed = repo.open_sealed(&sealed, path)?;
    let mut text = String::new();
    let decoder = zstd::Decoder::new(compressed.as_slice()).map_err(|error| unread(&error))?;
    let inflated = decoder.take(LIMIT + 1).read_to_string(&mut text).map_err(|error| unread(&error))?;
    if inflated as u64 > LIMIT {
        return Err(unread(&format!("it is longer than {LIMIT} bytes")));
    }
    Ok(text)
}

fn written(error: &dyn std::fmt::Display) -> ResultError {
    ResultError::Content(format!("written: {error}"))
}

fn unread(error: &dyn std::fmt::Display) -> ResultError {
    ResultError::Content(format!("read: {error}"))
}
