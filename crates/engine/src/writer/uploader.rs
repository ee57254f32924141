//! Uploads packs, several at once, and index files for those that have arrived.

use super::shared::Shared;
use crate::EngineError;
use bytes::Bytes;
use repository::{FileKind, FinishedPack, IndexId, IndexPack, Nonce, PackId};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// The running task.
#[derive(Debug)]
pub(super) struct Uploader {
    task: JoinHandle<()>,
}

impl Uploader {
    pub(super) fn start(shared: &Arc<Shared>, packs: mpsc::Receiver<FinishedPack>) -> Self {
        Self { task: tokio::spawn(run(shared.clone(), packs)) }
    }

    /// Waits until all packs and the last index file are stored; packs must have been closed before.
    pub(super) async fn join(self) -> Result<(), EngineError> {
        Ok(self.task.await?)
    }
}

/// Errors end the work through [`Shared::fail`]; returning then closes the channel, which frees the workers.
async fn run(shared: Arc<Shared>, mut packs: mpsc::Receiver<FinishedPack>) {
    let mut running = JoinSet::new();
    let ended = tokio::select! {
        ended = upload_all(&shared, &mut packs, &mut running) => ended,
        () = shared.halt.cancelled() => Err(EngineError::Cancelled),
    };
    if let Err(error) = ended {
        shared.fail(error);
        running.shutdown().await;
    }
}

async fn upload_all(
    shared: &Arc<Shared>,
    packs: &mut mpsc::Receiver<FinishedPack>,
    running: &mut JoinSet<Result<(), EngineError>>,
) -> Result<(), EngineError> {
    let most = shared.job.budget.uploads();
    loop {
        tokio::select! {
            pack = packs.recv(), if running.len() < most => match pack {
                Some(pack) => {
                    running.spawn(upload(shared.clone(), pack));
                }
                None => break,
            },
            Some(done) = running.join_next() => done??,
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    match shared.indexer.rest() {
        Some(packs) => save_index(shared, packs).await,
        None => Ok(()),
    }
}

async fn upload(shared: Arc<Shared>, pack: FinishedPack) -> Result<(), EngineError> {
    let FinishedPack { id, bytes, entries } = pack;
    let length = bytes.len() as u64;
    let stored = crate::repo::path(FileKind::Pack, id)?;
    shared.repo.store().create(&stored, Bytes::from(bytes)).await?;
    shared.job.progress.stored(length);
    confirmed(&shared, id, entries).await
}

/// An index file may name the pack from now on.
async fn confirmed(
    shared: &Shared,
    id: PackId,
    entries: Vec<repository::PackEntry>,
) -> Result<(), EngineError> {
    match shared.indexer.add(IndexPack { id, blobs: entries }) {
        Some(packs) => save_index(shared, packs).await,
        None => Ok(()),
    }
}

async fn save_index(shared: &Shared, packs: Vec<IndexPack>) -> Result<(), EngineError> {
    let repo = shared.repo.clone();
    let encode = move || {
        let nonce = Nonce::random(&mut rand::rng());
        repository::IndexFile { packs }.encode(repo.key(), nonce).map_err(EngineError::format("a new index"))
    };
    let bytes = tokio::task::spawn_blocking(encode).await??;
    let length = bytes.len() as u64;
    shared.repo.create::<IndexId>(FileKind::Index, bytes).await?;
    shared.job.progress.stored(length);
    Ok(())
}
