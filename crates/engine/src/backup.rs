//! The verb `backup`: a local directory becomes a recovery point.

use crate::local::{SavedTree, save_changes, save_directory};
use crate::{EngineError, Job, Reader, Repo, SnapshotDraft, Totals, Writer};
use jiff::Timestamp;
use repository::{SnapshotId, SnapshotSummary};
use std::path::{Path, PathBuf};

/// What is backed up, and what the snapshot says about it.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The directory. Its entries become the root of the recovery point.
    pub source: PathBuf,
    /// When the data was as it is saved; the start of the work when absent.
    pub time: Option<Timestamp>,
    /// The machine that the data comes from.
    pub hostname: String,
    /// Tags, `key=value` each.
    pub tags: Vec<String>,
}

/// What a backup did.
#[derive(Debug, Clone)]
pub struct BackupReport {
    /// The recovery point.
    pub snapshot: SnapshotId,
    /// What was saved, with every problem by name.
    pub saved: SavedTree,
    /// What it took.
    pub totals: Totals,
}

/// Backs up a directory. Problems with single files are in the report; the recovery point then exists and
/// lacks them.
pub async fn backup(repo: &Repo, job: Job, options: BackupOptions) -> Result<BackupReport, EngineError> {
    run(repo, job, options, None).await
}

/// Like [`backup`], but does not read what has not changed since `parent`, a recovery point of the same directory.
pub async fn backup_since(
    repo: &Repo,
    job: Job,
    options: BackupOptions,
    parent: SnapshotId,
) -> Result<BackupReport, EngineError> {
    run(repo, job, options, Some(parent)).await
}

async fn run(
    repo: &Repo,
    job: Job,
    options: BackupOptions,
    parent: Option<SnapshotId>,
) -> Result<BackupReport, EngineError> {
    let start = job.clock.now();
    let writer = Writer::start(repo, job).await?;
    let saved = match save(&writer, &options.source, parent).await {
        Ok(saved) => saved,
        Err(error) => {
            writer.abort().await?;
            return Err(error);
        }
    };
    let draft = SnapshotDraft {
        hostname: options.hostname,
        paths: vec![options.source.to_string_lossy().into_owned()],
        tags: options.tags,
        parent,
        summary: Some(summary(start, writer.job().clock.now(), &saved, writer.totals())),
        ..SnapshotDraft::new(saved.tree, options.time.unwrap_or(start))
    };
    let snapshot = writer.commit(draft).await?;
    Ok(BackupReport { snapshot, saved, totals: writer.totals() })
}

async fn save(writer: &Writer, source: &Path, parent: Option<SnapshotId>) -> Result<SavedTree, EngineError> {
    let Some(parent) = parent else { return save_directory(writer, source).await };
    let reader = Reader::with_budget(writer.repo(), &writer.job().budget).await?;
    let parent = writer.repo().snapshot(parent).await?;
    save_changes(writer, source, &reader, parent.tree).await
}

fn summary(start: Timestamp, end: Timestamp, saved: &SavedTree, totals: Totals) -> SnapshotSummary {
    SnapshotSummary {
        backup_start: start,
        backup_end: end,
        files_new: saved.files - saved.unchanged,
        files_changed: 0,
        files_unmodified: saved.unchanged,
        dirs_new: saved.directories,
        dirs_changed: 0,
        dirs_unmodified: 0,
        data_blobs: totals.data_blobs,
        tree_blobs: totals.tree_blobs,
        data_added: totals.added,
        data_added_packed: totals.stored,
        total_files_processed: saved.files,
        total_bytes_processed: saved.bytes,
    }
}
